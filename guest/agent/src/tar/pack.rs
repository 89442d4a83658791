//! The method tar out: packs a directory or a file as an archive, in order of name.

use std::collections::BTreeMap;
use std::ffi::{CStr, CString};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::sync::Arc;

use super::field::BLOCK;
use super::format::{kind, Header};
use super::sparse::{Piece, Sparse};
use super::time::Time;
use crate::agent::Agent;
use crate::caller::Caller;
use crate::error::{Code, Failure, Outcome};
use crate::files::entry::user_xattrs;
use crate::files::path::{absolute, name_of};
use crate::jobs::Job;
use crate::numbers::tag;
use crate::record::{Fields, Record};
use crate::stream::{Begun, Work};
use crate::sys::directory::Directory;
use crate::sys::paths::{is_kind, open_at, read_link_at, stat_at};
use crate::sys::{self, Errno};

const PIECE: usize = 64 * 1024;
/// The deepest tree that is packed: every level holds a descriptor.
const DEEPEST: usize = 1_024;
/// The most names of one directory: they are held in memory to be sorted.
const MOST_NAMES: usize = 1_000_000;
/// The most hard-linked files that are remembered.
const MOST_LINKS: usize = 65_536;

struct Packing {
    entries: u64,
    bytes: u64,
    /// The first path of each file that has several names.
    links: BTreeMap<(u64, u64), Vec<u8>>,
    buffer: Vec<u8>,
}

/// A directory being packed: its path in the archive, and the names still to come, the next one last.
struct Level {
    directory: Directory,
    path: Vec<u8>,
    names: Vec<CString>,
}

impl Agent {
    pub fn tar_out(&mut self, caller: Caller, fields: Fields) -> Outcome<Begun> {
        let mut path: &[u8] = b"";
        for (tag, value) in fields {
            match tag {
                tag::tar_out::PATH => path = value,
                tag::tar_out::USER => drop(self.settings.account(&mut self.users, value)?),
                _ => {}
            }
        }
        let target = absolute(path)?;
        let stat = stat_at(libc::AT_FDCWD, &target, 0).map_err(|errno| Failure::from(errno).about(path))?;
        let name = name_of(path).to_vec();
        let packing = Packing { entries: 0, bytes: 0, links: BTreeMap::new(), buffer: Vec::new() };
        let job = self.jobs.start(caller.link, caller.stream, move |job| packing.run(job, &target, &stat, &name))?;
        Ok(Begun::Running(Work::Job(job)))
    }
}

impl Packing {
    fn run(mut self, job: &Arc<Job>, target: &CStr, stat: &libc::stat64, name: &[u8]) -> Outcome<Record> {
        if is_kind(stat, libc::S_IFDIR) {
            self.pack_tree(job, Directory::open(target)?)?;
        } else {
            self.pack(job, libc::AT_FDCWD, target, stat, name)?;
        }
        self.buffer.resize(self.buffer.len() + 2 * BLOCK, 0);
        self.send(job, 0)?;
        let mut record = Record::new();
        record.int(tag::tar_result::ENTRIES, self.entries).int(tag::tar_result::BYTES, self.bytes);
        Ok(record)
    }

    fn pack_tree(&mut self, job: &Arc<Job>, top: Directory) -> Outcome<()> {
        let mut levels = vec![Level::new(top, Vec::new())?];
        while let Some(level) = levels.last_mut() {
            job.go_on()?;
            let Some(name) = level.names.pop() else {
                levels.pop();
                continue;
            };
            let path = [level.path.as_slice(), name.to_bytes()].concat();
            // A file that has gone meanwhile is left out of the archive.
            let Ok(stat) = stat_at(level.directory.fd(), &name, libc::AT_SYMLINK_NOFOLLOW) else { continue };
            if !is_kind(&stat, libc::S_IFDIR) {
                self.pack(job, level.directory.fd(), &name, &stat, &path)?;
                continue;
            }
            let Ok(below) = level.directory.open_below(&name) else { continue };
            let path = [path.as_slice(), b"/"].concat();
            self.put(&header(&stat, kind::DIRECTORY, &path));
            self.send(job, PIECE)?;
            if levels.len() >= DEEPEST {
                return Err(Failure::invalid("the tree is too deep to be packed").about(&path));
            }
            levels.push(Level::new(below, path)?);
        }
        Ok(())
    }

    fn put(&mut self, header: &Header) {
        self.buffer.extend(header.blocks());
        self.entries += 1;
    }

