//! A bound on the bytes of all requests that are under way.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use crate::fault::Fault;

/// Bytes that may be in use at the same time.
#[derive(Debug)]
pub(crate) struct Budget {
    used: AtomicUsize,
    bytes_max: usize,
}

impl Budget {
    pub(crate) const fn new(bytes_max: usize) -> Budget {
        Budget {
            used: AtomicUsize::new(0),
            bytes_max,
        }
    }

    /// Takes `bytes` until what is returned is dropped.
    pub(crate) fn take(&self, bytes: usize) -> Result<Taken<'_>, Fault> {
        let taken = Taken {
            budget: self,
            bytes,
        };
        let before = self.used.fetch_add(bytes, Relaxed);
        if before.saturating_add(bytes) > self.bytes_max {
            return Err(Fault::TooManyRequests);
        }
        Ok(taken)
    }
}

/// Bytes in use.
#[derive(Debug)]
pub(crate) struct Taken<'a> {
    budget: &'a Budget,
    bytes: usize,
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        self.budget.used.fetch_sub(self.bytes, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_dropped_is_free_again_and_a_refusal_takes_nothing() {
        let budget = Budget::new(10);
        let six = budget.take(6).expect("there is room");
        assert_eq!(budget.take(5).err(), Some(Fault::TooManyRequests));
        let four = budget.take(4).expect("the refusal took nothing");
        drop((six, four));
        assert!(budget.take(10).is_ok());
    }
}
