//! Enters the network namespaces of other processes.

use std::collections::BTreeMap;
use std::os::fd::{AsRawFd, OwnedFd};

use super::errno::{check, Errno, Sys};

/// The network namespace of this process.
pub fn own_network() -> Sys<OwnedFd> {
    std::fs::File::open("/proc/self/ns/net").map(OwnedFd::from).map_err(Errno::from)
}

/// Finds the network namespaces of all processes other than that of this one, each once. A process that ends meanwhile
/// is passed over.
pub fn other_networks() -> Sys<Vec<OwnedFd>> {
    let identify = |path: &std::path::Path| {
        use std::os::unix::fs::MetadataExt;
        std::fs::metadata(path).map(|found| (found.dev(), found.ino()))
    };
    let own = identify("/proc/self/ns/net".as_ref()).map_err(Errno::from)?;
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir("/proc").map_err(Errno::from)?.flatten() {
        if !entry.file_name().as_encoded_bytes().iter().all(u8::is_ascii_digit) {
            continue;
        }
        let path = entry.path().join("ns/net");
        let Ok(identity) = identify(&path) else { continue };
        if identity != own && !found.contains_key(&identity) {
            if let Ok(file) = std::fs::File::open(&path) {
                found.insert(identity, OwnedFd::from(file));
            }
        }
    }
    Ok(found.into_values().collect())
}

/// Moves the calling thread, and no other, into a network namespace.
pub fn enter_network(namespace: &OwnedFd) -> Sys<()> {
    // SAFETY: The call takes no pointers.
    check(unsafe { libc::setns(namespace.as_raw_fd(), libc::CLONE_NEWNET) }).map(drop)
}
