//! Moves output from pipes into rings, and from rings to the attached streams. A pipe is read only while every attached
//! stream has received everything and could take more, so that the slowest reader holds the process back as a full pipe
//! would.

use super::process::Process;
use crate::agent::{Agent, SCRATCH};
use crate::caller::Caller;
use crate::frame::MAX_DATA;
use crate::numbers::channel;
use crate::poll::{Poller, Watched, HUP, IN, OUT};
use crate::sys::{self, Errno};

/// The channels of a process without a terminal.
const OUTPUTS: [u8; 2] = [channel::STDOUT, channel::STDERR];

impl Agent {
    pub fn on_process_event(&mut self, exec: u64, channel: u8, flags: u32) {
        // The agent waits for room only where input goes: stdin, or a terminal, which is one descriptor for both
        // directions.
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

    /// Sends unsent output to the attached streams, as far as they can take it, and the EXIT record at the end.
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
                let channel_on_wire = if process.is_pty { channel::PTY } else { OUTPUTS[side] };
                while *position < channel.ring.total() && credit > 0 && !link.outbox.is_full() {
                    let piece = channel.ring.from(*position);
                    let most = piece.len().min(MAX_DATA).min(usize::try_from(credit).unwrap_or(usize::MAX));
                    if most == 0 {
                        // Those bytes have been dropped in the meantime, so the stream continues with the oldest byte
                        // that is kept.
                        *position = channel.ring.oldest();
                        continue;
                    }
                    link.outbox.data(number, channel_on_wire, &piece[..most]);
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
                        link.outbox.result(number, &record);
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

    /// Reads one output; true when there is something new to send, which may be the end.
    fn read(&mut self, side: usize, flags: u32, scratch: &mut [u8]) -> bool {
        let is_pty = self.is_pty;
        let runs_on = self.ended.is_none();
        let channel = &mut self.channels[side];
        let Some(source) = &channel.source else { return false };
        let most = channel.last_bytes.unwrap_or(SCRATCH).min(SCRATCH);
        if flags & IN == 0 {
            // All writers have gone, and the pipe is empty.
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
                // No writer is left, and the pipe gave less than was asked for, so it is empty. (A terminal may give
                // less at any time.)
                let drained = flags & HUP != 0 && count < most && !is_pty;
                if drained || channel.last_bytes == Some(0) {
                    channel.source = None;
                }
                true
            }
            Err(Errno(libc::EAGAIN | libc::EINTR)) => false,
            // A terminal that nobody holds open any more fails where a pipe would end.
            Ok(_) | Err(_) => {
                let source = channel.source.take();
                self.keep_terminal(source, runs_on);
                true
            }
        }
    }

    /// Keeps the agent's side of a terminal until the process has ended: closing it would hang up on a process that
    /// has closed its own side and is about to end.
    fn keep_terminal(&mut self, source: Option<Watched>, runs_on: bool) {
        if self.is_pty && runs_on {
            self.terminal = source;
        }
    }
}
