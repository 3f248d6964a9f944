//! The fuzz targets without a fuzzer: the corpus as it is, and seeded mutations of it.

mod mutator;
mod replay;
