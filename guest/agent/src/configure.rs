//! The method configure, which gives a clone its identity. Everything is parsed before anything is changed.

use crate::agent::Agent;
use crate::caller::Caller;
use crate::continued::request::Continued;
use crate::error::{Code, Failure, Outcome};
use crate::etc;
use crate::identity;
use crate::limits;
use crate::machine::Applied;
use crate::network::Network;
use crate::numbers::tag;
use crate::record::{self, Fields, Record};
use crate::stream::Begun;
use crate::sys::{clock, machine};
use crate::volumes::Volume;

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
    pub fn configure(&mut self, caller: Caller, fields: Fields) -> Outcome<Begun> {
        let mut identity = Identity::default();
        let (mut env, mut deadline, mut user, mut cwd, mut continued) = (None, None, None, None, None);
        let mut volumes = Vec::new();
        for (tag, value) in fields {
            match tag {
                tag::configure::ENTROPY => identity.entropy = Some(identity::check_entropy(value)?),
                tag::configure::WALL_CLOCK_NS => identity.wall_clock_ns = Some(record::int(value)?),
                tag::configure::HOSTNAME => identity.hostname = Some(identity::check_hostname(value)?),
                tag::configure::MACHINE_ID => identity.machine_id = Some(identity::check_machine_id(value)?),
                tag::configure::ENV => env.get_or_insert_with(Vec::new).push(check_variable(value)?),
                tag::configure::DEADLINE_MS => deadline = Some(record::int(value)?),
                tag::configure::NETWORK => identity.network = Some(Network::parse(value)?),
                tag::configure::HOSTS => identity.hosts.get_or_insert_with(Vec::new).push(value.to_vec()),
                tag::configure::PROCESS_LIMIT => identity.process_limit = Some(record::int(value)?),
                tag::configure::MEMORY_RESERVE_MB => identity.memory_reserve_mb = Some(record::int(value)?),
                tag::configure::DEFAULT_USER => user = Some(value.to_vec()),
                tag::configure::DEFAULT_CWD => cwd = Some(value.to_vec()),
                tag::configure::VOLUME => volumes.push(Volume::parse(value)?),
                tag::configure::BOOT_ID => identity.boot_id = Some(identity::check_boot_id(value)?),
                tag::configure::CONTINUED => continued = Some(Continued::parse(value)?),
                _ => {}
            }
        }
        if continued.is_some() && identity.entropy.is_none() {
            return Err(Failure::invalid("a continued guest needs entropy"));
        }
        if let Some(own) = &mut self.machine {
            identity.apply(&mut own.applied)?;
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
        if !volumes.is_empty() {
            self.mount_volumes(&volumes)?;
        }
        if let Some(ms) = deadline {
            self.set_deadline(ms);
        }
        match continued {
            None => Ok(Begun::Done(Record::new())),
            Some(continued) => self.go_on(caller, &continued),
        }
    }

    fn mount_volumes(&mut self, volumes: &[Volume]) -> Outcome<()> {
        let Some(own) = &mut self.machine else { return Err(Failure::invalid("a process has no volumes")) };
        let owner = self.settings.account(&mut self.users, b"")?;
        for volume in volumes {
            volume.mount(&owner, &mut own.slots, &mut own.disks)?;
        }
        Ok(())
    }

    /// Sets the clock of a machine. Outside a machine the clock belongs to the host, and is left alone.
    pub fn set_clock(&mut self, ns: u64) -> Outcome<()> {
        if self.machine.is_some() {
            clock::set_wall_clock_ns(ns).map_err(|errno| Failure::from(errno).about(b"clock"))?;
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
            clock::set_wall_clock_ns(ns).map_err(named("clock"))?;
        }
        if let Some(entropy) = &self.entropy {
            // A clone whose generator was not seeded anew is of no use, whatever the reason.
            let unseeded = |errno| named("entropy")(errno).with_code(Code::Internal);
            machine::reseed(entropy).map_err(unseeded)?;
        }
        if let Some(hostname) = &self.hostname {
            machine::set_hostname(hostname).map_err(named("hostname"))?;
        }
        if let Some(machine_id) = &self.machine_id {
            etc::set_machine_id(machine_id);
        }
        if let Some(boot_id) = &self.boot_id {
            identity::set_boot_id(boot_id).map_err(named("boot id"))?;
        }
        if let Some(network) = &self.network {
            // An interface may have gone meanwhile, and come back without its address.
            if applied.network.as_ref() != Some(network) || !network.is_there() {
                // When it fails, half of it may have been done.
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
