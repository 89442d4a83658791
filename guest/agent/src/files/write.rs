//! The method write: writes a stream into a file, piece by piece as it comes.

use std::os::fd::AsRawFd;

use super::create::{make_parents, Opening};
use super::entry::entry;
use super::path::absolute;
use super::transfer::Writing;
use crate::agent::Agent;
use crate::caller::Caller;
use crate::error::{Code, Failure, Outcome};
use crate::numbers::tag;
use crate::record::{self, Fields, Record};
use crate::stream::{Begun, Work};
use crate::sys::{self, Errno};

impl Agent {
    pub fn write_file(&mut self, fields: Fields) -> Outcome<Begun> {
        let (mut path, mut mode, mut user): (&[u8], u32, &[u8]) = (b"", 0, b"");
        let (mut append, mut exclusive, mut offset) = (false, false, None);
        for (tag, value) in fields {
            match tag {
                tag::write::PATH => path = value,
                tag::write::MODE => mode = record::narrow(value)?,
                tag::write::USER => user = value,
                tag::write::APPEND => append = record::flag(value)?,
                tag::write::EXCLUSIVE => exclusive = record::flag(value)?,
                tag::write::OFFSET => offset = Some(record::int(value)?),
                _ => {}
            }
        }
        let target = absolute(path)?;
        let owner = self.owner(user)?;
        let flags = match (append, offset) {
            (true, _) => libc::O_APPEND,
            (false, Some(_)) => 0,
            (false, None) => libc::O_TRUNC,
        };
        let opening = Opening { flags, exclusive, mode: if mode == 0 { 0o644 } else { mode }, owner };
        let mut file = opening.open(&target);
        if file.as_ref().err() == Some(&Errno(libc::ENOENT)) {
            make_parents(path, owner)?;
            file = opening.open(&target);
        }
        let file = file.map_err(|errno| Failure::from(errno).about(path))?;
        if let (Some(offset), false) = (offset, append) {
            sys::seek(&file, offset, libc::SEEK_SET)?;
        }
        Ok(Begun::Running(Work::Write(Writing { file, path: target, written: 0 })))
    }

    pub fn on_write_data(&mut self, caller: Caller, bytes: &[u8]) {
        let Some(link) = self.links.get_mut(&caller.link) else { return };
        let Some(stream) = link.streams.get_mut(&caller.stream) else { return };
        let Work::Write(writing) = &mut stream.work else { return };
        match sys::write_all(writing.file.as_raw_fd(), bytes) {
            Ok(()) => {
                writing.written += bytes.len() as u64;
                stream.consume(caller.stream, bytes.len(), &mut link.outbox);
            }
            Err(errno) => {
                let failure = Failure::from(errno).about(writing.path.as_bytes());
                let failure = match errno {
                    // Nobody reads from the pipe, so waiting would not help.
                    Errno(libc::EAGAIN) => failure.with_code(Code::Unavailable),
                    _ => failure,
                };
                self.finish_stream(caller.link, caller.stream, Err(failure));
            }
        }
    }

    pub fn on_write_end(&mut self, caller: Caller) {
        let Some(link) = self.links.get(&caller.link) else { return };
        let Some(Work::Write(writing)) = link.streams.get(&caller.stream).map(|stream| &stream.work) else { return };
        let result = entry(&writing.path, true, &mut self.users).map(|entry| {
            let mut record = Record::new();
            record.int(tag::write_result::BYTES, writing.written).record(tag::write_result::ENTRY, &entry);
            record
        });
        self.finish_stream(caller.link, caller.stream, result);
    }
}
