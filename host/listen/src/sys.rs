//! Describes failed system calls in a sentence.

use std::fmt;
use std::io;

pub struct Failure(String);

impl Failure {
    pub fn new(text: impl Into<String>) -> Self {
        Failure(text.into())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, out: &mut fmt::Formatter) -> fmt::Result {
        out.write_str(&self.0)
    }
}

/// Gives the value that a system call has returned, or a failure when the call failed.
pub fn check<T: PartialOrd + From<i8>>(returned: T, doing: &str) -> Result<T, Failure> {
    if returned < T::from(0) {
        return Err(failed(doing)(io::Error::last_os_error()));
    }
    Ok(returned)
}

pub fn failed(doing: &str) -> impl Fn(io::Error) -> Failure + '_ {
    move |error| Failure(format!("{doing}: {error}"))
}
