//! list: what runs, and what has ended a short while ago.

use crate::agent::Agent;
use crate::error::Outcome;
use crate::frame::MAX_JOINED;
use crate::record::Record;

/// What an entry takes without argv and env, generously.
const PLAIN_ENTRY: usize = 1_024;

impl Agent {
    pub fn list_processes(&mut self) -> Outcome<Record> {
        let mut list = Record::new();
        let mut left = self.processes.all.len();
        for (&exec, process) in &self.processes.all {
            left -= 1;
            if process.forgotten || process.warming.is_some() {
                continue;
            }
            let mut entry = Record::new();
            entry.int(1, exec).int(2, process.pid as u64);
            entry.bytes(4, &process.cwd).bytes(5, &process.account.name).bytes(6, &process.tag);
            entry.int(7, process.started_wall_ns).flag(8, process.ended.is_none());
            if let Some(exit) = process.exit_record(exec) {
                entry.record(9, &exit);
            }
            entry.flag(10, process.is_pty);
            let strings = process.argv.iter().chain(&process.env);
            let size: usize = strings.map(|string| string.len() + 5).sum();
            // The whole answer has a limit; what is left of it must do for the entries still to come.
            if list.0.len() + entry.0.len() + size + left * PLAIN_ENTRY < MAX_JOINED {
                for argument in &process.argv {
                    entry.bytes(3, argument);
                }
                for variable in &process.env {
                    entry.bytes(11, variable);
                }
            }
            if list.0.len() + entry.0.len() + 5 > MAX_JOINED {
                break;
            }
            list.record(1, &entry);
        }
        Ok(list)
    }
}
