//! Keeps the digests of files, so that a file is hashed again only after it has changed.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use crate::sha256::Digest;
use crate::sys::clock;

/// The most digests that are kept; they take about 10 MB.
const MOST: usize = 65_536;
/// Old kernels note a time with the precision of a timer tick, so a file that has just changed may change again within
/// the same time.
const SETTLED_NS: i128 = 20_000_000;

/// The attributes that change when a file does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Version {
    size: i64,
    modified_ns: i128,
    changed_ns: i128,
}

impl Version {
    pub fn of(stat: &libc::stat64) -> Self {
        let ns = |seconds: i64, rest: i64| i128::from(seconds) * 1_000_000_000 + i128::from(rest);
        Version {
            size: stat.st_size,
            modified_ns: ns(stat.st_mtime, stat.st_mtime_nsec),
            changed_ns: ns(stat.st_ctime, stat.st_ctime_nsec),
        }
    }

    fn is_settled(&self) -> bool {
        let now = i128::from(clock::wall_clock_ns());
        now - self.changed_ns > SETTLED_NS
    }
}

#[derive(Default)]
pub struct Digests(Mutex<BTreeMap<(u64, u64), (Version, Digest)>>);

impl Digests {
    pub fn find(&self, stat: &libc::stat64) -> Option<Digest> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(&(stat.st_dev, stat.st_ino)).filter(|(version, _)| *version == Version::of(stat)).map(|found| found.1)
    }

    /// Keeps a digest, unless the file may have changed while it was read: `before` and `after` enclose the reading.
    pub fn keep(&self, before: &libc::stat64, after: &libc::stat64, digest: Digest) {
        let version = Version::of(before);
        if version != Version::of(after) || !version.is_settled() {
            return;
        }
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MOST {
            known.clear();
        }
        known.insert((before.st_dev, before.st_ino), (version, digest));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stat(inode: u64, size: i64, changed: i64) -> libc::stat64 {
        let mut stat = crate::sys::paths::stat(c"/").unwrap();
        (stat.st_ino, stat.st_size, stat.st_mtime, stat.st_ctime) = (inode, size, changed, changed);
        stat
    }

    #[test]
    fn knows_a_file_until_it_changes() {
        let digests = Digests::default();
        let file = stat(1, 10, 1_000);
        digests.keep(&file, &file, [7; 32]);
        assert_eq!(digests.find(&file), Some([7; 32]));
        assert_eq!(digests.find(&stat(2, 10, 1_000)), None);
        assert_eq!(digests.find(&stat(1, 11, 1_000)), None);
        assert_eq!(digests.find(&stat(1, 10, 1_001)), None);
    }

    #[test]
    fn keeps_no_digest_of_a_file_that_changes_meanwhile() {
        let digests = Digests::default();
        digests.keep(&stat(1, 10, 1_000), &stat(1, 10, 1_001), [7; 32]);
        let now = i64::try_from(clock::wall_clock_ns() / 1_000_000_000).unwrap() + 1;
        digests.keep(&stat(2, 10, now), &stat(2, 10, now), [7; 32]);
        assert_eq!((digests.find(&stat(1, 10, 1_000)), digests.find(&stat(2, 10, now))), (None, None));
    }

    #[test]
    fn keeps_a_bounded_number() {
        let digests = Digests::default();
        for inode in 0..MOST as u64 + 10 {
            digests.keep(&stat(inode, 1, 1_000), &stat(inode, 1, 1_000), [0; 32]);
        }
        assert_eq!(digests.0.lock().unwrap().len(), 10);
    }
}
