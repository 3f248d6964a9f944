//! stub
use crate::config::Config;
use crate::effect::Execution;
use crate::record::{Life, Record};
/// x
#[derive(Debug)]
pub struct Recovery {}
/// x
#[derive(Debug)]
pub struct Recovered {}
impl Recovery {
    /// Starts with an empty log.
    #[must_use]
    pub fn new(_config: &Config) -> Recovery { unimplemented!() }
    /// Takes the next record of the log, in order; returns the slots that are executed by it.
    pub fn replay(&mut self, _record: Record) -> Vec<Execution> { unimplemented!() }
    /// The latest life that the log knows; zero for an empty log. The next one is one more.
    #[must_use]
    pub fn last_life(&self) -> Life { unimplemented!() }
    /// Ends the replay. `life` is the new one; the driver has made its record durable already.
    #[must_use]
    pub fn finish(self, _life: Life) -> Recovered { unimplemented!() }
}
