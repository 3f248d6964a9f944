//! Rust source seen through two masks: code without comments and literals, and comments alone. Both
//! have the length and the lines of the original, so that an offset means the same in all three.

/// A source file, split.
#[derive(Debug)]
pub(super) struct Source {
    /// The code; comments and the insides of literals are blank.
    pub(super) code: String,
    /// The comments; everything else is blank.
    pub(super) comments: String,
}

/// A function with a body.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Function {
    /// Its name.
    pub(super) name: String,
    /// The line of the word `fn`, from 1.
    pub(super) line: usize,
    /// From there to the closing brace, both included.
    pub(super) lines: usize,
}

/// What the scanner is inside of.
#[derive(Clone, Copy)]
enum Part {
    Code,
    LineComment,
    BlockComment { depth: usize },
    Text,
    RawText { hashes: usize },
}

impl Source {
    /// Splits `text`. Total: what is not Rust gives masks that are of no use, and no panic.
    pub(super) fn new(text: &str) -> Source {
        let bytes = text.as_bytes();
        let mut code = blank(bytes);
        let mut comments = blank(bytes);
        let mut part = Part::Code;
        let mut at = 0;
        while at < bytes.len() {
            let (next, width) = advance(bytes, at, part);
            let end = (at + width).min(bytes.len());
            let mask = match (part, next) {
                // Code goes byte by byte; what is wider is a character literal.
                (Part::Code, Part::Code) if width == 1 => Some(&mut code),
                (Part::LineComment | Part::BlockComment { .. }, _)
                | (_, Part::LineComment | Part::BlockComment { .. }) => Some(&mut comments),
                _ => None,
            };
            if let Some(mask) = mask {
                mask[at..end].copy_from_slice(&bytes[at..end]);
            }
            part = next;
            at = end;
        }
        Source {
            code: String::from_utf8_lossy(&code).into_owned(),
            comments: String::from_utf8_lossy(&comments).into_owned(),
        }
    }

    /// All functions with a body, nested ones too, in the order of their first lines.
    pub(super) fn functions(&self) -> Vec<Function> {
        let code = self.code.as_bytes();
        let mut found = Vec::new();
        for at in word_offsets(&self.code, "fn") {
            let name: String = self.code[at + 2..]
                .trim_start()
                .chars()
                .take_while(|c| c.is_alphanumeric() || *c == '_')
                .collect();
            let Some(end) = body_end(code, at) else {
                continue;
            };
            if !name.is_empty() {
                let line = line_of(&self.code, at);
                let lines = line_of(&self.code, end) - line + 1;
                found.push(Function { name, line, lines });
            }
        }
        found
    }
}

/// The line of a byte offset, from 1.
pub(super) fn line_of(text: &str, offset: usize) -> usize {
    let before = &text.as_bytes()[..offset.min(text.len())];
    before.iter().filter(|byte| **byte == b'\n').count() + 1
}

/// Where `word` stands alone, not as a part of a longer name.
pub(super) fn word_offsets(text: &str, word: &str) -> Vec<usize> {
    let is_name = |byte: Option<&u8>| byte.is_some_and(|b| b.is_ascii_alphanumeric() || *b == b'_');
    let bytes = text.as_bytes();
    text.match_indices(word)
        .map(|(at, _)| at)
        .filter(|&at| at == 0 || !is_name(bytes.get(at - 1)))
        .filter(|&at| !is_name(bytes.get(at + word.len())))
        .collect()
}

fn blank(bytes: &[u8]) -> Vec<u8> {
    let keep_lines = |byte: &u8| if *byte == b'\n' { b'\n' } else { b' ' };
    bytes.iter().map(keep_lines).collect()
}

/// What follows `part` at `at`, and how many bytes that takes.
fn advance(bytes: &[u8], at: usize, part: Part) -> (Part, usize) {
    let rest = &bytes[at..];
    match part {
        Part::Code => advance_code(bytes, at),
        Part::LineComment if rest[0] == b'\n' => (Part::Code, 1),
        Part::LineComment => (part, 1),
        Part::BlockComment { depth } if rest.starts_with(b"/*") => {
            (Part::BlockComment { depth: depth + 1 }, 2)
        }
        Part::BlockComment { depth: 1 } if rest.starts_with(b"*/") => (Part::Code, 2),
        Part::BlockComment { depth } if rest.starts_with(b"*/") => {
            (Part::BlockComment { depth: depth - 1 }, 2)
        }
        Part::BlockComment { .. } => (part, 1),
        Part::Text if rest[0] == b'\\' => (part, 2),
        Part::Text if rest[0] == b'"' => (Part::Code, 1),
        Part::Text => (part, 1),
        Part::RawText { hashes } => {
            let closes = rest[0] == b'"'
                && rest.len() > hashes
                && rest[1..=hashes].iter().all(|byte| *byte == b'#');
            if closes {
                (Part::Code, 1 + hashes)
            } else {
                (part, 1)
            }
        }
    }
}

