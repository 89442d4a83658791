//! The method grow: a disk has become larger, and its file system follows.

use crate::agent::Agent;
use crate::caller::Caller;
use crate::error::{Code, Failure, Outcome};
use crate::numbers::tag;
use crate::record::{self, Fields, Record};
use crate::stream::{Begun, Work};
use crate::sys::machine;

impl Agent {
    pub fn grow(&mut self, caller: Caller, fields: Fields) -> Outcome<Begun> {
        let (mut path, mut bytes) = (b"".as_slice(), 0);
        for (tag, value) in fields {
            match tag {
                tag::grow::PATH => path = value,
                tag::grow::BYTES => bytes = record::int(value)?,
                _ => {}
            }
        }
        let disks = self.machine.iter().flat_map(|machine| &machine.disks);
        let Some(disk) = disks.into_iter().find(|disk| disk.path.as_bytes() == path).cloned() else {
            return Err(Failure::new(Code::NotFound, "no disk is mounted there").about(path));
        };
        let job = self.jobs.start(caller.link, caller.stream, move |_| {
            if !disk.wait_for_bytes(bytes) {
                return Err(Failure::new(Code::Unavailable, "the disk stays smaller").about(disk.path.as_bytes()));
            }
            let failed = |errno| Failure::from(errno).about(disk.path.as_bytes());
            disk.grow().map_err(failed)?;
            let mut record = Record::new();
            record.int(tag::grow_result::TOTAL_BYTES, machine::file_system_of(&disk.root).map_err(failed)?.total_bytes);
            Ok(record)
        })?;
        Ok(Begun::Running(Work::Job(job)))
    }
}
