//! read: a file as a stream, from the disk straight into frames.

use std::os::fd::{AsRawFd, OwnedFd};

use super::absolute;
use super::directory::{is_kind, stat_at};
use super::entry::entry;
use crate::agent::Agent;
use crate::dispatch::{message, Begun, Caller};
use crate::error::{Failure, Outcome};
use crate::record::{self, Fields, Record};
use crate::stream::Work;
use crate::sys::{self, check, Errno};

/// One read: whole pages that fit into a frame.
const PIECE: usize = 28 * 1024;

pub struct Reading {
    file: OwnedFd,
    left: u64,
    sent: u64,
}

impl Agent {
    pub fn read_file(&mut self, caller: Caller, fields: Fields) -> Outcome<Begun> {
        let (mut path, mut offset, mut length): (&[u8], u64, u64) = (b"", 0, 0);
        for (tag, value) in fields {
            match tag {
                1 => path = value,
                2 => offset = record::int(value)?,
                3 => length = record::int(value)?,
                4 => drop(self.settings.account(&mut self.users, value)?),
                _ => {}
            }
        }
        let target = absolute(path)?;
        let failed = |errno: Errno| Failure::from(errno).about(path);
        // Does not wait for the other end of a pipe, nor for a terminal.
        let file = sys::open(&target, libc::O_RDONLY | libc::O_NONBLOCK | libc::O_NOCTTY, 0).map_err(failed)?;
        let stat = stat_at(file.as_raw_fd(), c"", libc::AT_EMPTY_PATH).map_err(failed)?;
        if is_kind(&stat, libc::S_IFDIR) {
            return Err(failed(Errno(libc::EISDIR)));
        }
        if offset > 0 {
            seek(&file, offset).map_err(|failure| failure.about(path))?;
        }
        let stat = entry(&target, true, &mut self.users)?;
        if let Some(link) = self.links.get_mut(&caller.link) {
            link.outbox.message(caller.stream, message::STAT, &stat);
        }
        let left = if length == 0 { u64::MAX } else { length };
        Ok(Begun::Running(Work::Read(Reading { file, left, sent: 0 })))
    }

    pub fn advance_read(&mut self, id: u32, number: u32) {
        let Some(link) = self.links.get_mut(&id) else { return };
        let Some(stream) = link.streams.get_mut(&number) else { return };
        let Work::Read(reading) = &mut stream.work else { return };
        let result = loop {
            if reading.left == 0 {
                break Ok(());
            }
            if link.outbox.is_full() {
                link.waiting.insert(number);
                return;
            }
            let most = stream.credit.min(reading.left).min(PIECE as u64) as usize;
            if most == 0 {
                return;
            }
            match link.outbox.data_with(number, 0, most, |buffer| sys::read(reading.file.as_raw_fd(), buffer)) {
                Ok(0) | Err(Errno(libc::EAGAIN)) => break Ok(()),
                Ok(count) => {
                    stream.credit -= count as u64;
                    reading.left -= count as u64;
                    reading.sent += count as u64;
                }
                Err(Errno(libc::EINTR)) => {}
                Err(errno) => break Err(Failure::from(errno)),
            }
        };
        let mut record = Record::new();
        record.int(1, reading.sent);
        self.finish_stream(id, number, result.map(|()| record));
    }
}

/// Position in a file that is open.
pub fn seek(file: &OwnedFd, offset: u64) -> Outcome<()> {
    let offset = i64::try_from(offset).map_err(|_| Failure::invalid("offset out of range"))?;
    // SAFETY: an open descriptor.
    let result = unsafe { libc::lseek64(file.as_raw_fd(), offset, libc::SEEK_SET) };
    check(result.min(0) as libc::c_int)?;
    Ok(())
}
