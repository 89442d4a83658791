//! The state of a watch: the directories that it has entered, and those still to enter.

use std::collections::{BTreeMap, VecDeque};
use std::ffi::CStr;

use super::path::{absolute, join};
use crate::error::{Failure, Outcome};
use crate::numbers::{change_kind, message, shortage, tag};
use crate::outbox::Outbox;
use crate::poll::Watched;
use crate::record::Record;
use crate::sys::directory::Directory;
use crate::sys::events::{self, Change};
use crate::sys::paths::{is_kind, stat_at};
use crate::sys::{self, Errno, Sys};

/// The most directories of one watch; the kernel has a limit of its own.
const MOST_FOLDERS: usize = 65_536;
const EVENTS: u32 = libc::IN_CREATE
    | libc::IN_MODIFY
    | libc::IN_DELETE
    | libc::IN_MOVED_FROM
    | libc::IN_MOVED_TO
    | libc::IN_ATTRIB
    | libc::IN_DELETE_SELF
    | libc::IN_MOVE_SELF
    | libc::IN_ONLYDIR;

/// Why a watch does not see everything: the cause in OVERFLOW.
#[derive(Debug, Clone, Copy)]
pub enum Shortage {
    Watches = shortage::WATCHES as isize,
    Folders = shortage::FOLDERS as isize,
    Instances = shortage::INSTANCES as isize,
}

impl Shortage {
    fn limit(self) -> u64 {
        let file = match self {
            Shortage::Folders => return MOST_FOLDERS as u64,
            Shortage::Watches => c"/proc/sys/fs/inotify/max_user_watches",
            Shortage::Instances => c"/proc/sys/fs/inotify/max_user_instances",
        };
        let text = sys::read_small(file, 32).unwrap_or_default();
        String::from_utf8_lossy(&text).trim().parse().unwrap_or(0)
    }

    pub fn record(self) -> Record {
        let mut record = Record::new();
        record.int(tag::overflow::CAUSE, self as u64).int(tag::overflow::LIMIT, self.limit());
        record
    }
}

/// A directory still to be watched, relative to the watched one.
pub struct Pending {
    folder: Vec<u8>,
    /// The directory is new, so its contents have been created too.
    is_new: bool,
}

pub struct Watching {
    pub(super) inotify: Watched,
    path: Vec<u8>,
    recursive: bool,
    root: i32,
    folders: BTreeMap<i32, Vec<u8>>,
    pub(super) pending: VecDeque<Pending>,
    /// Whether WATCHING has been sent.
    pub(super) announced: bool,
}

fn change(number: u32, kind: u64, name: &[u8], outbox: &mut Outbox) {
    let mut record = Record::new();
    record.int(tag::change::KIND, kind).bytes(tag::change::NAME, name);
    outbox.message(number, message::CHANGE, &record);
}

fn below(folder: &[u8], name: &[u8]) -> Vec<u8> {
    if folder.is_empty() {
        name.to_vec()
    } else {
        join(folder, name)
    }
}

impl Watching {
    /// Watches one directory, and on request notes that all directories below it have to be entered.
    pub(super) fn new(inotify: Watched, path: &[u8], recursive: bool) -> Outcome<Result<Self, Shortage>> {
        let target = absolute(path)?;
        let mut watching = Watching {
            inotify,
            path: path.to_vec(),
            recursive,
            root: -1,
            folders: BTreeMap::new(),
            pending: VecDeque::new(),
            announced: false,
        };
        watching.root = match watching.add(&target, 0) {
            Err(Errno(libc::ENOSPC)) => return Ok(Err(Shortage::Watches)),
            result => result.map_err(|errno| Failure::from(errno).about(path))?,
        };
        watching.folders.insert(watching.root, Vec::new());
        if recursive {
            watching.pending.push_back(Pending { folder: Vec::new(), is_new: false });
        }
        Ok(Ok(watching))
    }

    fn add(&self, path: &CStr, flags: u32) -> Sys<i32> {
        events::add_watch(self.inotify.raw(), path, EVENTS | flags)
    }

