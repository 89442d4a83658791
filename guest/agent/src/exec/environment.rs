//! Builds the inputs of exec for a new program: strings in the form that exec wants, and its environment.

use std::collections::BTreeSet;
use std::ffi::c_char;

use crate::error::{Failure, Outcome};
use crate::users::Account;

const DEFAULT_PATH: &[u8] = b"/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// NUL-terminated strings in one piece of memory.
#[derive(Default)]
pub struct Strings {
    bytes: Vec<u8>,
    starts: Vec<usize>,
}

impl Strings {
    pub fn push(&mut self, parts: &[&[u8]]) -> Outcome<()> {
        self.starts.push(self.bytes.len());
        for part in parts {
            if part.contains(&0) {
                return Err(Failure::invalid("a string holds a NUL"));
            }
            self.bytes.extend_from_slice(part);
        }
        self.bytes.push(0);
        Ok(())
    }

    /// Gives pointers to all strings, with a null pointer last. They are valid as long as this is neither changed nor
    /// dropped.
    pub fn pointers(&self) -> Vec<*const c_char> {
        let mut pointers = Vec::with_capacity(self.starts.len() + 1);
        pointers.extend(self.starts.iter().map(|&start| self.bytes[start..].as_ptr().cast()));
        pointers.push(std::ptr::null());
        pointers
    }
}

fn name_of(variable: &[u8]) -> &[u8] {
    variable.split(|&byte| byte == b'=').next().unwrap_or_default()
}

/// Builds the environment, and gives PATH as the new program will see it. Later lists win over earlier ones, and
/// later entries over earlier ones.
pub fn build<'a>(account: &Account, lists: [&'a [Vec<u8>]; 2]) -> Outcome<(Strings, &'a [u8])> {
    let mut names = BTreeSet::new();
    let mut kept = Vec::new();
    let mut path = DEFAULT_PATH;
    for variable in lists.into_iter().flatten().rev() {
        let name = name_of(variable);
        if name.is_empty() || name.len() == variable.len() {
            return Err(Failure::invalid("an environment entry is not NAME=value"));
        }
        if names.insert(name) {
            kept.push(variable.as_slice());
            if name == b"PATH" {
                path = &variable[name.len() + 1..];
            }
        }
    }
    let own: [(&[u8], &[u8]); 5] = [
        (b"PATH", DEFAULT_PATH),
        (b"HOME", &account.home),
        (b"USER", &account.name),
        (b"LOGNAME", &account.name),
        (b"SHELL", &account.shell),
    ];
    let mut strings = Strings::default();
    for (name, value) in own {
        if !names.contains(name) {
            strings.push(&[name, b"=", value])?;
        }
    }
    for variable in kept.into_iter().rev() {
        strings.push(&[variable])?;
    }
    Ok((strings, path))
}

/// Lists where a program may be: the path itself when it is one, otherwise every directory of PATH in turn.
pub fn candidates(program: &[u8], path: &[u8]) -> Outcome<Strings> {
    let mut strings = Strings::default();
    if program.contains(&b'/') {
        strings.push(&[program])?;
        return Ok(strings);
    }
    if program.is_empty() {
        return Err(Failure::invalid("an empty command"));
    }
    for directory in path.split(|&byte| byte == b':') {
        // An empty entry means the current directory.
        strings.push(&[if directory.is_empty() { b"." } else { directory }, b"/", program])?;
    }
    Ok(strings)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(strings: &Strings) -> Vec<String> {
        let ends = strings.starts.iter().skip(1).copied().chain([strings.bytes.len()]);
        let text =
            |(&start, end): (&usize, usize)| String::from_utf8_lossy(&strings.bytes[start..end - 1]).into_owned();
        strings.starts.iter().zip(ends).map(text).collect()
    }

    #[test]
    fn later_lists_win() {
        let account = Account { name: b"ann".into(), uid: 5, gid: 5, home: b"/h".into(), shell: b"/bin/sh".into() };
        let base = [b"A=1".to_vec(), b"B=1".to_vec(), b"HOME=/x".to_vec()];
        let call = [b"B=2".to_vec(), b"PATH=/p:/q".to_vec(), b"C=1".to_vec(), b"C=2".to_vec()];
        let (strings, path) = build(&account, [&base, &call]).unwrap();
        assert_eq!(path, b"/p:/q");
        assert_eq!(
            texts(&strings),
            ["USER=ann", "LOGNAME=ann", "SHELL=/bin/sh", "A=1", "HOME=/x", "B=2", "PATH=/p:/q", "C=2"]
        );
        assert!(build(&account, [&[b"noequals".to_vec()], &[]]).is_err());
        assert!(build(&account, [&[b"=x".to_vec()], &[]]).is_err());
        assert!(build(&account, [&[b"A=\0".to_vec()], &[]]).is_err());
    }

    #[test]
    fn looks_in_every_directory_of_path() {
        assert_eq!(texts(&candidates(b"sh", b"/bin::/x").unwrap()), ["/bin/sh", "./sh", "/x/sh"]);
        assert_eq!(texts(&candidates(b"./sh", b"/bin").unwrap()), ["./sh"]);
        assert!(candidates(b"", b"/bin").is_err());
    }
}
