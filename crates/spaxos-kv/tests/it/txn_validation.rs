//! "Txn": what is refused before anything is executed.

use spaxos_kv::{
    CompareResult, CompareTarget, KvError, Limits, PutRequest, RequestOp, TxnRequest, validate_txn,
};

use crate::build::*;

fn validate(txn: &TxnRequest) -> Result<(), KvError> {
    validate_txn(txn, &Limits::DEFAULT)
}

/// `levels` transactions inside each other, each with `width` reads beside the next.
fn tower(levels: usize, width: usize) -> TxnRequest {
    let mut txn = all_of(Vec::new());
    for level in 0..levels {
        let mut ops = vec![get_op("a"); width];
        if level > 0 {
            ops.push(RequestOp::Txn(txn));
        }
        txn = all_of(ops);
    }
    txn
}

#[test]
fn each_of_the_three_lists_may_have_as_many_as_the_limit() {
    let condition = compare("a", CompareTarget::Version(0), CompareResult::Equal);
    for (len, verdict) in [(128, Ok(())), (129, Err(KvError::TooManyOps))] {
        let ops = || vec![get_op("a"); len];
        assert_eq!(
            validate(&txn(vec![condition.clone(); len], vec![], vec![])),
            verdict
        );
        assert_eq!(validate(&txn(vec![], ops(), vec![])), verdict);
        assert_eq!(validate(&txn(vec![], vec![], ops())), verdict);
    }
    let all = txn(
        vec![condition; 128],
        vec![get_op("a"); 128],
        vec![get_op("a"); 128],
    );
    assert_eq!(validate(&all), Ok(()), "the longest counts, not their sum");
}

#[test]
fn a_nested_transaction_has_the_budget_that_its_parents_left() {
    let outer = |inner: usize, beside: usize| {
        let mut ops = vec![get_op("a"); beside];
        ops.push(nested(vec![get_op("a"); inner], vec![]));
        all_of(ops)
    };
    assert_eq!(validate(&outer(127, 0)), Ok(()));
    assert_eq!(validate(&outer(127, 1)), Err(KvError::TooManyOps));
    assert_eq!(validate(&outer(126, 1)), Ok(()));
    let two = all_of(vec![
        outer(100, 0).success[0].clone(),
        outer(100, 0).success[0].clone(),
    ]);
    assert_eq!(validate(&two), Ok(()), "siblings do not share a budget");
}

#[test]
fn nesting_ends_where_the_budget_does() {
    assert_eq!(validate(&tower(128, 0)), Ok(()));
    assert_eq!(
        validate(&tower(129, 0)),
        Ok(()),
        "an empty innermost needs no budget"
    );
    assert_eq!(validate(&tower(130, 0)), Err(KvError::TooManyOps));
    assert_eq!(validate(&tower(44, 2)), Err(KvError::TooManyOps));
    assert_eq!(validate(&tower(43, 2)), Ok(()));
    let flat = Limits {
        txn_depth_max: 2,
        ..Limits::DEFAULT
    };
    assert_eq!(validate_txn(&tower(2, 3), &flat), Ok(()));
    assert_eq!(validate_txn(&tower(3, 0), &flat), Err(KvError::TooManyOps));
    let mut bench = Bench::new();
    assert!(bench.txn(tower(129, 0)).is_ok());
    assert_eq!(bench.txn(tower(130, 0)), Err(KvError::TooManyOps));
    assert_eq!(bench.txn(tower(2000, 0)), Err(KvError::TooManyOps));
}

#[test]
fn the_whole_tree_is_limited_too() {
    let limits = Limits {
        txn_ops_total_max: 150,
        ..Limits::DEFAULT
    };
    let wide = |count| all_of(vec![nested(vec![get_op("a"); count], vec![]); 10]);
    assert_eq!(validate_txn(&wide(14), &limits), Ok(()));
    assert_eq!(validate_txn(&wide(15), &limits), Err(KvError::TooManyOps));
}

