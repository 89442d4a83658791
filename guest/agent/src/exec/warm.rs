//! warm: runs programs once before a snapshot, and reads all they are made of into memory. What a program has mapped is asked
//! for at its very end, when the kernel stops it for its tracer.

use std::collections::{BTreeSet, VecDeque};
use std::ffi::CString;
use std::os::fd::AsRawFd;
use std::sync::Arc;

use super::request::Request;
use crate::agent::Agent;
use crate::dispatch::{Begun, Caller};
use crate::error::Outcome;
use crate::jobs::Job;
use crate::record::{Fields, Record};
use crate::stream::Work;
use crate::sys;

/// A program that waits for something does not hold up the snapshot.
const LIMIT_MS: u64 = 20_000;
const MOST_FILES: usize = 4_096;
const LARGEST_MAP: usize = 4 << 20;

pub struct Warming {
    programs: VecDeque<Vec<Vec<u8>>>,
    files: BTreeSet<Vec<u8>>,
    ran: u64,
    begun: bool,
}

impl Agent {
    pub fn warm(fields: Fields) -> Outcome<Begun> {
        let mut programs = VecDeque::new();
        for (tag, value) in fields {
            if tag == 1 {
                let argv = Fields::new(value).filter(|field| field.0 == 1).map(|field| field.1.to_vec());
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

    /// Called as soon as the stream is open; from then on the end of one program starts the next.
    pub fn advance_warm(&mut self, link: u32, stream: u32) {
        let caller = Caller { link, stream };
        if self.warming(caller).is_some_and(|warming| !std::mem::replace(&mut warming.begun, true)) {
            self.warm_next(caller);
        }
    }

    /// Starts the next program that can be started; after the last one, reads.
    fn warm_next(&mut self, caller: Caller) {
        loop {
            let Some(warming) = self.warming(caller) else { return };
            let Some(argv) = warming.programs.pop_front() else { break };
            let request = Request { argv, timeout_ms: LIMIT_MS, ..Request::default() };
            if self.start_process(request, Some(caller)).is_ok() {
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

    /// A traced program has stopped: because it has just been started, received a signal, or is about to end.
    pub fn on_trace_stop(&mut self, pid: i32, status: i32) {
        const ABOUT_TO_END: i32 = libc::SIGTRAP | libc::PTRACE_EVENT_EXIT << 8;
        let mut pass_on = 0;
        match status >> 8 {
            ABOUT_TO_END => {
                let process = self.processes.by_pid.get(&pid).and_then(|exec| self.processes.all.get(exec));
                if let Some(caller) = process.and_then(|process| process.warming) {
                    if let Some(warming) = self.warming(caller) {
                        warming.note_files(pid);
                    }
                }
            }
            libc::SIGTRAP => {
                // SAFETY: no memory involved.
                unsafe { libc::ptrace(libc::PTRACE_SETOPTIONS, pid, 0, libc::PTRACE_O_TRACEEXIT) };
            }
            signal => pass_on = signal,
        }
        // SAFETY: no memory involved.
        unsafe { libc::ptrace(libc::PTRACE_CONT, pid, 0, pass_on) };
    }
}

impl Warming {
    /// The files of a line like `7f..-7f.. r-xp 00000000 fe:00 1234   /lib/libc.so.6`.
    fn note_files(&mut self, pid: i32) {
        let Ok(path) = CString::new(format!("/proc/{pid}/maps")) else { return };
        let maps = sys::read_small(&path, LARGEST_MAP).unwrap_or_default();
        for line in maps.split(|&byte| byte == b'\n') {
            let Some(at) = line.iter().position(|&byte| byte == b'/') else { continue };
            if self.files.len() < MOST_FILES && !line.ends_with(b" (deleted)") && !line[at..].starts_with(b"/dev/") {
                self.files.insert(line[at..].to_vec());
            }
        }
    }
}

fn read_all(job: &Arc<Job>, files: &BTreeSet<Vec<u8>>, ran: u64) -> Outcome<Record> {
    let mut buffer = vec![0; 128 * 1024];
    let mut bytes = 0;
    for file in files {
        let Ok(path) = CString::new(file.as_slice()) else { continue };
        let Ok(file) = sys::open(&path, libc::O_RDONLY | libc::O_NONBLOCK, 0) else { continue };
        while let Ok(count @ 1..) = sys::read(file.as_raw_fd(), &mut buffer) {
            job.go_on()?;
            bytes += count as u64;
        }
    }
    let mut record = Record::new();
    record.int(1, ran).int(2, bytes);
    Ok(record)
}
