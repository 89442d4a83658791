//! Handles paths of an archive that is not trusted. The kernel resolves each of them, including links that point out of
//! the directory, with the directory as its root.

use crate::error::{Failure, Outcome};

/// Gives the parts of a path of an archive, below the directory. Leading slashes and `.` are ignored; `..` is refused.
pub fn clean(path: &[u8]) -> Outcome<Vec<u8>> {
    let mut parts = Vec::new();
    for part in path.split(|&byte| byte == b'/') {
        match part {
            b"" | b"." => {}
            b".." => return Err(Failure::invalid("an entry leads out of the directory").about(path)),
            part if part.contains(&0) => return Err(Failure::invalid("a path holds a NUL")),
            part => parts.push(part),
        }
    }
    Ok(parts.join(&b'/'))
}

/// Splits a path into the folder and the name in it.
pub fn split(path: &[u8]) -> (&[u8], &[u8]) {
    match path.iter().rposition(|&byte| byte == b'/') {
        Some(at) => (&path[..at], &path[at + 1..]),
        None => (b"", path),
    }
}
