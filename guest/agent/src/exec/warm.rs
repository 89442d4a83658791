//! The method warm: runs programs once before a snapshot, and reads all their files into memory. The agent reads the
//! list of a program's mapped files when the kernel stops the program for its tracer, just before it ends.

use std::collections::{BTreeSet, VecDeque};
use std::ffi::CString;
use std::os::fd::AsRawFd;
use std::sync::Arc;

use super::errand::Errand;
use super::request::Request;
use super::warming::Warming;
use crate::agent::Agent;
use crate::caller::Caller;
use crate::error::Outcome;
use crate::jobs::Job;
use crate::numbers::tag;
use crate::record::{Fields, Record};
use crate::stream::{Begun, Work};
use crate::sys::{self, paths, process};

/// How long a program may run: one that waits for something must not hold up the snapshot.
const LIMIT_MS: u64 = 20_000;
impl Agent {
    pub fn warm(fields: Fields) -> Outcome<Begun> {
        let mut programs = VecDeque::new();
        for (tag, value) in fields {
            if tag == tag::warm::ARGV {
                let argv =
                    Fields::new(value).filter(|field| field.0 == tag::command::ARGV).map(|field| field.1.to_vec());
                programs.push_back(argv.collect::<Vec<_>>());
            }
        }
        programs.retain(|argv| !argv.is_empty());
        Ok(Begun::Running(Work::Warm(Warming { programs, files: BTreeSet::new(), ran: 0, begun: false })))
    }

    fn warming(&mut self, caller: Caller) -> Option<&mut Warming> {
        match &mut self.links.get_mut(&caller.link)?.streams.get_mut(&caller.stream)?.work {
            Work::Warm(warming) => Some(warming),
            _ => None,
        }
    }

    /// Starts the first program as soon as the stream is open; the end of each program starts the next.
    pub fn advance_warm(&mut self, link: u32, stream: u32) {
        let caller = Caller { link, stream };
        if self.warming(caller).is_some_and(|warming| !std::mem::replace(&mut warming.begun, true)) {
            self.warm_next(caller);
        }
    }

    /// Starts the next program that can be started; after the last one, reads the files.
    fn warm_next(&mut self, caller: Caller) {
        loop {
            let Some(warming) = self.warming(caller) else { return };
            let Some(argv) = warming.programs.pop_front() else { break };
            let request = Request { argv, timeout_ms: LIMIT_MS, ..Request::default() };
            if self.start_process(request, Some(Errand::Warm(caller))).is_ok() {
                return;
            }
        }
        let Some(warming) = self.warming(caller) else { return };
        let (files, ran) = (std::mem::take(&mut warming.files), warming.ran);
        match self.jobs.start(caller.link, caller.stream, move |job| read_all(job, &files, ran)) {
            Err(failure) => self.finish_stream(caller.link, caller.stream, Err(failure)),
            Ok(job) => {
                let link = self.links.get_mut(&caller.link);
                if let Some(stream) = link.and_then(|link| link.streams.get_mut(&caller.stream)) {
                    stream.work = Work::Job(job);
                }
            }
        }
    }

    pub fn on_warm_end(&mut self, caller: Caller) {
        if let Some(warming) = self.warming(caller) {
            warming.ran += 1;
            self.warm_next(caller);
        }
    }

    /// Handles a stop of a traced program, which has just been started, has received a signal, or is about to end.
    pub fn on_trace_stop(&mut self, pid: i32, status: i32) {
        const ABOUT_TO_END: i32 = libc::SIGTRAP | libc::PTRACE_EVENT_EXIT << 8;
        let mut pass_on = 0;
        match status >> 8 {
            ABOUT_TO_END => {
                let process = self.processes.by_pid.get(&pid).and_then(|exec| self.processes.all.get(exec));
                if let Some(Errand::Warm(caller)) = process.and_then(|process| process.errand) {
                    if let Some(warming) = self.warming(caller) {
                        warming.note_files(pid);
                    }
                }
            }
            libc::SIGTRAP => process::stop_at_the_end(pid),
            signal => pass_on = signal,
        }
        process::let_go_on(pid, pass_on);
    }
}

fn read_all(job: &Arc<Job>, files: &BTreeSet<Vec<u8>>, ran: u64) -> Outcome<Record> {
    let mut buffer = vec![0; 128 * 1024];
    let mut bytes = 0;
    for file in files {
        let Ok(path) = CString::new(file.as_slice()) else { continue };
        let Ok(file) = paths::open(&path, libc::O_RDONLY | libc::O_NONBLOCK, 0) else { continue };
        while let Ok(count @ 1..) = sys::read(file.as_raw_fd(), &mut buffer) {
            job.go_on()?;
            bytes += count as u64;
        }
    }
    let mut record = Record::new();
    record.int(tag::warm_result::RAN, ran).int(tag::warm_result::BYTES_READ, bytes);
    Ok(record)
}
