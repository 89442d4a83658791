//! Archives: the tar format and nothing of compression, which is the host's affair.

mod extract;
mod format;
mod inside;
mod pack;
mod reader;

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
