//! Goes from the first instruction in user space to a serving agent: see BOOT.md.

mod command_line;
mod modules;
mod mounts;
mod on_demand;
mod root;
mod step;
mod tunables;

use crate::agent::{Agent, DESCRIPTORS};
use crate::channel::Channel;
use crate::machine::{Applied, Machine};
use crate::sys::{machine, process};
use crate::volumes::Slot;
use crate::{etc, identity, limits, log, network, power};

use command_line::{ChannelKind, CommandLine};
use step::{fatal, Fatal, Step};

/// Runs as PID 1, and ends with the machine.
pub fn run() -> ! {
    report_panics();
    match serve() {
        Ok(never) => match never {},
        Err(Fatal { step, reason }) => {
            log::line(&format!("fatal: {step}: {reason}"));
            power::turn_off()
        }
    }
}

fn serve() -> Step<std::convert::Infallible> {
    process::set_umask(0o022);
    mounts::early()?;
    log::use_kernel_log();
    let options = CommandLine::read()?;
    modules::load_all()?;
    let root = root::set_up(&options)?;
    mounts::late(&options)?;
    identity::prepare().map_err(fatal("identity"))?;
    let is_read_only = machine::file_system_at(c"/").is_ok_and(|root| root.is_read_only);
    etc::prepare(is_read_only, root.own_resolv_conf).map_err(fatal("files of /etc"))?;
    on_demand::make_devices();
    tunables::raise_watches();
    limits::enter_group();
    network::bring_up_loopback();
    process::raise_descriptor_limit(DESCRIPTORS);
    set_first_hostname();

    let channel = match options.channel {
        ChannelKind::Serial => Channel::serial(),
        ChannelKind::Vsock(port) => Channel::vsock(port),
    };
    let slots = options.volumes.iter().map(|device| Slot::new(device)).collect();
    let machine = Machine { disks: root.disks, slots, applied: Applied::default() };
    let mut agent = Agent::new(channel.map_err(fatal("channel"))?, Some(machine)).map_err(fatal("start"))?;
    agent.processes.protect_agent().map_err(fatal("oom_score_adj"))?;
    if let Some(ms) = options.deadline_ms {
        agent.set_deadline(ms);
    }
    agent.open_channel();
    agent.run();
    match &agent.machine {
        Some(machine) => power::power_off(&machine.disks),
        None => unreachable!("PID 1 has a machine"),
    }
}

/// Sets the name that is used until the host gives the machine its own.
fn set_first_hostname() {
    let configured = std::fs::read("/etc/hostname").unwrap_or_default();
    let name = configured.split(u8::is_ascii_whitespace).next().unwrap_or_default();
    let _ = machine::set_hostname(if name.is_empty() { b"sandbox" } else { name });
}

/// Logs panics: the kernel ends with PID 1, and the reason should be known.
fn report_panics() {
    std::panic::set_hook(Box::new(|info| {
        log::line(&format!("fatal: panic: {info}"));
    }));
}
