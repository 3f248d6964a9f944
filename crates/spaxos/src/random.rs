//! Random numbers from the system: identities and seeds.

use std::io;

/// A random number that is not 0.
pub(crate) fn number() -> io::Result<u64> {
    loop {
        let number = getrandom::u64().map_err(io::Error::other)?;
        if number != 0 {
            return Ok(number);
        }
    }
}

/// Between 0 and 1. Without a source of chance, the middle: it only spreads retries.
pub(crate) fn fraction() -> f64 {
    let number = getrandom::u32().unwrap_or(1 << 31);
    f64::from(number) / f64::from(u32::MAX)
}
