//! Processes that the agent runs for itself: no list shows them, and no client attaches to them.

use crate::caller::Caller;

/// The purpose that a process is run for, and the request that waits for its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Errand {
    /// It is traced, and runs only so that its files are read into memory.
    Warm(Caller),
    /// It tells the programs of the guest that their memory goes on elsewhere.
    Hook(Caller),
}
