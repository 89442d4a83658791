//! Archives in the tar format, without compression, which the host does.

mod extract;
mod field;
mod format;
mod inside;
mod pack;
mod place;
mod reader;
pub mod sparse;
mod time;

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
