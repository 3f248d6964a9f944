//! What the store tells of itself.

use bytes::Bytes;

use super::*;

#[test]
fn acks_are_bounded_though_the_newest_life_came_first() {
    let members = [ReplicaId(1), ReplicaId(2)];
    let limits = Limits {
        incarnations_max: 2,
        ..Limits::default()
    };
    let mut store = BatchStore::new(&members, &limits);
    for incarnation in [5, 4, 3] {
        let position = Position::new(incarnation, 1);
        let batch = Batch::new(members[1], position, 0, 0, Bytes::new(), Vec::new());
        assert!(store.has_room(members[1], position.incarnation));
        store.push(Arc::new(batch), Lsn(0));
    }
    let held: Vec<u64> = store
        .held(false)
        .iter()
        .map(|held| held.position.incarnation.0)
        .collect();
    assert_eq!(held, [3, 4]);
}
