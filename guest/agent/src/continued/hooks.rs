//! Finds the hooks: programs that root has put into a folder for guests that go on.

use std::collections::VecDeque;
use std::ffi::{CStr, CString};

use crate::error::{Code, Failure, Outcome};
use crate::sys::directory::Directory;
use crate::sys::paths::{is_kind, lstat, stat_at};
use crate::sys::{Errno, Sys};

const FOLDER: &CStr = c"/etc/nova/fork.d";
/// A user who can write to one of these can put another folder in its place.
const PARENTS: [&CStr; 3] = [c"/", c"/etc", c"/etc/nova"];
const MOST: usize = 64;
const SUPERUSER: u32 = 0;

/// Gives the paths of the hooks, in order of their names. A hook that somebody else than root could have written fails
/// the request: the programs that rely on it would go on as copies without knowing.
pub fn find() -> Outcome<VecDeque<Vec<u8>>> {
    find_in(FOLDER, &PARENTS, SUPERUSER)
}

fn find_in(folder: &CStr, parents: &[&CStr], owner: u32) -> Outcome<VecDeque<Vec<u8>>> {
    match lstat(folder) {
        Err(Errno(libc::ENOENT | libc::ENOTDIR)) => return Ok(VecDeque::new()),
        found => require(folder.to_bytes(), found, libc::S_IFDIR, owner)?,
    };
    for parent in parents {
        require(parent.to_bytes(), lstat(parent), libc::S_IFDIR, owner)?;
    }
    let unreadable = |errno: Errno| refused(folder.to_bytes(), &Failure::from(errno).message);
    let mut directory = Directory::open(folder).map_err(unreadable)?;
    let mut names: Vec<CString> = Vec::new();
    while let Some(entry) = directory.next().map_err(unreadable)? {
        let name = entry.name.to_bytes();
        // Hidden files, and what editors leave.
        if name.starts_with(b".") || name.ends_with(b"~") {
            continue;
        }
        let path = [folder.to_bytes(), b"/", name].concat();
        let found = stat_at(directory.fd(), &entry.name, libc::AT_SYMLINK_NOFOLLOW);
        // A file that nobody can execute is a note, and a folder belongs to somebody else's order.
        if found.as_ref().is_ok_and(|stat| is_kind(stat, libc::S_IFDIR) || is_note(stat)) {
            continue;
        }
        require(&path, found, libc::S_IFREG, owner)?;
        if names.len() == MOST {
            return Err(refused(folder.to_bytes(), "holds more than 64 hooks"));
        }
        names.push(entry.name);
    }
    names.sort();
    Ok(names.iter().map(|name| [folder.to_bytes(), b"/", name.to_bytes()].concat()).collect())
}

fn is_note(stat: &libc::stat64) -> bool {
    is_kind(stat, libc::S_IFREG) && stat.st_mode & 0o111 == 0
}

fn refused(path: &[u8], why: &str) -> Failure {
    Failure::new(Code::HookFailed, why.to_owned()).about(path).of_program(path, Vec::new())
}

/// Refuses what others than its owner can write to, or exchange.
fn require(path: &[u8], found: Sys<libc::stat64>, kind: libc::mode_t, owner: u32) -> Outcome<()> {
    let stat = found.map_err(|errno| refused(path, &Failure::from(errno).message))?;
    if !is_kind(&stat, kind) {
        return Err(refused(path, if kind == libc::S_IFDIR { "is not a folder" } else { "is not a regular file" }));
    }
    if stat.st_uid != owner {
        return Err(refused(path, "is not run: it does not belong to root"));
    }
    if stat.st_mode & 0o022 != 0 {
        return Err(refused(path, "is not run: others than root can write to it"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::process::user_id;
    use std::os::unix::fs::{symlink, PermissionsExt};
    use std::path::PathBuf;

    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("nova-agent-hooks-{name}-{}", std::process::id()));
            std::fs::create_dir(&path).unwrap();
            std::fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).unwrap();
            Folder(path)
        }

        fn file(&self, name: &str, mode: u32) {
            std::fs::write(self.0.join(name), b"#!/bin/sh\n").unwrap();
            std::fs::set_permissions(self.0.join(name), PermissionsExt::from_mode(mode)).unwrap();
        }

        fn found(&self, owner: u32) -> Result<Vec<String>, String> {
            let path = CString::new(self.0.to_str().unwrap()).unwrap();
            let names = |hook: Vec<u8>| String::from_utf8(hook).unwrap().rsplit('/').next().unwrap().to_owned();
            match find_in(&path, &[], owner) {
                Ok(hooks) => Ok(hooks.into_iter().map(names).collect()),
                Err(failure) => {
                    assert_eq!(failure.code, Code::HookFailed);
                    assert!(failure.message.as_bytes().starts_with(&failure.program.unwrap().path));
                    Err(failure.message.into_owned())
                }
            }
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn finds_hooks_in_order_and_passes_over_what_is_none() {
        let folder = Folder::new("order");
        assert_eq!(folder.found(user_id()), Ok(vec![]));
        for name in ["20-second", "10-first", "9-last", ".hidden", "10-first~"] {
            folder.file(name, 0o755);
        }
        folder.file("README", 0o644);
        std::fs::create_dir(folder.0.join("folder")).unwrap();
        assert_eq!(folder.found(user_id()).unwrap(), ["10-first", "20-second", "9-last"]);
        assert_eq!(find_in(c"/no/such/folder", &[], 0), Ok(VecDeque::new()));
    }

    #[test]
    fn refuses_what_others_could_have_written() {
        for mode in [0o775, 0o757, 0o777] {
            let folder = Folder::new("writable");
            folder.file("hook", mode);
            assert!(folder.found(user_id()).unwrap_err().contains("/hook: is not run: others than root"));
        }
        let folder = Folder::new("others");
        folder.file("hook", 0o755);
        assert!(folder.found(user_id() + 1).unwrap_err().contains("does not belong to root"));
        std::fs::set_permissions(&folder.0, PermissionsExt::from_mode(0o777)).unwrap();
        assert!(folder.found(user_id()).unwrap_err().contains("others than root"));
        std::fs::set_permissions(&folder.0, PermissionsExt::from_mode(0o755)).unwrap();
        symlink("/bin/true", folder.0.join("link")).unwrap();
        assert!(folder.found(user_id()).unwrap_err().contains("/link: is not a regular file"));
    }

    #[test]
    fn refuses_more_than_it_runs() {
        let folder = Folder::new("many");
        for number in 0..MOST {
            folder.file(&number.to_string(), 0o755);
        }
        assert_eq!(folder.found(user_id()).unwrap().len(), MOST);
        folder.file("one-more", 0o755);
        assert!(folder.found(user_id()).unwrap_err().contains("more than 64"));
    }
}
