//! The method attach: another stream for the output of a process, from an offset on.

use super::process::Attachment;
use crate::agent::Agent;
use crate::caller::Caller;
use crate::error::{Code, Failure, Outcome};
use crate::numbers::{message, tag};
use crate::record::{self, Fields, Record};
use crate::stream::{Begun, Work};

impl Agent {
    pub fn attach(&mut self, caller: Caller, fields: Fields) -> Outcome<Begun> {
        let mut exec = 0;
        let mut offsets = [0, 0];
        let mut control = false;
        for (tag, value) in fields {
            match tag {
                tag::attach::EXEC_ID => exec = record::int(value)?,
                tag::attach::STDOUT_OFFSET => offsets[0] = record::int(value)?,
                tag::attach::STDERR_OFFSET => offsets[1] = record::int(value)?,
                tag::attach::CONTROL => control = record::flag(value)?,
                _ => {}
            }
        }
        let process =
            self.processes.all.get_mut(&exec).filter(|process| !process.forgotten && process.errand.is_none());
        let process = process.ok_or(Failure::new(Code::NotFound, "no such process"))?;
        let mut position = [0, 0];
        for (side, channel) in process.channels.iter().enumerate() {
            position[side] = offsets[side].clamp(channel.ring.oldest(), channel.ring.total());
        }
        let mut started = Record::new();
        started
            .int(tag::started::EXEC_ID, exec)
            .int(tag::started::PID, process.pid as u64)
            .int(tag::started::STDOUT_OFFSET, position[0])
            .int(tag::started::STDERR_OFFSET, position[1]);
        if let Some(link) = self.links.get_mut(&caller.link) {
            link.outbox.message(caller.stream, message::STARTED, &started);
        }
        self.timers.cancel(&mut process.orphaned);
        process.attachments.push(Attachment { caller, position });
        Ok(Begun::Running(Work::Exec { exec, control }))
    }
}
