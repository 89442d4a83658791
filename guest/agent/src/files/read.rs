//! The method read: streams a file from the disk straight into frames.

use std::os::fd::AsRawFd;

use super::entry::entry;
use super::path::absolute;
use super::transfer::Reading;
use crate::agent::Agent;
use crate::caller::Caller;
use crate::error::{Failure, Outcome};
use crate::numbers::{channel, message, tag};
use crate::record::{self, Fields, Record};
use crate::stream::{Begun, Work};
use crate::sys::paths::{self, is_kind, stat_at};
use crate::sys::{self, Errno};

/// The size of one read: whole pages that fit into a frame.
const PIECE: usize = 28 * 1024;

impl Agent {
    pub fn read_file(&mut self, caller: Caller, fields: Fields) -> Outcome<Begun> {
        let (mut path, mut offset, mut length): (&[u8], u64, u64) = (b"", 0, 0);
        for (tag, value) in fields {
            match tag {
                tag::read::PATH => path = value,
                tag::read::OFFSET => offset = record::int(value)?,
                tag::read::LENGTH => length = record::int(value)?,
                tag::read::USER => drop(self.settings.account(&mut self.users, value)?),
                _ => {}
            }
        }
        let target = absolute(path)?;
        let failed = |errno: Errno| Failure::from(errno).about(path);
        // The open waits neither for the other end of a pipe nor for a terminal.
        let file = paths::open(&target, libc::O_RDONLY | libc::O_NONBLOCK | libc::O_NOCTTY, 0).map_err(failed)?;
        let stat = stat_at(file.as_raw_fd(), c"", libc::AT_EMPTY_PATH).map_err(failed)?;
        if is_kind(&stat, libc::S_IFDIR) {
            return Err(failed(Errno(libc::EISDIR)));
        }
        if offset > 0 {
            sys::seek(&file, offset, libc::SEEK_SET).map_err(failed)?;
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
            match link
                .outbox
                .data_with(number, channel::CONTENT, most, |buffer| sys::read(reading.file.as_raw_fd(), buffer))
            {
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
        record.int(tag::read_result::BYTES, reading.sent);
        self.finish_stream(id, number, result.map(|()| record));
    }
}