    /// Packs anything but a directory.
    fn pack(&mut self, job: &Arc<Job>, at: RawFd, name: &CStr, stat: &libc::stat64, path: &[u8]) -> Outcome<()> {
        match stat.st_mode & libc::S_IFMT {
            libc::S_IFREG => {
                let identity = (stat.st_dev, stat.st_ino);
                if let Some(first) = self.links.get(&identity) {
                    let link = first.clone();
                    self.put(&Header { link, ..header(stat, kind::HARD_LINK, path) });
                    return self.send(job, PIECE);
                }
                // The open neither waits for a pipe that has replaced the file nor follows a link that has.
                let flags = libc::O_RDONLY | libc::O_NONBLOCK | if at == libc::AT_FDCWD { 0 } else { libc::O_NOFOLLOW };
                let file = match open_at(at, name, flags, 0) {
                    Err(Errno(libc::ENOENT | libc::ELOOP)) => return Ok(()),
                    result => result.map_err(|errno| Failure::from(errno).about(path))?,
                };
                if stat.st_nlink > 1 && self.links.len() < MOST_LINKS {
                    self.links.insert(identity, path.to_vec());
                }
                let size = stat.st_size as u64;
                let xattrs = user_xattrs(&file);
                // Finding the data costs more than reading a small file.
                let may_have_holes = (stat.st_blocks as u64).saturating_mul(512) < size;
                let sparse = if may_have_holes { Sparse::of_file(&file, size).unwrap_or(None) } else { None };
                let head = Header { size, xattrs, ..header(stat, kind::FILE, path) };
                let Some(sparse) = sparse else {
                    self.put(&head);
                    return self.pack_content(job, &file, &[Piece { at: 0, length: size }], 0);
                };
                let (map, pieces) = (sparse.map(), sparse.pieces.clone());
                self.put(&Header { size: map.len() as u64 + sparse.stored(), sparse: Some(sparse), ..head });
                let mapped = map.len() as u64;
                self.buffer.extend(map);
                self.pack_content(job, &file, &pieces, mapped)
            }
            libc::S_IFLNK => {
                let Ok(link) = read_link_at(at, name) else { return Ok(()) };
                self.put(&Header { link, ..header(stat, kind::SYMLINK, path) });
                self.send(job, PIECE)
            }
            // Nobody could connect to a socket from an archive.
            libc::S_IFSOCK => Ok(()),
            other => {
                let kind = match other {
                    libc::S_IFCHR => kind::CHARACTER_DEVICE,
                    libc::S_IFBLK => kind::BLOCK_DEVICE,
                    _ => kind::FIFO,
                };
                let device = (libc::major(stat.st_rdev), libc::minor(stat.st_rdev));
                self.put(&Header { device, ..header(stat, kind, path) });
                self.send(job, PIECE)
            }
        }
    }

    /// Packs exactly as much as the header says: a file that has grown is cut, and one that has shrunk is filled up.
    /// `before` counts the bytes of the entry that precede the pieces.
    fn pack_content(&mut self, job: &Arc<Job>, file: &OwnedFd, pieces: &[Piece], before: u64) -> Outcome<()> {
        let mut size = 0;
        for piece in pieces {
            let (mut at, mut left) = (piece.at, piece.length);
            while left > 0 {
                let begin = self.buffer.len();
                let most = usize::try_from(left).unwrap_or(usize::MAX).min(PIECE);
                self.buffer.resize(begin + most, 0);
                let count = match sys::read_at(file.as_raw_fd(), &mut self.buffer[begin..], at) {
                    Ok(0) => most,
                    Ok(count) => count,
                    Err(errno) => return Err(errno.into()),
                };
                self.buffer.truncate(begin + count);
                at += count as u64;
                left -= count as u64;
                self.send(job, PIECE)?;
            }
            size += piece.length;
        }
        self.bytes += size;
        let padding = (before + size).wrapping_neg() as usize % BLOCK;
        self.buffer.resize(self.buffer.len() + padding, 0);
        self.send(job, PIECE)
    }

    /// Sends the gathered bytes, once there are at least `least`.
    fn send(&mut self, job: &Arc<Job>, least: usize) -> Outcome<()> {
        if self.buffer.len() >= least {
            job.send_data(std::mem::take(&mut self.buffer))?;
        }
        Ok(())
    }
}

impl Level {
    fn new(mut directory: Directory, path: Vec<u8>) -> Outcome<Self> {
        let mut names = Vec::new();
        while let Some(entry) = directory.next()? {
            names.push(entry.name);
            if names.len() > MOST_NAMES {
                return Err(Failure::new(Code::ResourceExhausted, "a directory has too many entries").about(&path));
            }
        }
        names.sort_unstable_by(|one, other| other.cmp(one));
        Ok(Level { directory, path, names })
    }
}

fn header(stat: &libc::stat64, kind: u8, path: &[u8]) -> Header {
    Header {
        path: path.to_vec(),
        kind,
        mode: stat.st_mode & 0o7777,
        uid: stat.st_uid,
        gid: stat.st_gid,
        modified: Time { seconds: stat.st_mtime, nanoseconds: stat.st_mtime_nsec as u32 },
        ..Header::default()
    }
}
