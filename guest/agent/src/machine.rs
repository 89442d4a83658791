//! The agent's knowledge about the machine whose PID 1 it is.

use std::sync::Arc;

use crate::disks::Disk;
use crate::network::Network;
use crate::volumes::Slot;

/// State that the agent has only as PID 1.
pub struct Machine {
    /// All writable file systems on disks, to be trimmed, frozen, measured and grown.
    pub disks: Vec<Arc<Disk>>,
    /// The disks for volumes.
    pub slots: Vec<Slot>,
    pub applied: Applied,
}

/// The last configuration, which is not applied again when it is the same. A clone of a machine that was configured
/// before its snapshot has most of it already, and under emulation every first use of a part of the kernel is expensive
/// for a clone.
#[derive(Default)]
pub struct Applied {
    pub network: Option<Network>,
    pub process_limit: Option<u64>,
    pub memory_reserve_mb: Option<u64>,
}
