//! Columns of text for people.

/// Lays out `rows` under `titles`, two spaces between columns, nothing behind the last.
pub(crate) fn lay_out(titles: &[&str], rows: &[Vec<String>]) -> String {
    let titles: Vec<String> = titles.iter().map(|title| (*title).to_owned()).collect();
    let mut widths = vec![0; titles.len()];
    for row in rows.iter().chain([&titles]) {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut text = String::new();
    for row in std::iter::once(&titles).chain(rows) {
        let cells = row.iter().zip(&widths);
        let cells: Vec<String> = cells
            .map(|(cell, width)| format!("{cell:width$}"))
            .collect();
        text.push_str(cells.join("  ").trim_end());
        text.push('\n');
    }
    text
}

/// A number of bytes with a unit, three digits or four.
pub(crate) fn bytes(count: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut unit = 0;
    let mut rest = count;
    let mut part = 0;
    while rest >= 1024 && unit + 1 < UNITS.len() {
        part = rest % 1024 * 10 / 1024;
        rest /= 1024;
        unit += 1;
    }
    if unit > 0 && rest < 10 {
        format!("{rest}.{part} {}", UNITS[unit])
    } else {
        format!("{rest} {}", UNITS[unit])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let rows = [
            vec!["r1".into(), "leader".into()],
            vec!["r22".into(), "x".into()],
        ];
        let expected = "NAME  ROLE\nr1    leader\nr22   x\n";
        assert_eq!(lay_out(&["NAME", "ROLE"], &rows), expected);
    }

    #[test]
    fn bytes_have_units() {
        assert_eq!(bytes(0), "0 B");
        assert_eq!(bytes(1023), "1023 B");
        assert_eq!(bytes(1536), "1.5 KiB");
        assert_eq!(bytes(20 << 20), "20 MiB");
        assert_eq!(bytes(u64::MAX), "16777215 TiB");
    }
}
