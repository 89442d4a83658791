//! Archives: the tar format and nothing of compression, which is the host's affair.

mod extract;
mod format;
mod inside;
mod pack;
mod reader;
mod sparse;

#[cfg(test)]
#[path = "tests.rs"]
mod tests;

pub use sparse::{Piece, Sparse};
