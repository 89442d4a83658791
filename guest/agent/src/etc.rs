//! The files of /etc that differ between machines. They are ordinary files that are written in place, because programs
//! move, replace and edit them. A file that the guest has replaced with one of its own is left alone.

use std::ffi::{CStr, CString};
use std::os::fd::AsRawFd;

use crate::log;
use crate::sys::{self, machine, paths, Errno, Sys};

const MACHINE_ID: &CStr = c"/etc/machine-id";
const HOSTS: &CStr = c"/etc/hosts";
const RESOLV_CONF: &CStr = c"/etc/resolv.conf";
/// Larger files are left alone.
const LARGEST: usize = 64 * 1024;
/// Lines of /etc/hosts that end with this mark are the agent's. It replaces them each time.
const HOST_MARK: &[u8] = b" # nova";
/// A resolv.conf that begins with this mark is the agent's.
const RESOLVER_MARK: &[u8] = b"# nova: written at every start; without this line the file is left alone\n";

/// Prepares the files once, at boot. `resolver_is_the_guests` means that the guest has put a resolv.conf there, or
/// has removed it, at an earlier boot from the same disk; otherwise the file belongs to the image.
pub fn prepare(read_only: bool, resolver_is_the_guests: bool) -> Sys<()> {
    if read_only {
        for path in [MACHINE_ID, HOSTS, RESOLV_CONF] {
            lay_over(path)?;
        }
    }
    let is_link = std::fs::symlink_metadata("/etc/resolv.conf").is_ok_and(|found| found.is_symlink());
    // The link leads to a file of a resolver that does not run here. Many images have such a link, and so has a guest
    // after a resolver was installed.
    let dangles = is_link && !std::path::Path::new("/etc/resolv.conf").exists();
    let is_ours = !resolver_is_the_guests || dangles;
    if is_link && is_ours {
        let _ = paths::unlink_at(libc::AT_FDCWD, RESOLV_CONF, 0);
    }
    if is_ours {
        let content = sys::read_small(RESOLV_CONF, LARGEST).unwrap_or_default();
        if !content.starts_with(RESOLVER_MARK) {
            put(RESOLV_CONF, &[RESOLVER_MARK, &content].concat());
        }
    }
    Ok(())
}

/// Shows a file in memory in place of one that cannot be written.
fn lay_over(path: &CStr) -> Sys<()> {
    let name = path.to_bytes().rsplit(|&byte| byte == b'/').next().unwrap_or_default();
    let own = CString::new([b"/run/nova/", name].concat()).map_err(|_| Errno(libc::EINVAL))?;
    let content = sys::read_small(path, LARGEST).unwrap_or_default();
    sys::write_small(&own, libc::O_CREAT | libc::O_TRUNC, &content)?;
    match machine::mount(&own, path, c"", libc::MS_BIND, c"") {
        // When the root lacks the file, nobody would look for it.
        Ok(()) | Err(Errno(libc::ENOENT)) => Ok(()),
        Err(errno) => Err(errno),
    }
}

pub fn set_machine_id(machine_id: &[u8]) {
    put(MACHINE_ID, machine_id);
}

pub fn set_name_servers(servers: &[Vec<u8>]) {
    match sys::read_small(RESOLV_CONF, LARGEST) {
        Ok(content) if !content.starts_with(RESOLVER_MARK) => return,
        _ => {}
    }
    let mut content = RESOLVER_MARK.to_vec();
    for server in servers {
        content.extend_from_slice(b"nameserver ");
        content.extend_from_slice(server);
        content.push(b'\n');
    }
    put(RESOLV_CONF, &content);
}

pub fn set_hosts(hosts: &[Vec<u8>]) {
    let old = sys::read_small(HOSTS, LARGEST).unwrap_or_default();
    if old.len() < LARGEST {
        put(HOSTS, &with_hosts(&old, hosts));
    }
}

fn with_hosts(old: &[u8], hosts: &[Vec<u8>]) -> Vec<u8> {
    let mut content = Vec::new();
    for line in old.split(|&byte| byte == b'\n').filter(|line| !line.is_empty() && !line.ends_with(HOST_MARK)) {
        content.extend_from_slice(line);
        content.push(b'\n');
    }
    for host in hosts {
        content.extend_from_slice(host);
        content.extend_from_slice(HOST_MARK);
        content.push(b'\n');
    }
    content
}

/// Writes a file. A failure, such as a full disk, is logged, and the guest still starts.
fn put(path: &CStr, content: &[u8]) {
    if let Err(errno) = replace(path, content) {
        log::failure(&path.to_string_lossy(), errno);
    }
}

/// Writes in place: the space is allocated already, and only a page in memory changes.
fn replace(path: &CStr, content: &[u8]) -> Sys<()> {
    let old = sys::read_small(path, content.len() + 1).unwrap_or_default();
    if old == content {
        return Ok(());
    }
    // The file is opened without following a link or waiting for a pipe.
    let file = paths::open(path, libc::O_WRONLY | libc::O_CREAT | libc::O_NOFOLLOW | libc::O_NONBLOCK, 0o644)?;
    sys::write_all(file.as_raw_fd(), content)?;
    // Even where it changes nothing, cutting a file is a transaction of the file system.
    if old.len() > content.len() {
        sys::set_length(&file, content.len() as u64)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_the_guests_own_hosts() {
        let old = b"127.0.0.1 localhost\n10.0.0.1 db\n127.0.1.1 old # nova\n";
        let new = with_hosts(old, &[b"127.0.1.1 new".to_vec()]);
        assert_eq!(new, b"127.0.0.1 localhost\n10.0.0.1 db\n127.0.1.1 new # nova\n");
        assert_eq!(with_hosts(&new, &[b"127.0.1.1 new".to_vec()]), new);
    }
}
