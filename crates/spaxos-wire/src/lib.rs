//! Bytes to messages, log records and client frames, and back.

mod batch;
mod cursor;
mod error;
mod limits;
pub mod message;
pub mod record;
mod value;

pub use cursor::NUMBER_END;
pub use error::DecodeError;
pub use limits::WireLimits;
