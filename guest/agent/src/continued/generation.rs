//! The file that tells programs which run of their memory this is.

use std::ffi::CStr;

use crate::error::{Failure, Outcome};
use crate::identity::GENERATION;
use crate::sys::{self, paths, Sys};

const NEXT: &CStr = c"/run/nova/.generation";

/// Replaces the file as a whole, so that a reader never finds half of it, and a watch of the folder sees it.
pub fn set(generation: &[u8]) -> Outcome<()> {
    replace(generation).map_err(|errno| Failure::from(errno).about(GENERATION.to_bytes()))
}

fn replace(generation: &[u8]) -> Sys<()> {
    sys::write_small(NEXT, libc::O_CREAT | libc::O_TRUNC, &[generation, b"\n"].concat())?;
    paths::rename_at(libc::AT_FDCWD, NEXT, libc::AT_FDCWD, GENERATION)
}
