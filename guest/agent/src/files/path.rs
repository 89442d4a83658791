//! Takes paths apart, as bytes.

use std::ffi::CString;

use crate::error::{Failure, Outcome};

/// Accepts only absolute paths: the host knows what a relative path would be relative to.
pub fn absolute(path: &[u8]) -> Outcome<CString> {
    if !path.starts_with(b"/") {
        return Err(Failure::invalid("the path is not absolute").about(path));
    }
    CString::new(path).map_err(|_| Failure::invalid("the path holds a NUL"))
}

/// Removes slashes at the end; the root stays.
pub fn trimmed(path: &[u8]) -> &[u8] {
    let end = path.iter().rposition(|&byte| byte != b'/').map_or(0, |last| last + 1);
    if end == 0 && path.starts_with(b"/") {
        b"/"
    } else {
        &path[..end]
    }
}

/// Gives the part after the last slash; for the root, the root.
pub fn name_of(path: &[u8]) -> &[u8] {
    match trimmed(path).rsplit(|&byte| byte == b'/').next() {
        Some(b"") | None => b"/",
        Some(name) => name,
    }
}

/// Gives the folder that contains a path; `None` for the root.
pub fn parent_of(path: &[u8]) -> Option<&[u8]> {
    let path = trimmed(path);
    match path.iter().rposition(|&byte| byte == b'/') {
        None => None,
        Some(0) if path.len() == 1 => None,
        Some(0) => Some(b"/"),
        Some(at) => Some(trimmed(&path[..at])),
    }
}

pub fn join(folder: &[u8], name: &[u8]) -> Vec<u8> {
    let mut path = folder.to_vec();
    if !path.ends_with(b"/") {
        path.push(b'/');
    }
    path.extend_from_slice(name);
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_paths_apart() {
        assert_eq!(name_of(b"/a/b"), b"b");
        assert_eq!(name_of(b"/a/b//"), b"b");
        assert_eq!(name_of(b"/"), b"/");
        assert_eq!(name_of(b"//"), b"/");
        assert_eq!(parent_of(b"/a/b/"), Some(b"/a".as_slice()));
        assert_eq!(parent_of(b"/a//b"), Some(b"/a".as_slice()));
        assert_eq!(parent_of(b"/a"), Some(b"/".as_slice()));
        assert_eq!(parent_of(b"/"), None);
        assert_eq!(join(b"/", b"a"), b"/a");
        assert_eq!(join(b"/a", b"b"), b"/a/b");
        assert!(absolute(b"a").is_err() && absolute(b"").is_err() && absolute(b"/a\0").is_err());
    }
}
