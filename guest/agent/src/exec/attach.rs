//! attach: another stream for the output of a process, from an offset on.

use super::Attachment;
use crate::agent::Agent;
use crate::dispatch::{message, Begun, Caller};
use crate::error::{Code, Failure, Outcome};
use crate::record::{self, Fields, Record};
use crate::stream::Work;

impl Agent {
    pub fn attach(&mut self, caller: Caller, fields: Fields) -> Outcome<Begun> {
        let mut exec = 0;
        let mut offsets = [0, 0];
        let mut control = false;
        for (tag, value) in fields {
            match tag {
                1 => exec = record::int(value)?,
                2 => offsets[0] = record::int(value)?,
                3 => offsets[1] = record::int(value)?,
                4 => control = record::flag(value)?,
                _ => {}
            }
        }
        let process =
            self.processes.all.get_mut(&exec).filter(|process| !process.forgotten && process.warming.is_none());
        let process = process.ok_or(Failure::new(Code::NotFound, "no such process"))?;
        let mut position = [0, 0];
        for (side, channel) in process.channels.iter().enumerate() {
            position[side] = offsets[side].clamp(channel.ring.oldest(), channel.ring.total());
        }
        let mut started = Record::new();
        started.int(1, exec).int(2, process.pid as u64).int(3, position[0]).int(4, position[1]);
        if let Some(link) = self.links.get_mut(&caller.link) {
            link.outbox.message(caller.stream, message::STARTED, &started);
        }
        self.timers.cancel(&mut process.orphaned);
        process.attachments.push(Attachment { caller, position });
        Ok(Begun::Running(Work::Exec { exec, control }))
    }
}
