//! configure: what makes a clone itself. Everything is parsed before anything is changed.

use crate::agent::Agent;
use crate::error::{Failure, Outcome};
use crate::etc;
use crate::identity;
use crate::limits;
use crate::network::Network;
use crate::power::Applied;
use crate::record::{self, Fields, Record};
use crate::sys;

#[derive(Default)]
struct Identity {
    entropy: Option<Vec<u8>>,
    wall_clock_ns: Option<u64>,
    hostname: Option<Vec<u8>>,
    machine_id: Option<Vec<u8>>,
    boot_id: Option<Vec<u8>>,
    network: Option<Network>,
    hosts: Option<Vec<Vec<u8>>>,
    process_limit: Option<u64>,
    memory_reserve_mb: Option<u64>,
}

impl Agent {
    pub fn configure(&mut self, fields: Fields) -> Outcome<Record> {
        let mut identity = Identity::default();
        let (mut env, mut deadline, mut user, mut cwd) = (None, None, None, None);
        for (tag, value) in fields {
            match tag {
                1 => identity.entropy = Some(identity::check_entropy(value)?),
                2 => identity.wall_clock_ns = Some(record::int(value)?),
                3 => identity.hostname = Some(identity::check_hostname(value)?),
                4 => identity.machine_id = Some(identity::check_machine_id(value)?),
                5 => env.get_or_insert_with(Vec::new).push(check_variable(value)?),
                6 => deadline = Some(record::int(value)?),
                7 => identity.network = Some(Network::parse(value)?),
                8 => identity.hosts.get_or_insert_with(Vec::new).push(value.to_vec()),
                9 => identity.process_limit = Some(record::int(value)?),
                10 => identity.memory_reserve_mb = Some(record::int(value)?),
                11 => user = Some(value.to_vec()),
                12 => cwd = Some(value.to_vec()),
                13 => identity.boot_id = Some(identity::check_boot_id(value)?),
                _ => {}
            }
        }
        if let Some(machine) = &mut self.machine {
            identity.apply(&mut machine.applied)?;
        }
        if let Some(env) = env {
            self.settings.env = env;
        }
        if let Some(user) = user {
            self.settings.default_user = user;
        }
        if let Some(cwd) = cwd {
            self.settings.default_cwd = cwd;
        }
        if let Some(ms) = deadline {
            self.set_deadline(ms);
        }
        Ok(Record::new())
    }

    /// The clock of a host the agent only visits is not its own to set.
    pub fn set_clock(&mut self, ns: u64) -> Outcome<()> {
        if self.machine.is_some() {
            sys::set_wall_clock_ns(ns).map_err(|errno| Failure::from(errno).about(b"clock"))?;
        }
        Ok(())
    }
}

fn check_variable(variable: &[u8]) -> Outcome<Vec<u8>> {
    match variable.iter().position(|&byte| byte == b'=') {
        Some(1..) if !variable.contains(&0) => Ok(variable.to_vec()),
        _ => Err(Failure::invalid("an environment entry is not NAME=value")),
    }
}

impl Identity {
    fn apply(&self, applied: &mut Applied) -> Outcome<()> {
        let named = |step: &'static str| move |errno| Failure::from(errno).about(step.as_bytes());
        if let Some(ns) = self.wall_clock_ns {
            sys::set_wall_clock_ns(ns).map_err(named("clock"))?;
        }
        if let Some(entropy) = &self.entropy {
            identity::reseed(entropy).map_err(named("entropy"))?;
        }
        if let Some(hostname) = &self.hostname {
            identity::set_hostname(hostname).map_err(named("hostname"))?;
        }
        if let Some(machine_id) = &self.machine_id {
            etc::set_machine_id(machine_id);
        }
        if let Some(boot_id) = &self.boot_id {
            identity::set_boot_id(boot_id).map_err(named("boot id"))?;
        }
        if let Some(network) = &self.network {
            // An interface may have gone meanwhile, and come again without what it had.
            if applied.network.as_ref() != Some(network) || !network.is_there() {
                // Half of it may have been done when it fails.
                applied.network = None;
                network.apply()?;
                applied.network = Some(network.clone());
            }
        }
        if let Some(hosts) = &self.hosts {
            etc::set_hosts(hosts);
        }
        limits::apply(self.process_limit, self.memory_reserve_mb, applied)
    }
}
