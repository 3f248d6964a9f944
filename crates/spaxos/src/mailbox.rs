//! How work reaches a thread: everything that has arrived is taken at once, under one lock, and the
//! thread is woken only if it sleeps.

use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

/// An unbounded queue whose producers are bounded elsewhere: the core limits what it hands out for
/// execution, the outbox and the intake limit themselves, reads hold permits.
#[derive(Debug)]
pub(crate) struct Mailbox<T> {
    state: Mutex<State<T>>,
    arrived: Condvar,
}

#[derive(Debug)]
struct State<T> {
    items: Vec<T>,
    closed: bool,
    sleeping: bool,
}

/// What came of waiting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Taken {
    /// Something.
    Items,
    /// Nothing came in time.
    Nothing,
    /// Nothing will come any more.
    Closed,
}

impl<T> Mailbox<T> {
    pub(crate) fn new() -> Mailbox<T> {
        Mailbox {
            state: Mutex::new(State {
                items: Vec::new(),
                closed: false,
                sleeping: false,
            }),
            arrived: Condvar::new(),
        }
    }

    /// Adds one item; returns it if the mailbox is closed.
    pub(crate) fn push(&self, item: T) -> Result<(), T> {
        let mut state = self.state.lock();
        if state.closed {
            return Err(item);
        }
        state.items.push(item);
        self.wake(state);
        Ok(())
    }

    /// Moves all of `items` in, in order. A closed mailbox drops them.
    pub(crate) fn append(&self, items: &mut Vec<T>) {
        if items.is_empty() {
            return;
        }
        let mut state = self.state.lock();
        if state.closed {
            drop(state);
            items.clear();
            return;
        }
        state.items.append(items);
        self.wake(state);
    }

    fn wake(&self, mut state: parking_lot::MutexGuard<'_, State<T>>) {
        let sleeping = std::mem::take(&mut state.sleeping);
        drop(state);
        if sleeping {
            self.arrived.notify_one();
        }
    }

    /// Waits for items and takes them all into `taken`, which must be empty. Returns false when the
    /// mailbox is closed and has nothing left.
    pub(crate) fn take(&self, taken: &mut Vec<T>) -> bool {
        self.take_within(taken, None) == Taken::Items
    }

    /// As [`Mailbox::take`], but waits no longer than `wait_max`.
    pub(crate) fn take_within(&self, taken: &mut Vec<T>, wait_max: Option<Duration>) -> Taken {
        assert!(taken.is_empty(), "what was taken before must be done first");
        let until = wait_max.map(|wait_max| Instant::now() + wait_max);
        let mut state = self.state.lock();
        while state.items.is_empty() {
            if state.closed {
                return Taken::Closed;
            }
            state.sleeping = true;
            match until {
                Some(until) if self.arrived.wait_until(&mut state, until).timed_out() => {
                    state.sleeping = false;
                    if state.items.is_empty() && !state.closed {
                        return Taken::Nothing;
                    }
                }
                Some(_) => {}
                None => self.arrived.wait(&mut state),
            }
        }
        std::mem::swap(&mut state.items, taken);
        Taken::Items
    }

    /// Whether nothing waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.state.lock().items.is_empty()
    }

    /// Takes no more; what is in can still be taken out.
    pub(crate) fn close(&self) {
        let mut state = self.state.lock();
        state.closed = true;
        self.wake(state);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn everything_arrives_in_order_and_a_close_ends_the_reader() {
        let mailbox = Arc::new(Mailbox::new());
        let reader = {
            let mailbox = Arc::clone(&mailbox);
            std::thread::spawn(move || {
                let (mut all, mut taken) = (Vec::new(), Vec::new());
                while mailbox.take(&mut taken) {
                    all.append(&mut taken);
                }
                all
            })
        };
        for n in 0..1000 {
            assert_eq!(mailbox.push(n), Ok(()));
        }
        mailbox.append(&mut vec![1000, 1001]);
        mailbox.close();
        assert_eq!(mailbox.push(7), Err(7));
        let all = reader.join().expect("the reader ends");
        assert_eq!(all, (0..=1001).collect::<Vec<_>>());
    }
}
