//! Rules about everything that is built and not ours: licences, and where it comes from.

use super::Finding;
use super::workspace::{Foreign, Workspace};

/// Licences that an Apache-2.0 work may be linked with, without further duties for its users.
const LICENCES: &[&str] = &[
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "ISC",
    "MIT",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];

/// The one place that code may come from.
const REGISTRY: &str = "registry+https://github.com/rust-lang/crates.io-index";

/// Crates that were decided against, wherever they would come in.
const UNWANTED: &[(&str, &str)] = &[
    ("bincode", "formats are ours, byte by byte"),
    ("native-tls", "TLS is rustls"),
    ("openssl-sys", "TLS is rustls"),
];

/// Every crate that is built has a licence that goes with ours.
pub(super) fn licences(workspace: &Workspace) -> Vec<Finding> {
    let bad = workspace
        .foreign
        .iter()
        .filter(|krate| !is_fine(&krate.licence));
    bad.map(|krate| Finding::new(place(krate), format!("has the licence `{}`", krate.licence)))
        .collect()
}

/// Every crate that is built comes from the registry, and none is one that was decided against.
pub(super) fn sources(workspace: &Workspace) -> Vec<Finding> {
    let mut findings = Vec::new();
    for krate in &workspace.foreign {
        if krate.source != REGISTRY {
            let text = format!("comes from {}, not from the registry", krate.source);
            findings.push(Finding::new(place(krate), text));
        }
        if let Some((_, why)) = UNWANTED.iter().find(|row| row.0 == krate.name) {
            findings.push(Finding::new(place(krate), format!("is not wanted: {why}")));
        }
    }
    findings
}

fn place(krate: &Foreign) -> String {
    format!("{} {}", krate.name, krate.version)
}

/// Whether an expression such as `MIT OR (Apache-2.0 AND ISC)` can be met. Parentheses are read as if
/// they were not there, `/` as `OR`: stricter than needed at worst, since one of the alternatives
/// must then consist of known licences alone.
fn is_fine(expression: &str) -> bool {
    let flat = expression.replace(['(', ')'], "").replace('/', " OR ");
    flat.split(" OR ").any(|alternative| {
        let mut parts = alternative.split(" AND ");
        parts.all(|licence| LICENCES.contains(&licence.trim()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn workspace(name: &str, licence: &str, source: &str) -> Workspace {
        let krate = Foreign {
            name: String::from(name),
            version: String::from("1.0.0"),
            licence: String::from(licence),
            source: String::from(source),
        };
        Workspace {
            foreign: vec![krate],
            ..Workspace::default()
        }
    }

    #[test]
    fn a_licence_with_duties_is_found() {
        for fine in [
            "MIT",
            "GPL-3.0 OR MIT",
            "MIT/Apache-2.0",
            "(MIT OR ISC) AND Unicode-3.0",
        ] {
            assert_eq!(licences(&workspace("a", fine, REGISTRY)), [], "{fine}");
        }
        for bad in ["", "GPL-3.0", "MIT AND GPL-3.0", "MPL-2.0"] {
            assert_eq!(licences(&workspace("a", bad, REGISTRY)).len(), 1, "{bad}");
        }
    }

    #[test]
    fn a_crate_from_elsewhere_or_unwanted_is_found() {
        assert_eq!(sources(&workspace("a", "MIT", REGISTRY)), []);
        assert_eq!(
            sources(&workspace("a", "MIT", "git+https://a.invalid")).len(),
            1
        );
        assert_eq!(sources(&workspace("openssl-sys", "MIT", REGISTRY)).len(), 1);
    }
}