#[test]
fn an_empty_key_is_refused_wherever_it_stands() {
    let condition = compare("", CompareTarget::Version(0), CompareResult::Equal);
    assert_eq!(
        validate(&txn(vec![condition], vec![], vec![])),
        Err(KvError::KeyNotProvided)
    );
    for op in [get_op(""), put_op("", ""), delete_op("", "\0")] {
        assert_eq!(
            validate(&all_of(vec![op.clone()])),
            Err(KvError::KeyNotProvided)
        );
        assert_eq!(
            validate(&txn(vec![], vec![], vec![op.clone()])),
            Err(KvError::KeyNotProvided)
        );
        let inside = all_of(vec![nested(vec![], vec![op])]);
        assert_eq!(validate(&inside), Err(KvError::KeyNotProvided));
    }
}

#[test]
fn faults_of_operations_are_found_on_both_branches() {
    let ignoring = RequestOp::Put(PutRequest {
        ignore_value: true,
        ..put("a", "x")
    });
    assert_eq!(
        validate(&txn(vec![], vec![], vec![ignoring])),
        Err(KvError::ValueProvided)
    );
    assert_eq!(
        validate(&txn(vec![], vec![], vec![RequestOp::Empty])),
        Err(KvError::KeyNotFound)
    );
    let mut bench = Bench::new();
    assert_eq!(
        bench.txn(all_of(vec![RequestOp::Empty])),
        Err(KvError::KeyNotFound)
    );
}

/// Operations written down: `+a` puts, `-a` deletes, `-a..c` deletes a range and `-a..` all from a
/// on; `( … | … )` is a nested transaction with its two branches.
fn ops(text: &str) -> Vec<RequestOp> {
    let mut lists = vec![Vec::new()];
    let last = "lists are opened before they are used";
    for word in text.split_whitespace() {
        match word.split_at(1) {
            ("(" | "|", _) => lists.push(Vec::new()),
            (")", _) => {
                let failure = lists.pop().expect(last);
                let success = lists.pop().expect(last);
                lists.last_mut().expect(last).push(nested(success, failure));
            }
            ("+", key) => lists.last_mut().expect(last).push(put_op(key, "")),
            (_, span) => {
                let (key, end) = span.split_once("..").unwrap_or((span, " "));
                let end = if end.is_empty() { "\0" } else { end.trim() };
                lists.last_mut().expect(last).push(delete_op(key, end));
            }
        }
    }
    lists.pop().expect(last)
}

fn assert_verdicts(verdict: Result<(), KvError>, cases: &[&str]) {
    for case in cases {
        let ops = ops(case);
        assert_eq!(validate(&all_of(ops.clone())), verdict, "{case}");
        let not_taken = txn(vec![], vec![], ops.clone());
        assert_eq!(validate(&not_taken), verdict, "{case}, also when not taken");
        let executed = Bench::new().txn(all_of(ops)).map(|_| ());
        assert_eq!(executed, verdict, "{case}, asked again when executed");
    }
}

#[test]
fn a_key_must_not_be_put_twice_nor_put_and_deleted() {
    let refused = [
        "+a +a",
        "+a -a",
        "-a +a",
        "-a..c +b",
        "-e..g -a..c -b..f +d",
        "-a..c -b..d +a",
        "-b..e -a..c +d",
        "-a..b -c..d -e..f -b..e +f -f",
        "-a..c -c..d +c",
        "+a ( +a | )",
        "+a ( | +a )",
        "+a ( | -a..b )",
        "-a..b ( +a | )",
        "( +a | ) ( +a | )",
        "( | +a ) ( +a | )",
        "( +a | ) ( | +a )",
        "( ( +a | ) | ) +a",
        "( ( -a..c | ) | ) +b",
    ];
    assert_verdicts(Err(KvError::DuplicateKey), &refused);
    let legal = [
        "+a +b",
        "-a..c +c",
        "-a..c -e..g +d",
        "-a -a -a..b",
        // The branches of one transaction exclude each other.
        "( +a | +a )",
        "( +a | -a )",
        "( -a | +a )",
        "( ( +a | +b ) | ( +b | +a ) )",
    ];
    assert_verdicts(Ok(()), &legal);
}

#[test]
fn etcds_holes_in_that_rule_are_kept() {
    assert_verdicts(Ok(()), &["( +a | ) ( -a | )", "-a.. +b", "-b..a +c"]);
    assert_verdicts(
        Err(KvError::DuplicateKey),
        &["( -a | ) ( +a | )", "-a.. +a", "-b..a +b"],
    );
}
