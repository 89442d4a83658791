//! The methods info and metrics: what the guest reports about itself.

use crate::agent::Agent;
use crate::error::Outcome;
use crate::numbers::tag;
use crate::record::Record;
use crate::sys::{self, clock, machine};
use crate::{identity, metrics};

/// Counts the processes in the group of the agent's children, without the agent. Outside a machine, counts those that
/// it has started.
fn process_count(agent: &Agent) -> u64 {
    match sys::read_small(c"/sys/fs/cgroup/nova/cgroup.procs", 1 << 20) {
        Ok(list) if agent.machine.is_some() => {
            (list.iter().filter(|&&byte| byte == b'\n').count() as u64).saturating_sub(1)
        }
        _ => agent.processes.running_groups().count() as u64,
    }
}

impl Agent {
    pub fn info() -> Outcome<Record> {
        let names = machine::names()?;
        let mut record = Record::new();
        record
            .text(tag::info_result::AGENT_VERSION, env!("CARGO_PKG_VERSION"))
            .bytes(tag::info_result::KERNEL_RELEASE, &names.kernel_release)
            .bytes(tag::info_result::HOSTNAME, &names.hostname)
            .bytes(tag::info_result::BOOT_ID, &identity::boot_id())
            .bytes(tag::info_result::MACHINE_ID, &identity::machine_id())
            .int(tag::info_result::PID, std::process::id().into())
            .int(tag::info_result::UPTIME_MS, clock::uptime_ms())
            .bytes(tag::info_result::ARCH, &names.architecture)
            .int(tag::info_result::WALL_CLOCK_NS, clock::wall_clock_ns())
            .flag(tag::info_result::ROOT_READ_ONLY, machine::file_system_at(c"/").is_ok_and(|root| root.is_read_only));
        Ok(record)
    }

    pub fn metrics(&mut self) -> Outcome<Record> {
        let (cpu, memory) = (metrics::cpu(), metrics::memory());
        let disk = machine::file_system_at(c"/").ok();
        let (disk_total, disk_used) = disk.map_or((0, 0), |disk| (disk.total_bytes, disk.used_bytes));
        let (received, sent) = metrics::traffic();
        let mut record = Record::new();
        record
            .int(tag::metrics_result::CPU_COUNT, cpu.count)
            .int(tag::metrics_result::CPU_USER_US, cpu.user_us)
            .int(tag::metrics_result::CPU_SYSTEM_US, cpu.system_us)
            .int(tag::metrics_result::CPU_IDLE_US, cpu.idle_us)
            .int(tag::metrics_result::MEM_TOTAL_BYTES, memory.total)
            .int(tag::metrics_result::MEM_AVAILABLE_BYTES, memory.available)
            .int(tag::metrics_result::MEM_CACHE_BYTES, memory.cache)
            .int(tag::metrics_result::DISK_TOTAL_BYTES, disk_total)
            .int(tag::metrics_result::DISK_USED_BYTES, disk_used)
            .int(tag::metrics_result::PROCESSES, process_count(self))
            .int(tag::metrics_result::NET_RX_BYTES, received)
            .int(tag::metrics_result::NET_TX_BYTES, sent)
            .int(tag::metrics_result::UPTIME_MS, clock::uptime_ms())
            .int(tag::metrics_result::LOAD1_MILLI, metrics::load_milli())
            .int(tag::metrics_result::AGENT_RSS_BYTES, metrics::own_memory())
            .int(tag::metrics_result::WALL_CLOCK_NS, clock::wall_clock_ns())
            .int(tag::metrics_result::OOM_KILLS, metrics::oom_kills());
        for disk in self.machine.iter().flat_map(|machine| &machine.disks) {
            // A volume that the guest has unmounted and destroyed has no numbers.
            let Ok(found) = machine::file_system_of(&disk.root) else { continue };
            let mut one = Record::new();
            one.text(tag::disk::PATH, &disk.path)
                .int(tag::disk::TOTAL_BYTES, found.total_bytes)
                .int(tag::disk::FREE_BYTES, found.free_bytes)
                .int(tag::disk::FREE_INODES, found.free_inodes);
            record.record(tag::metrics_result::DISK, &one);
        }
        Ok(record)
    }
}
