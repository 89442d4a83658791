//! The agent inside a sandbox: PID 1 of a microVM, or a plain process for tests and the process driver.
// A panic would be the end of the guest.
#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod about;
mod accept;
mod agent;
mod caller;
mod channel;
mod configure;
mod continued;
mod disks;
mod dispatch;
mod ending;
mod error;
mod etc;
mod exec;
mod files;
mod frame;
mod growing;
mod identity;
mod init;
mod jobs;
mod limits;
mod link;
mod log;
mod machine;
mod methods;
mod metrics;
mod network;
mod numbers;
mod outbox;
mod poll;
mod power;
mod record;
mod run;
mod serve;
mod settings;
mod sha256;
mod stream;
mod streams;
mod sys;
mod tar;
mod timers;
mod tunnel;
mod users;
mod volumes;

#[cfg(test)]
#[path = "../tests/agent/common/random.rs"]
mod random;
#[cfg(test)]
#[path = "../tests/agent/common/json.rs"]
mod vectors;

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::process::ExitCode;

use crate::agent::Agent;
use crate::channel::Channel;
use crate::sys::{paths, process, signals};

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

fn main() -> ExitCode {
    process::tame_allocator();
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
    // Orphans of its processes become children of the agent, which can then end them.
    process::adopt_orphans();
    process::set_umask(0o022);
    // Processes of the agent must not inherit the descriptors of the process that started it.
    process::close_inherited_descriptors();
    process::raise_descriptor_limit(agent::DESCRIPTORS);
    let mut agent = Agent::new(Channel::unix(&options.listen)?, None)?;
    if let Some(ms) = options.deadline_ms {
        agent.set_deadline(ms);
    }
    agent.open_channel();
    let code = agent.run();
    if let Ok(path) = std::ffi::CString::new(options.listen.as_slice()) {
        let _ = paths::unlink_at(libc::AT_FDCWD, &path, 0);
    }
    Ok(code)
}
