//! From the kernel's first instruction in user space to serving: see BOOT.md.

mod command_line;
mod modules;
mod mounts;
mod on_demand;
mod root;
mod tunables;

use std::sync::Arc;

use crate::agent::Agent;
use crate::channel::Channel;
use crate::error::Failure;
use crate::power::{self, Applied, Machine};
use crate::sys::Errno;
use crate::{etc, identity, limits, log, network};

use command_line::{ChannelKind, CommandLine};

/// A step that failed, and why. There is no way on.
pub struct Fatal {
    pub step: String,
    pub reason: String,
}

pub type Step<T> = Result<T, Fatal>;

pub fn fatal(step: impl Into<String>) -> impl FnOnce(Errno) -> Fatal {
    let step = step.into();
    move |errno| Fatal { step, reason: Failure::from(errno).message.into_owned() }
}

/// PID 1. Ends with the machine.
pub fn run() -> ! {
    report_panics();
    match serve() {
        Ok(never) => match never {},
        Err(Fatal { step, reason }) => {
            log::line(&format!("fatal: {step}: {reason}"));
            // SAFETY: nothing of value is in memory yet.
            unsafe { power::turn_off() }
        }
    }
}

fn serve() -> Step<std::convert::Infallible> {
    // SAFETY: a plain setting, inherited by all.
    unsafe { libc::umask(0o022) };
    mounts::early()?;
    log::use_kernel_log();
    let options = CommandLine::read()?;
    modules::load_all()?;
    let root = root::set_up(&options)?;
    mounts::late(&options)?;
    identity::prepare().map_err(fatal("identity"))?;
    etc::prepare(identity::root_is_read_only(), root.own_resolv_conf).map_err(fatal("files of /etc"))?;
    on_demand::make_devices();
    tunables::raise_watches();
    limits::enter_group();
    network::bring_up_loopback();
    raise_descriptor_limit();
    set_first_hostname();

    let channel = match options.channel {
        ChannelKind::Serial => Channel::serial(),
        ChannelKind::Vsock(port) => Channel::vsock(port),
    };
    let machine = Machine { disks: Arc::new(root.disks), applied: Applied::default() };
    let mut agent = Agent::new(channel.map_err(fatal("channel"))?, Some(machine)).map_err(fatal("start"))?;
    agent.processes.protect_agent().map_err(fatal("oom_score_adj"))?;
    if let Some(ms) = options.deadline_ms {
        agent.set_deadline(ms);
    }
    agent.open_channel();
    agent.run();
    match &agent.machine {
        Some(machine) => power::power_off(machine),
        None => unreachable!("PID 1 has a machine"),
    }
}

/// What is shown until the host gives the machine its name.
fn set_first_hostname() {
    let configured = std::fs::read("/etc/hostname").unwrap_or_default();
    let name = configured.split(|byte| byte.is_ascii_whitespace()).next().unwrap_or_default();
    let _ = identity::set_hostname(if name.is_empty() { b"sandbox" } else { name });
}

/// The agent holds a few descriptors for every process; what it starts inherits the limit.
pub fn raise_descriptor_limit() {
    const WANTED: libc::rlim_t = 65_536;
    // SAFETY: a valid structure, filled before it is read.
    unsafe {
        let mut limit: libc::rlimit = std::mem::zeroed();
        if libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) == 0 && limit.rlim_cur < WANTED {
            let raised = libc::rlimit { rlim_cur: WANTED, rlim_max: limit.rlim_max.max(WANTED) };
            if libc::setrlimit(libc::RLIMIT_NOFILE, &raised) < 0 {
                limit.rlim_cur = limit.rlim_max.min(WANTED);
                libc::setrlimit(libc::RLIMIT_NOFILE, &limit);
            }
        }
    }
}

/// The end of PID 1 is the end of the kernel: it should at least be known why.
fn report_panics() {
    std::panic::set_hook(Box::new(|info| {
        log::line(&format!("fatal: panic: {info}"));
    }));
}
