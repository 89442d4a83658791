//! watch: what changes in a directory, and on request in all below it. One inotify descriptor for each stream; trees are
//! walked a few directories at a time, so that nobody waits for a large one.

use std::collections::{BTreeMap, VecDeque};
use std::ffi::CStr;

use super::directory::{is_kind, stat_at, Directory};
use super::{absolute, join};
use crate::agent::Agent;
use crate::dispatch::{message, Begun, Caller};
use crate::error::{Code, Failure, Outcome};
use crate::link::Outbox;
use crate::poll::{Token, Watched, IN};
use crate::record::{self, Fields, Record};
use crate::stream::Work;
use crate::sys::{self, check, Errno, Sys};

/// The kernel gives a user 128 of them, and processes in the guest want some too.
const MOST_WATCHES: usize = 64;
/// Directories of one watch; the kernel has a limit of its own.
const MOST_FOLDERS: usize = 65_536;
const FOLDERS_AT_ONCE: usize = 64;

const CREATED: u64 = 1;
const WRITTEN: u64 = 2;
const REMOVED: u64 = 3;
const RENAMED: u64 = 4;
const CHMODED: u64 = 5;

const EVENTS: u32 = libc::IN_CREATE
    | libc::IN_MODIFY
    | libc::IN_DELETE
    | libc::IN_MOVED_FROM
    | libc::IN_MOVED_TO
    | libc::IN_ATTRIB
    | libc::IN_DELETE_SELF
    | libc::IN_MOVE_SELF
    | libc::IN_ONLYDIR;

/// Why a watch does not see everything; field 1 of OVERFLOW, which is 0 where changes came too fast.
#[derive(Debug, Clone, Copy)]
enum Shortage {
    Watches = 1,
    Folders = 2,
    Instances = 3,
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

    fn record(self) -> Record {
        let mut record = Record::new();
        record.int(1, self as u64).int(2, self.limit());
        record
    }

    /// For hosts that do not know the fields. Without an errno: that of a full disk would be taken for one.
    fn failure(self) -> Failure {
        Failure::new(Code::ResourceExhausted, "the guest's limit of inotify is reached")
    }
}

/// A directory still to be watched, relative to the watched one.
struct Pending {
    folder: Vec<u8>,
    /// It is new: what is in it already has been created too.
    is_new: bool,
}

pub struct Watching {
    inotify: Watched,
    path: Vec<u8>,
    recursive: bool,
    root: i32,
    folders: BTreeMap<i32, Vec<u8>>,
    pending: VecDeque<Pending>,
    /// WATCHING has been sent.
    announced: bool,
}

impl Agent {
    pub fn watch(&mut self, caller: Caller, fields: Fields) -> Outcome<Begun> {
        let (mut path, mut recursive): (&[u8], bool) = (b"", false);
        for (tag, value) in fields {
            match tag {
                1 => path = value,
                2 => recursive = record::flag(value)?,
                3 => drop(self.settings.account(&mut self.users, value)?),
                _ => {}
            }
        }
        let target = absolute(path)?;
        let streams = self.links.values().flat_map(|link| link.streams.values());
        if streams.filter(|stream| matches!(stream.work, Work::Watch(_))).count() >= MOST_WATCHES {
            return Err(Failure::new(Code::ResourceExhausted, "too many watches"));
        }
        // SAFETY: a new descriptor.
        let inotify = match sys::own(unsafe { libc::inotify_init1(libc::IN_NONBLOCK | libc::IN_CLOEXEC) }) {
            Err(Errno(libc::EMFILE)) => return Err(self.tell_shortage(caller, Shortage::Instances)),
            result => result?,
        };
        let mut watching = Watching {
            inotify: Watched::new(inotify, Token::Stream(caller.link, caller.stream)),
            path: path.to_vec(),
            recursive,
            root: -1,
            folders: BTreeMap::new(),
            pending: VecDeque::new(),
            announced: false,
        };
        watching.root = match watching.add(&target, 0) {
            Err(Errno(libc::ENOSPC)) => return Err(self.tell_shortage(caller, Shortage::Watches)),
            result => result.map_err(|errno| Failure::from(errno).about(path))?,
        };
        watching.folders.insert(watching.root, Vec::new());
        if recursive {
            watching.pending.push_back(Pending { folder: Vec::new(), is_new: false });
        }
        Ok(Begun::Running(Work::Watch(Box::new(watching))))
    }

    fn tell_shortage(&mut self, caller: Caller, shortage: Shortage) -> Failure {
        if let Some(link) = self.links.get_mut(&caller.link) {
            link.outbox.message(caller.stream, message::OVERFLOW, &shortage.record());
        }
        shortage.failure()
    }

