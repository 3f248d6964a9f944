//! The log as a whole, on disks that crash, forget, rot and fill up.

mod arbitrary;
mod crashes;
mod damage;
mod failures;
#[cfg(planted)]
mod planted;
mod reading;
mod real_files;
mod trace;
