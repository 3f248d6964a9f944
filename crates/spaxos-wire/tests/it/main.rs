//! Properties of all formats at once, and the formats themselves, pinned byte by byte.

mod anything;
mod damage;
mod examples;
mod golden;
mod nonsense;
mod round_trips;
mod sharing;
mod strategies;
