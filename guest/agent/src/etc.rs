//! The files of /etc that tell one machine from another. They are ordinary files, written where they lie: programs move them, replace them and
//! edit them in place. What a guest has made something else of is left alone.

use std::ffi::{CStr, CString};
use std::os::fd::AsRawFd;

use crate::log;
use crate::sys::{self, check, Errno, Sys};

const MACHINE_ID: &CStr = c"/etc/machine-id";
const HOSTS: &CStr = c"/etc/hosts";
const RESOLV_CONF: &CStr = c"/etc/resolv.conf";
/// Larger ones are left alone.
const LARGEST: usize = 64 * 1024;
/// Lines of /etc/hosts that end so are ours, to be replaced the next time.
const HOST_MARK: &[u8] = b" # nova";
/// A resolv.conf that begins so is ours.
const RESOLVER_MARK: &[u8] = b"# nova: written at every start; without this line the file is left alone\n";

/// At boot, once. `resolver_is_the_guests`: the guest itself has put a resolv.conf there, or taken it away, at an earlier boot from the same
/// disk; else what is there is the image's.
pub fn prepare(read_only: bool, resolver_is_the_guests: bool) -> Sys<()> {
    if read_only {
        for path in [MACHINE_ID, HOSTS, RESOLV_CONF] {
            lay_over(path)?;
        }
    }
    let is_link = std::fs::symlink_metadata("/etc/resolv.conf").is_ok_and(|found| found.is_symlink());
    // It leads to where a resolver would write that does not run here: so in many images, and after a start where one was installed.
    let dangles = is_link && !std::path::Path::new("/etc/resolv.conf").exists();
    let is_ours = !resolver_is_the_guests || dangles;
    if is_link && is_ours {
        // SAFETY: the path ends in NUL.
        unsafe { libc::unlink(RESOLV_CONF.as_ptr()) };
    }
    if is_ours {
        let content = sys::read_small(RESOLV_CONF, LARGEST).unwrap_or_default();
        if !content.starts_with(RESOLVER_MARK) {
            put(RESOLV_CONF, &[RESOLVER_MARK, &content].concat());
        }
    }
    Ok(())
}

/// Where nothing can be written, a file in memory is shown instead.
fn lay_over(path: &CStr) -> Sys<()> {
    let name = path.to_bytes().rsplit(|&byte| byte == b'/').next().unwrap_or_default();
    let own = CString::new([b"/run/nova/", name].concat()).map_err(|_| Errno(libc::EINVAL))?;
    let content = sys::read_small(path, LARGEST).unwrap_or_default();
    sys::write_small(&own, libc::O_CREAT | libc::O_TRUNC, &content)?;
    // SAFETY: all strings end in NUL; a bind mount has neither type nor data.
    match check(unsafe { libc::mount(own.as_ptr(), path.as_ptr(), std::ptr::null(), libc::MS_BIND, std::ptr::null()) })
    {
        // A root without the file has nobody who would look there.
        Ok(_) | Err(Errno(libc::ENOENT)) => Ok(()),
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

/// Of a full disk or a file that is none the guest is told in its log: it starts all the same.
fn put(path: &CStr, content: &[u8]) {
    if let Err(errno) = replace(path, content) {
        log::failure(&path.to_string_lossy(), errno);
    }
}

/// In place: the space is there already, and nothing but a page in memory changes.
fn replace(path: &CStr, content: &[u8]) -> Sys<()> {
    if sys::read_small(path, content.len() + 1).is_ok_and(|old| old == content) {
        return Ok(());
    }
    // Neither follow a link nor wait for a pipe.
    let file = sys::open(path, libc::O_WRONLY | libc::O_CREAT | libc::O_NOFOLLOW | libc::O_NONBLOCK, 0o644)?;
    sys::write_all(file.as_raw_fd(), content)?;
    // SAFETY: an open descriptor.
    check(unsafe { libc::ftruncate(file.as_raw_fd(), content.len() as libc::off_t) }).map(drop)
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
