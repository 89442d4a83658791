//! Output: from pipes into rings, from rings to those attached. A pipe is only read while everyone attached has all there
//! is and could take more, so the slowest reader holds the process back as a full pipe would.

use super::Process;
use crate::agent::{Agent, SCRATCH};
use crate::dispatch::Caller;
use crate::frame::MAX_DATA;
use crate::poll::{Poller, Watched, HUP, IN, OUT};
use crate::sys::{self, Errno};

impl Agent {
    pub fn on_process_event(&mut self, exec: u64, channel: u8, flags: u32) {
        // Room is only asked for where input goes: stdin, or a terminal, which is one descriptor for both directions.
        if channel == 0 || flags & OUT != 0 {
            self.on_input_room(exec);
        }
        if channel == 0 || flags & !OUT == 0 {
            return;
        }
        let Some(process) = self.processes.all.get_mut(&exec) else { return };
        if process.read(usize::from(channel) - 1, flags, &mut self.scratch) {
            self.pump(exec);
            self.retire_if_finished(exec);
        }
    }

    /// Sends what those attached have not been sent yet, as far as they can take it, and the EXIT record at the end.
    pub fn pump(&mut self, exec: u64) {
        let Some(process) = self.processes.all.get_mut(&exec) else { return };
        let finished = process.is_finished();
        let mut may_read = process.orphaned.is_none();
        let mut at = 0;
        while at < process.attachments.len() {
            let attachment = &mut process.attachments[at];
            let Caller { link, stream: number } = attachment.caller;
            let Some(link) = self.links.get_mut(&link) else {
                process.attachments.swap_remove(at);
                continue;
            };
            let mut credit = link.streams.get(&number).map_or(0, |stream| stream.credit);
            let mut has_all = true;
            for (side, channel) in process.channels.iter().enumerate() {
                let position = &mut attachment.position[side];
                let number_on_wire = if process.is_pty { 3 } else { side as u8 + 1 };
                while *position < channel.ring.total() && credit > 0 && !link.outbox.is_full() {
                    let piece = channel.ring.from(*position);
                    let most = piece.len().min(MAX_DATA).min(usize::try_from(credit).unwrap_or(usize::MAX));
                    if most == 0 {
                        // Forgotten in the meantime: go on with the oldest there is.
                        *position = channel.ring.oldest();
                        continue;
                    }
                    link.outbox.data(number, number_on_wire, &piece[..most]);
                    *position += most as u64;
                    credit -= most as u64;
                }
                has_all &= *position == channel.ring.total();
            }
            if let Some(stream) = link.streams.get_mut(&number) {
                stream.credit = credit;
            }
            if has_all && finished {
                if link.streams.remove(&number).is_some() {
                    link.waiting.remove(&number);
                    if let Some(record) = process.exit_record(exec) {
                        let link = self.links.get_mut(&process.attachments[at].caller.link);
                        link.into_iter().for_each(|link| link.outbox.result(number, &record));
                    }
                }
                process.attachments.swap_remove(at);
                continue;
            }
            if link.outbox.is_full() {
                link.waiting.insert(number);
                may_read = false;
            }
            may_read &= has_all && credit > 0;
            at += 1;
        }
        for side in 0..2 {
            process.watch_output(side, may_read, &self.poller);
        }
        if process.forgotten && process.attachments.is_empty() {
            self.processes.all.remove(&exec);
        }
    }
}

impl Process {
    fn watch_output(&mut self, side: usize, may_read: bool, poller: &Poller) {
        let writes = self.is_pty && side == 0 && self.input.wants_room();
        if let Some(terminal) = &mut self.terminal {
            terminal.watch(poller, 0);
        }
        if let Some(source) = &mut self.channels[side].source {
            source.watch(poller, if may_read { IN } else { 0 } | if writes { OUT } else { 0 });
        }
    }

    /// Takes output of one side; true when there is something new to tell, the end included.
    fn read(&mut self, side: usize, flags: u32, scratch: &mut [u8]) -> bool {
        let is_pty = self.is_pty;
        let runs_on = self.ended.is_none();
        let channel = &mut self.channels[side];
        let Some(source) = &channel.source else { return false };
        let most = channel.last_bytes.unwrap_or(SCRATCH).min(SCRATCH);
        if flags & IN == 0 {
            // All writers have gone and nothing is left in the pipe.
            let source = channel.source.take();
            self.keep_terminal(source, runs_on);
            return true;
        }
        match sys::read(source.raw(), &mut scratch[..most]) {
            Ok(count) if count > 0 => {
                channel.ring.push(&scratch[..count]);
                if let Some(left) = &mut channel.last_bytes {
                    *left -= count;
                }
                // No writer is left and the pipe gave less than was asked for: it is empty. (A terminal gives less
                // whenever it likes.)
                let drained = flags & HUP != 0 && count < most && !is_pty;
                if drained || channel.last_bytes == Some(0) {
                    channel.source = None;
                }
                true
            }
            Err(Errno(libc::EAGAIN | libc::EINTR)) => false,
            // A terminal nobody holds open any more fails instead of ending.
            Ok(_) | Err(_) => {
                let source = channel.source.take();
                self.keep_terminal(source, runs_on);
                true
            }
        }
    }

    /// Closing our side of a terminal hangs up on a process that has closed its own and is about to end: it is kept until it has ended.
    fn keep_terminal(&mut self, source: Option<Watched>, runs_on: bool) {
        if self.is_pty && runs_on {
            self.terminal = source;
        }
    }
}
