//! The table of methods, and the ones that need no more than a few lines.

use crate::agent::Agent;
use crate::dispatch::{Begun, Caller};
use crate::error::{Code, Failure, Outcome};
use crate::power;
use crate::record::{self, Fields, Record};
use crate::stream::Work;
use crate::sys;
use crate::timers::{Timer, MS};

/// "Never" and "no offset" on the wire.
pub const NEVER: u64 = u64::MAX;

impl Agent {
    pub fn begin(&mut self, caller: Caller, method: u8, arguments: &[u8]) -> Outcome<Begun> {
        let fields = Fields::new(arguments);
        let done = match method {
            1 => self.info(),
            2 => ping(fields),
            3 => self.configure(fields),
            4 => return self.exec(caller, fields),
            5 => return self.attach(caller, fields),
            6 => self.signal(fields),
            7 => self.list_processes(),
            8 => return self.read_file(caller, fields),
            9 => return self.write_file(fields),
            10 => self.stat(fields),
            11 => return self.list_directory(caller, fields),
            12 => self.make_directory(fields),
            13 => return self.relocate(caller, fields),
            14 => return self.remove(caller, fields),
            15 => return self.watch(caller, fields),
            16 => return self.tar_in(caller, fields),
            17 => return self.tar_out(caller, fields),
            18 => self.attributes(fields),
            20 => return self.tunnel(caller, fields),
            21 => self.metrics(),
            22 => self.clock(fields),
            23 => return self.quiesce(caller, fields),
            24 => self.deadline(fields),
            25 => self.shutdown(fields),
            26 => return Agent::warm(fields),
            _ => Err(Failure::new(Code::Unimplemented, "no such method")),
        };
        done.map(Begun::Done)
    }

    fn clock(&mut self, fields: Fields) -> Outcome<Record> {
        let mut record = Record::new();
        record.int(1, sys::wall_clock_ns());
        for (tag, value) in fields {
            if tag == 1 {
                self.set_clock(record::int(value)?)?;
            }
        }
        Ok(record)
    }

    fn quiesce(&mut self, caller: Caller, fields: Fields) -> Outcome<Begun> {
        let (mut drop_caches, mut trim) = (false, false);
        for (tag, value) in fields {
            match tag {
                1 => drop_caches = record::flag(value)?,
                2 => trim = record::flag(value)?,
                _ => {}
            }
        }
        // A plain process has nothing of its own to bring to rest, and must leave the host's disks alone.
        let Some(machine) = &self.machine else { return Ok(Begun::Done(Record::new())) };
        let disks = machine.disks.clone();
        let job = self.jobs.start(caller.link, caller.stream, move |_| {
            power::quiesce(&disks, drop_caches, trim);
            Ok(Record::new())
        })?;
        Ok(Begun::Running(Work::Job(job)))
    }

    fn deadline(&mut self, fields: Fields) -> Outcome<Record> {
        for (tag, value) in fields {
            if tag == 1 {
                self.set_deadline(record::int(value)?);
            }
        }
        let remaining = match self.deadline {
            Some((when, _)) => when.saturating_sub(sys::now_ns()) / MS,
            None => NEVER,
        };
        let mut record = Record::new();
        record.int(1, remaining);
        Ok(record)
    }

    pub fn set_deadline(&mut self, ms: u64) {
        self.timers.cancel(&mut self.deadline);
        if ms != NEVER {
            self.deadline = Some(self.timers.after_ms(ms, Timer::Deadline));
        }
    }

    fn shutdown(&mut self, fields: Fields) -> Outcome<Record> {
        let mut grace_ms = 0;
        for (tag, value) in fields {
            if tag == 1 {
                grace_ms = record::int(value)?;
            }
        }
        self.end(grace_ms);
        Ok(Record::new())
    }
}

fn ping(fields: Fields) -> Outcome<Record> {
    let mut record = Record::new();
    for (tag, value) in fields {
        if tag == 1 {
            if value.len() > 1_024 {
                return Err(Failure::invalid("payload of more than 1024 bytes"));
            }
            record.bytes(1, value);
        }
    }
    Ok(record)
}
