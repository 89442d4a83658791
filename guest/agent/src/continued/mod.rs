//! A guest goes on from a snapshot of a guest that ran: the memory holds the sessions, connections and
//! programs of that one, which may go on too.

mod connections;
mod generation;
mod hooks;
pub mod request;
mod sessions;

use crate::agent::Agent;
use crate::caller::Caller;
use crate::error::Outcome;
use crate::exec::hooking::Hooking;
use crate::numbers::tag;
use crate::record::Record;
use crate::stream::{Begun, Work};

use request::Continued;

impl Agent {
    /// The last part of `configure`, when the guest has its clock, its seed and its identity. Connections are cut
    /// before the generation changes, because programs that watch it make new ones.
    pub fn go_on(&mut self, caller: Caller, continued: &Continued) -> Outcome<Begun> {
        self.drop_sessions_except(caller.link);
        self.release_processes();
        let mut confirmation = Record::new();
        confirmation.bytes(tag::configure_result::GENERATION, &continued.generation);
        if self.machine.is_none() {
            return Ok(Begun::Done(confirmation));
        }
        if continued.cut_connections {
            connections::cut()?;
        }
        generation::set(&continued.generation)?;
        let programs = hooks::find()?;
        if programs.is_empty() {
            return Ok(Begun::Done(confirmation));
        }
        let hooking = Hooking::new(programs, continued.variables(), confirmation);
        Ok(Begun::Running(Work::Hooks(Box::new(hooking))))
    }
}