    pub fn advance_watch(&mut self, id: u32, number: u32) {
        let Some(link) = self.links.get_mut(&id) else { return };
        let Some(stream) = link.streams.get_mut(&number) else { return };
        let Work::Watch(watching) = &mut stream.work else { return };
        for _ in 0..FOLDERS_AT_ONCE {
            let Some(pending) = watching.pending.pop_front() else { break };
            watching.enter(pending, number, &mut link.outbox);
        }
        let may_tell = watching.pending.is_empty() && !link.outbox.is_full();
        if may_tell && !watching.announced {
            watching.announced = true;
            link.outbox.message(number, message::WATCHING, &Record::new());
        }
        if may_tell && watching.read(number, &mut link.outbox, &mut self.scratch) {
            return self.finish_stream(id, number, Ok(Record::new()));
        }
        let go_on = watching.pending.is_empty() && !link.outbox.is_full();
        watching.inotify.watch(&self.poller, if go_on { IN } else { 0 });
        if !go_on {
            link.waiting.insert(number);
        }
    }
}

fn change(number: u32, kind: u64, name: &[u8], outbox: &mut Outbox) {
    let mut record = Record::new();
    record.int(1, kind).bytes(2, name);
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
    fn add(&self, path: &CStr, flags: u32) -> Sys<i32> {
        // SAFETY: the path ends in NUL.
        check(unsafe { libc::inotify_add_watch(self.inotify.raw(), path.as_ptr(), EVENTS | flags) })
    }

    /// Watches a directory and notes those in it. One that has gone meanwhile is passed over.
    fn enter(&mut self, pending: Pending, number: u32, outbox: &mut Outbox) {
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
            // Changes in there will not be seen, so its subfolders need no watch either.
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
                change(number, CREATED, &name, outbox);
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

    /// Passes on what has happened; true when the watched directory has gone.
    fn read(&mut self, number: u32, outbox: &mut Outbox, buffer: &mut [u8]) -> bool {
        const HEADER: usize = size_of::<libc::inotify_event>();
        while self.pending.is_empty() && !outbox.is_full() {
            let Ok(count) = sys::read(self.inotify.raw(), buffer) else { return false };
            let mut events = &buffer[..count];
            while events.len() >= HEADER {
                // SAFETY: the kernel has written a whole event here, at any alignment.
                let event: libc::inotify_event =
                    unsafe { events.as_ptr().cast::<libc::inotify_event>().read_unaligned() };
                let end = (HEADER + event.len as usize).min(events.len());
                let name = events[HEADER..end].split(|&byte| byte == 0).next().unwrap_or_default();
                if self.on_event(&event, name, number, outbox) {
                    return true;
                }
                events = &events[end..];
            }
        }
        false
    }

    fn on_event(&mut self, event: &libc::inotify_event, name: &[u8], number: u32, outbox: &mut Outbox) -> bool {
        let has = |bits: u32| event.mask & bits != 0;
        if has(libc::IN_Q_OVERFLOW) {
            outbox.message(number, message::OVERFLOW, &Record::new());
            // Directories among what was lost are found by looking.
            if self.recursive {
                self.pending.push_back(Pending { folder: Vec::new(), is_new: false });
            }
            return false;
        }
        if has(libc::IN_DELETE_SELF | libc::IN_MOVE_SELF | libc::IN_IGNORED | libc::IN_UNMOUNT) {
            if has(libc::IN_IGNORED) {
                self.folders.remove(&event.wd);
            }
            return event.wd == self.root;
        }
        // Without a name it is about a watched directory itself, of which the one above tells as well.
        let Some(folder) = self.folders.get(&event.wd).filter(|_| !name.is_empty()) else { return false };
        let name = below(folder, name);
        let kinds = [
            (libc::IN_CREATE | libc::IN_MOVED_TO, CREATED),
            (libc::IN_MODIFY, WRITTEN),
            (libc::IN_DELETE, REMOVED),
            (libc::IN_MOVED_FROM, RENAMED),
            (libc::IN_ATTRIB, CHMODED),
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

    /// A directory is called differently now, or is elsewhere: it and all below it are not watched under the old name any more.
    fn leave(&mut self, folder: &[u8]) {
        let gone = |path: &[u8]| path.strip_prefix(folder).is_some_and(|rest| rest.is_empty() || rest[0] == b'/');
        let inotify = self.inotify.raw();
        self.folders.retain(|&watch, path| {
            if gone(path) {
                // SAFETY: no memory involved.
                unsafe { libc::inotify_rm_watch(inotify, watch) };
            }
            !gone(path)
        });
    }
}
