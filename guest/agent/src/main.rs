//! The agent inside a sandbox: PID 1 of a microVM, or a plain process for tests and the process driver.

mod agent;
mod channel;
mod configure;
mod dispatch;
mod error;
mod etc;
mod exec;
mod files;
mod frame;
mod identity;
mod init;
mod jobs;
mod limits;
mod link;
mod log;
mod methods;
mod metrics;
mod network;
mod poll;
mod power;
mod record;
mod serve;
mod settings;
mod signals;
mod stream;
mod streams;
mod sys;
mod tar;
mod timers;
mod tunnel;
mod users;

#[cfg(test)]
#[path = "../tests/common/random.rs"]
mod random;
#[cfg(test)]
#[path = "../tests/common/json.rs"]
mod vectors;

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::process::ExitCode;

use crate::agent::Agent;
use crate::channel::Channel;

const USAGE: &str = "usage: nova-agent --listen <unix socket path> [--deadline <ms>]";

struct Options {
    listen: Vec<u8>,
    deadline_ms: Option<u64>,
}

impl Options {
    fn parse(mut arguments: impl Iterator<Item = OsString>) -> Option<Self> {
        let mut options = Options { listen: Vec::new(), deadline_ms: None };
        while let Some(argument) = arguments.next() {
            match argument.to_str()? {
                "--listen" => options.listen = arguments.next()?.into_vec(),
                "--deadline" => options.deadline_ms = Some(arguments.next()?.to_str()?.parse().ok()?),
                _ => return None,
            }
        }
        (!options.listen.is_empty()).then_some(options)
    }
}

/// Threads share one heap, and large blocks go back to the system when they are freed: the agent is small and stays so.
fn tame_allocator() {
    // SAFETY: plain settings, before any thread runs.
    #[cfg(target_env = "gnu")]
    unsafe {
        libc::mallopt(libc::M_ARENA_MAX, 1);
        libc::mallopt(libc::M_MMAP_THRESHOLD, 128 * 1024);
        libc::mallopt(libc::M_TRIM_THRESHOLD, 256 * 1024);
    }
}

fn main() -> ExitCode {
    tame_allocator();
    signals::block_all();
    if std::process::id() == 1 {
        init::run();
    }
    if std::env::args().nth(1).as_deref() == Some("--version") {
        println!("nova-agent {}", env!("CARGO_PKG_VERSION"));
        return ExitCode::SUCCESS;
    }
    let Some(options) = Options::parse(std::env::args_os().skip(1)) else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    match run_as_process(&options) {
        Ok(code) => ExitCode::from(code as u8),
        Err(errno) => {
            log::failure("cannot listen", errno);
            ExitCode::FAILURE
        }
    }
}

fn run_as_process(options: &Options) -> sys::Sys<i32> {
    // What its processes leave behind becomes the agent's, so that it can end them when it ends.
    // SAFETY: plain settings; the descriptor limit is its own and its children's.
    unsafe {
        libc::prctl(libc::PR_SET_CHILD_SUBREAPER, 1);
        libc::umask(0o022);
        // Descriptors of whoever started it are nothing its processes should get.
        libc::syscall(libc::SYS_close_range, 3, libc::c_uint::MAX, 0);
    }
    init::raise_descriptor_limit();
    let mut agent = Agent::new(Channel::unix(&options.listen)?, None)?;
    if let Some(ms) = options.deadline_ms {
        agent.set_deadline(ms);
    }
    agent.open_channel();
    let code = agent.run();
    if let Ok(path) = std::ffi::CString::new(options.listen.as_slice()) {
        // SAFETY: the path ends in NUL.
        unsafe { libc::unlink(path.as_ptr()) };
    }
    Ok(code)
}
