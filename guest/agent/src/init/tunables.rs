//! Raises settings of the kernel that are too small for guests.

use crate::metrics;
use crate::sys;

/// The most kernel memory that one watch takes, including the inode it pins.
const WATCH_BYTES: u64 = 1_280;
const FEWEST_WATCHES: u64 = 65_536;
const MOST_WATCHES: u64 = 1_048_576;

/// Raises the limit of inotify watches. The kernel gives a small machine 8,192, which one source tree uses up. Watches
/// may take a quarter of the memory, because a guest has only one tenant.
pub fn raise_watches() {
    let watches = (metrics::memory().total / 4 / WATCH_BYTES).clamp(FEWEST_WATCHES, MOST_WATCHES);
    for (file, value) in
        [(c"/proc/sys/fs/inotify/max_user_watches", watches), (c"/proc/sys/fs/inotify/max_user_instances", 1_024)]
    {
        let _ = sys::write_small(file, 0, value.to_string().as_bytes());
    }
}