    /// Watches a directory and notes its subdirectories. A directory that has gone meanwhile is ignored.
    pub(super) fn enter(&mut self, pending: Pending, number: u32, outbox: &mut Outbox) {
        let Pending { folder, is_new } = pending;
        let Ok(path) = absolute(&if folder.is_empty() { self.path.clone() } else { join(&self.path, &folder) }) else {
            return;
        };
        if !folder.is_empty() {
            let full = self.folders.len() >= MOST_FOLDERS;
            let shortage = match if full { Err(Errno(libc::ENOSPC)) } else { self.add(&path, libc::IN_DONT_FOLLOW) } {
                Ok(watch) => {
                    self.folders.insert(watch, folder.clone());
                    None
                }
                Err(Errno(libc::ENOSPC)) => Some(if full { Shortage::Folders } else { Shortage::Watches }),
                Err(_) => return,
            };
            // Changes in it will not be seen, so its subfolders need no watch either.
            if let Some(shortage) = shortage {
                self.pending.clear();
                return outbox.message(number, message::OVERFLOW, &shortage.record());
            }
        }
        let Ok(mut directory) = Directory::open(&path) else { return };
        let mut tell = is_new;
        while let Ok(Some(entry)) = directory.next() {
            let name = below(&folder, entry.name.to_bytes());
            if tell && outbox.is_full() {
                outbox.message(number, message::OVERFLOW, &Record::new());
                tell = false;
            }
            if tell {
                change(number, change_kind::CREATE, &name, outbox);
            }
            let is_folder = match entry.kind {
                libc::DT_UNKNOWN => stat_at(directory.fd(), &entry.name, libc::AT_SYMLINK_NOFOLLOW)
                    .is_ok_and(|stat| is_kind(&stat, libc::S_IFDIR)),
                kind => kind == libc::DT_DIR,
            };
            if is_folder {
                self.pending.push_back(Pending { folder: name, is_new });
            }
        }
    }

    /// Sends what has happened; true when the watched directory has gone.
    pub(super) fn read(&mut self, number: u32, outbox: &mut Outbox, buffer: &mut [u8]) -> bool {
        while self.pending.is_empty() && !outbox.is_full() {
            let Ok(count) = sys::read(self.inotify.raw(), buffer) else { return false };
            let mut changes = &buffer[..count];
            while let Some(change) = events::take_change(&mut changes) {
                if self.on_event(&change, number, outbox) {
                    return true;
                }
            }
        }
        false
    }

    fn on_event(&mut self, event: &Change, number: u32, outbox: &mut Outbox) -> bool {
        let has = |bits: u32| event.mask & bits != 0;
        if has(libc::IN_Q_OVERFLOW) {
            outbox.message(number, message::OVERFLOW, &Record::new());
            // Another walk finds the directories whose events were lost.
            if self.recursive {
                self.pending.push_back(Pending { folder: Vec::new(), is_new: false });
            }
            return false;
        }
        if has(libc::IN_DELETE_SELF | libc::IN_MOVE_SELF | libc::IN_IGNORED | libc::IN_UNMOUNT) {
            if has(libc::IN_IGNORED) {
                self.folders.remove(&event.watch);
            }
            return event.watch == self.root;
        }
        // An event without a name is about a watched directory itself, which the event of its parent reports as well.
        let Some(folder) = self.folders.get(&event.watch).filter(|_| !event.name.is_empty()) else { return false };
        let name = below(folder, event.name);
        let kinds = [
            (libc::IN_CREATE | libc::IN_MOVED_TO, change_kind::CREATE),
            (libc::IN_MODIFY, change_kind::WRITE),
            (libc::IN_DELETE, change_kind::REMOVE),
            (libc::IN_MOVED_FROM, change_kind::RENAME),
            (libc::IN_ATTRIB, change_kind::CHMOD),
        ];
        if let Some((_, kind)) = kinds.into_iter().find(|(bits, _)| has(*bits)) {
            change(number, kind, &name, outbox);
        }
        if self.recursive && has(libc::IN_ISDIR) {
            if has(libc::IN_MOVED_FROM) {
                self.leave(&name);
            }
            if has(libc::IN_CREATE | libc::IN_MOVED_TO) {
                self.pending.push_back(Pending { folder: name, is_new: has(libc::IN_CREATE) });
            }
        }
        false
    }

    /// A directory has been renamed or moved: it and all directories below it are no longer watched under the old name.
    fn leave(&mut self, folder: &[u8]) {
        let gone = |path: &[u8]| path.strip_prefix(folder).is_some_and(|rest| rest.is_empty() || rest[0] == b'/');
        let inotify = self.inotify.raw();
        self.folders.retain(|&watch, path| {
            if gone(path) {
                events::remove_watch(inotify, watch);
            }
            !gone(path)
        });
    }
}
