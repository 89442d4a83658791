//! Takes leave of the clients that the guest had when its snapshot was taken, and keeps what they started.

use crate::agent::Agent;
use crate::link::LinkKind;

impl Agent {
    /// Drops all sessions but one, with everything that belongs to them. A port stays open, and waits for a handshake:
    /// what still comes from the old host may begin in the middle of a frame.
    pub(super) fn drop_sessions_except(&mut self, kept: u32) {
        let others: Vec<(u32, LinkKind)> =
            self.links.iter().filter(|(&id, _)| id != kept).map(|(&id, link)| (id, link.kind)).collect();
        for (id, kind) in others {
            match kind {
                LinkKind::Socket => self.drop_link(id),
                LinkKind::Port => {
                    self.reset_session(id);
                    if let Some(link) = self.links.get_mut(&id) {
                        link.decoder.hunt();
                    }
                }
            }
        }
    }

    /// Lets every process go on for good. The wait for a client that was lost began with the handshake of this session,
    /// and that client is not coming: it is connected to the other guest.
    pub(super) fn release_processes(&mut self) {
        for exec in self.processes.numbers() {
            self.release(exec);
        }
    }
}
