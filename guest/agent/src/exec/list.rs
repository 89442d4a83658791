//! The method list: the processes that run, and those that have ended a short while ago.

use crate::agent::Agent;
use crate::error::Outcome;
use crate::numbers::{limit, tag};
use crate::record::Record;

/// An upper bound for an entry without argv and env.
const PLAIN_ENTRY: usize = 1_024;

impl Agent {
    pub fn list_processes(&mut self) -> Outcome<Record> {
        let mut list = Record::new();
        let mut left = self.processes.all.len();
        for (&exec, process) in &self.processes.all {
            left -= 1;
            if process.forgotten || process.errand.is_some() {
                continue;
            }
            let mut entry = Record::new();
            entry.int(tag::process::EXEC_ID, exec).int(tag::process::PID, process.pid as u64);
            entry
                .bytes(tag::process::CWD, &process.cwd)
                .bytes(tag::process::USER, &process.account.name)
                .bytes(tag::process::TAG, &process.tag);
            entry
                .int(tag::process::STARTED_NS, process.started_wall_ns)
                .flag(tag::process::RUNNING, process.ended.is_none());
            if let Some(exit) = process.exit_record(exec) {
                entry.record(tag::process::EXIT, &exit);
            }
            entry.flag(tag::process::PTY, process.is_pty);
            let strings = process.argv.iter().chain(&process.env);
            let size: usize = strings.map(|string| string.len() + 5).sum();
            // The whole answer has a limit, and the entries still to come have to fit too.
            if list.0.len() + entry.0.len() + size + left * PLAIN_ENTRY < limit::JOINED {
                for argument in &process.argv {
                    entry.bytes(tag::process::ARGV, argument);
                }
                for variable in &process.env {
                    entry.bytes(tag::process::ENV, variable);
                }
            }
            if list.0.len() + entry.0.len() + 5 > limit::JOINED {
                break;
            }
            list.record(tag::list_result::PROCESS, &entry);
        }
        Ok(list)
    }
}
