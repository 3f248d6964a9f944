//! stub
use crate::config::Config;
use crate::effect::{Effects, Input};
use crate::recovery::Recovered;
use crate::status::Status;
use crate::types::Time;
/// x
#[derive(Debug)]
pub struct Replica {}
impl Replica {
    /// Builds a replica from what its log holds. Panics if `config.check()` fails.
    #[must_use]
    pub fn new(_config: Config, _recovered: Recovered, _seed: u64, _now: Time) -> Replica { unimplemented!() }
    /// The only way to change a replica.
    pub fn step(&mut self, _now: Time, _input: Input) -> Effects<'_> { unimplemented!() }
    /// When [`Input::Timer`] is due.
    #[must_use]
    pub fn deadline(&self) -> Option<Time> { unimplemented!() }
    /// x
    #[must_use]
    pub fn status(&self) -> Status { unimplemented!() }
}
