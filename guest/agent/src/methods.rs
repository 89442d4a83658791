//! The table of methods, and the methods that need only a few lines.

use crate::agent::Agent;
use crate::caller::Caller;
use crate::error::{Code, Failure, Outcome};
use crate::numbers::{method, tag};
use crate::power;
use crate::record::{self, Fields, Record};
use crate::stream::{Begun, Work};
use crate::sys::clock;
use crate::timers::{Timer, MS};
use crate::volumes;

/// "Never" and "no offset" on the wire.
pub const NEVER: u64 = u64::MAX;

impl Agent {
    pub fn begin(&mut self, caller: Caller, method: u8, arguments: &[u8]) -> Outcome<Begun> {
        let fields = Fields::new(arguments);
        let done = match method {
            method::INFO => Agent::info(),
            method::PING => {
                self.tell_changes(caller.link);
                ping(fields)
            }
            method::CONFIGURE => return self.configure(caller, fields),
            method::EXEC => return self.exec(caller, fields),
            method::ATTACH => return self.attach(caller, fields),
            method::SIGNAL => self.signal(fields),
            method::LIST => self.list_processes(),
            method::READ => return self.read_file(caller, fields),
            method::WRITE => return self.write_file(fields),
            method::STAT => self.stat(fields),
            method::LIST_DIRECTORY => return self.list_directory(caller, fields),
            method::MKDIR => self.make_directory(fields),
            method::MOVE => return self.relocate(caller, fields),
            method::REMOVE => return self.remove(caller, fields),
            method::WATCH => return self.watch(caller, fields),
            method::TAR_IN => return self.tar_in(caller, fields),
            method::TAR_OUT => return self.tar_out(caller, fields),
            method::ATTRIBUTES => self.attributes(fields),
            method::TUNNEL => return self.tunnel(caller, fields),
            method::METRICS => self.metrics(),
            method::CLOCK => self.clock(fields),
            method::QUIESCE => return self.quiesce(caller, fields),
            method::DEADLINE => self.deadline(fields),
            method::SHUTDOWN => self.shutdown(fields),
            method::WARM => return Agent::warm(fields),
            method::GROW => return self.grow(caller, fields),
            method::MANIFEST => return self.manifest(caller, fields),
            _ => Err(Failure::new(Code::Unimplemented, "no such method")),
        };
        done.map(Begun::Done)
    }

    fn clock(&mut self, fields: Fields) -> Outcome<Record> {
        let mut record = Record::new();
        record.int(tag::clock::WALL_CLOCK_NS, clock::wall_clock_ns());
        for (tag, value) in fields {
            if tag == tag::clock::WALL_CLOCK_NS {
                self.set_clock(record::int(value)?)?;
            }
        }
        Ok(record)
    }

    fn quiesce(&mut self, caller: Caller, fields: Fields) -> Outcome<Begun> {
        let (mut drop_caches, mut trim) = (false, false);
        for (tag, value) in fields {
            match tag {
                tag::quiesce::DROP_CACHES => drop_caches = record::flag(value)?,
                tag::quiesce::TRIM => trim = record::flag(value)?,
                _ => {}
            }
        }
        // A plain process has no disks of its own, and must leave those of the host alone.
        let Some(machine) = &mut self.machine else { return Ok(Begun::Done(Record::new())) };
        volumes::set_aside(&mut machine.slots)?;
        let disks = machine.disks.clone();
        let job = self.jobs.start(caller.link, caller.stream, move |_| {
            power::quiesce(&disks, drop_caches, trim);
            Ok(Record::new())
        })?;
        Ok(Begun::Running(Work::Job(job)))
    }

    fn deadline(&mut self, fields: Fields) -> Outcome<Record> {
        for (tag, value) in fields {
            if tag == tag::deadline::DEADLINE_MS {
                self.set_deadline(record::int(value)?);
            }
        }
        let remaining = match self.deadline {
            Some((when, _)) => when.saturating_sub(clock::now_ns()) / MS,
            None => NEVER,
        };
        let mut record = Record::new();
        record.int(tag::deadline_result::REMAINING_MS, remaining);
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
            if tag == tag::shutdown::GRACE_MS {
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
        if tag == tag::ping::PAYLOAD {
            if value.len() > 1_024 {
                return Err(Failure::invalid("payload of more than 1024 bytes"));
            }
            record.bytes(tag::ping::PAYLOAD, value);
        }
    }
    Ok(record)
}
