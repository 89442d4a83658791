//! A step on the way to a serving guest.

use crate::error::Failure;
use crate::sys::Errno;

/// A step that failed, and why. The boot cannot go on.
pub struct Fatal {
    pub step: String,
    pub reason: String,
}

pub type Step<T> = Result<T, Fatal>;

pub fn fatal(step: impl Into<String>) -> impl FnOnce(Errno) -> Fatal {
    let step = step.into();
    move |errno| Fatal { step, reason: Failure::from(errno).message.into_owned() }
}
