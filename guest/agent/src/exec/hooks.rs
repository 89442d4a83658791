//! Runs hooks one after the other. The first that fails is the answer of the request that they belong to.

use super::errand::Errand;
use super::hooking::Hooking;
use super::process::{Ended, Process};
use super::request::Request;
use crate::agent::Agent;
use crate::caller::Caller;
use crate::error::{Code, Failure};
use crate::stream::Work;
use crate::sys::{clock, process};
use crate::timers::MS;

/// How long all hooks may take together. The client of a fork waits for them, on hosts that are busy with other forks.
const LIMIT_MS: u64 = 30_000;
/// How much of the end of the output of a failed hook is told.
const TOLD: u64 = 2_048;

fn failed(path: &[u8], why: String, output: Vec<u8>) -> Failure {
    Failure::new(Code::HookFailed, why).about(path).of_program(path, output)
}

fn too_slow(path: &[u8], output: Vec<u8>) -> Failure {
    failed(path, format!("was not done {} s after the first hook had begun", LIMIT_MS / 1_000), output)
}

impl Agent {
    fn hooking(&mut self, caller: Caller) -> Option<&mut Hooking> {
        match &mut self.links.get_mut(&caller.link)?.streams.get_mut(&caller.stream)?.work {
            Work::Hooks(hooking) => Some(hooking),
            _ => None,
        }
    }

    /// Starts the first hook as soon as the stream is open; the end of each starts the next.
    pub fn advance_hooks(&mut self, link: u32, stream: u32) {
        let caller = Caller { link, stream };
        if let Some(hooking @ Hooking { until_ns: None, .. }) = self.hooking(caller) {
            hooking.until_ns = Some(clock::now_ns() + LIMIT_MS * MS);
            self.next_hook(caller);
        }
    }

    fn next_hook(&mut self, caller: Caller) {
        let Some(hooking) = self.hooking(caller) else { return };
        let Some(path) = hooking.programs.pop_front() else {
            let answer = std::mem::take(&mut hooking.answer);
            return self.finish_stream(caller.link, caller.stream, Ok(answer));
        };
        let left_ms = hooking.until_ns.unwrap_or(0).saturating_sub(clock::now_ns()) / MS;
        let request = Request {
            argv: vec![path.clone()],
            cwd: b"/".to_vec(),
            env: hooking.env.clone(),
            user: b"0".to_vec(),
            merge_stderr: true,
            timeout_ms: left_ms,
            ..Request::default()
        };
        if left_ms == 0 {
            return self.finish_stream(caller.link, caller.stream, Err(too_slow(&path, Vec::new())));
        }
        match self.start_process(request, Some(Errand::Hook(caller))) {
            Ok((exec, _)) => {
                if let Some(hooking) = self.hooking(caller) {
                    hooking.running = Some((exec, path));
                }
            }
            Err(failure) => {
                let failure = failure.with_code(Code::HookFailed).of_program(&path, Vec::new());
                self.finish_stream(caller.link, caller.stream, Err(failure));
            }
        }
    }

    pub(super) fn on_hook_end(&mut self, caller: Caller, exec: u64, process: &Process, ended: &Ended) {
        // The stream may have been cancelled, and its number used by a later session.
        let running = self.hooking(caller).and_then(|hooking| hooking.running.take_if(|running| running.0 == exec));
        let Some((_, path)) = running else { return };
        let why = match ended {
            _ if process.timed_out => return self.fail_hook(caller, too_slow(&path, process.last_output(TOLD))),
            Ended { exit_code: 0, .. } => return self.next_hook(caller),
            Ended { signal: 0, exit_code, .. } => format!("ended with exit code {exit_code}"),
            Ended { signal, .. } => format!("was ended by signal {signal}"),
        };
        self.fail_hook(caller, failed(&path, why, process.last_output(TOLD)));
    }

    fn fail_hook(&mut self, caller: Caller, failure: Failure) {
        self.finish_stream(caller.link, caller.stream, Err(failure));
    }

    /// The host has given up: what the hook has not done yet is of no use.
    pub fn abandon_hooks(&mut self, hooking: &Hooking) {
        let Some((exec, _)) = hooking.running else { return };
        if let Some(process) = self.processes.all.get_mut(&exec).filter(|process| process.ended.is_none()) {
            process.killed = true;
            process::kill(-process.pid, libc::SIGKILL);
        }
    }
}