fn advance_code(bytes: &[u8], at: usize) -> (Part, usize) {
    let rest = &bytes[at..];
    if rest.starts_with(b"//") {
        return (Part::LineComment, 2);
    }
    if rest.starts_with(b"/*") {
        return (Part::BlockComment { depth: 1 }, 2);
    }
    if rest[0] == b'"' {
        return (Part::Text, 1);
    }
    if let Some((hashes, width)) = raw_text_start(bytes, at) {
        return (Part::RawText { hashes }, width);
    }
    (Part::Code, character_width(rest).unwrap_or(1))
}

/// `r"`, `r#"`, `br##"` and the like: how many hashes, and how long the opening is.
fn raw_text_start(bytes: &[u8], at: usize) -> Option<(usize, usize)> {
    let inside_a_name = at > 0 && (bytes[at - 1].is_ascii_alphanumeric() || bytes[at - 1] == b'_');
    if inside_a_name {
        return None;
    }
    let rest = &bytes[at..];
    let prefix = [&b"br"[..], b"cr", b"r"]
        .into_iter()
        .find(|prefix| rest.starts_with(prefix))?;
    let behind = &rest[prefix.len()..];
    let hashes = behind.iter().take_while(|byte| **byte == b'#').count();
    (behind.get(hashes) == Some(&b'"')).then_some((hashes, prefix.len() + hashes + 1))
}

/// The width of a character literal such as `'{'` or `'\''`; `None` for a lifetime or anything else.
fn character_width(rest: &[u8]) -> Option<usize> {
    if rest[0] != b'\'' {
        return None;
    }
    let (from, longest) = match rest.get(1)? {
        b'\\' => (3, 12),
        _ => (2, 5),
    };
    let close = rest
        .iter()
        .skip(from)
        .take(longest)
        .position(|b| *b == b'\'')?;
    let inside = &rest[1..from + close];
    let one_character = std::str::from_utf8(inside).is_ok_and(|text| text.chars().count() == 1);
    (inside[0] == b'\\' || one_character).then_some(from + close + 1)
}

/// The offset of the brace that closes the body of the function at `at`; `None` if it has no body.
fn body_end(code: &[u8], at: usize) -> Option<usize> {
    let mut nested = 0_i64;
    let mut body = false;
    for (offset, byte) in code.iter().enumerate().skip(at) {
        match byte {
            b'(' | b'[' => nested += 1,
            b')' | b']' => nested -= 1,
            b';' if nested == 0 && !body => return None,
            b'{' => {
                body |= nested == 0;
                nested += 1;
            }
            b'}' => {
                nested -= 1;
                if body && nested == 0 {
                    return Some(offset);
                }
            }
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_literals_are_not_code() {
        let text = "let a = \"todo!()\"; // todo!()\nlet b = r#\"x \" todo!()\"#; /* todo!() /* a */ b */ c\n";
        let source = Source::new(text);
        assert!(!source.code.contains("todo"), "{}", source.code);
        assert_eq!(source.comments.matches("todo!()").count(), 2);
        assert!(source.code.trim_end().ends_with('c'), "{}", source.code);
        assert_eq!(source.code.len(), text.len());
        assert_eq!(source.code.lines().count(), text.lines().count());
    }

    #[test]
    fn characters_and_lifetimes_are_told_apart() {
        let source = Source::new(
            "fn a<'x>(b: &'x str) -> char { if c == '\"' || c == '\\'' { '\u{2014}' } else { 'x' } } fn d() {}",
        );
        let names: Vec<_> = source.functions().into_iter().map(|f| f.name).collect();
        assert_eq!(names, ["a", "d"]);
    }

    #[test]
    fn braces_in_characters_do_not_count() {
        let source = Source::new("fn a() {\n    let open = '{';\n}\nfn b() {\n}\n");
        let lines: Vec<_> = source.functions().into_iter().map(|f| f.lines).collect();
        assert_eq!(lines, [3, 2]);
    }

    #[test]
    fn functions_are_measured_from_the_signature_to_the_closing_brace() {
        let text = "trait T {\n    fn no_body(&self, x: [u8; 3]);\n    fn body(\n        &self,\n    ) -> u8 {\n        { 1 }\n    }\n}\n";
        let functions = Source::new(text).functions();
        let expected = Function {
            name: String::from("body"),
            line: 3,
            lines: 5,
        };
        assert_eq!(functions, [expected]);
    }

    #[test]
    fn garbage_does_not_panic() {
        for text in [
            "\"",
            "'",
            "r#\"",
            "/*",
            "fn",
            "fn a(",
            "}}}",
            "'\\",
            "\u{e9}'\u{e9}",
        ] {
            let source = Source::new(text);
            assert_eq!(source.code.len(), source.comments.len());
            source.functions();
        }
    }

    #[test]
    fn words_are_whole() {
        assert_eq!(word_offsets("fn fnord a_fn fn", "fn"), [0, 14]);
    }
}
