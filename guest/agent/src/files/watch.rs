//! The method watch: changes in a directory, and on request in all directories below it. Each stream has an inotify
//! descriptor. A tree is walked a few directories at a time, so that a large one does not hold up other streams.

use super::path::absolute;
use super::watching::{Shortage, Watching};
use crate::agent::Agent;
use crate::caller::Caller;
use crate::error::{Code, Failure, Outcome};
use crate::numbers::{message, tag};
use crate::poll::{Token, Watched, IN};
use crate::record::{self, Fields, Record};
use crate::stream::{Begun, Stream, Work};
use crate::sys::{events, Errno};

/// The most watches. The kernel gives a user 128 of them, and processes in the guest need some too.
const MOST_WATCHES: usize = 64;
const FOLDERS_AT_ONCE: usize = 64;

impl Agent {
    pub fn watch(&mut self, caller: Caller, fields: Fields) -> Outcome<Begun> {
        let (mut path, mut recursive): (&[u8], bool) = (b"", false);
        for (tag, value) in fields {
            match tag {
                tag::watch::PATH => path = value,
                tag::watch::RECURSIVE => recursive = record::flag(value)?,
                tag::watch::USER => drop(self.settings.account(&mut self.users, value)?),
                _ => {}
            }
        }
        let streams = self.links.values().flat_map(|link| link.streams.values());
        if streams.filter(|stream| matches!(stream.work, Work::Watch(_))).count() >= MOST_WATCHES {
            return Err(Failure::new(Code::ResourceExhausted, "too many watches"));
        }
        absolute(path)?;
        let inotify = match events::new_inotify() {
            Err(Errno(libc::EMFILE)) => return Err(self.tell_shortage(caller, Shortage::Instances)),
            result => result?,
        };
        let inotify = Watched::new(inotify, Token::Stream(caller.link, caller.stream));
        let watching = match Watching::new(inotify, path, recursive)? {
            Err(shortage) => return Err(self.tell_shortage(caller, shortage)),
            Ok(watching) => watching,
        };
        Ok(Begun::Running(Work::Watch(Box::new(watching))))
    }

    fn tell_shortage(&mut self, caller: Caller, shortage: Shortage) -> Failure {
        if let Some(link) = self.links.get_mut(&caller.link) {
            link.outbox.message(caller.stream, message::OVERFLOW, &shortage.record());
        }
        // This is for hosts that do not know the message. It has no errno, because that of a full disk would be
        // misread.
        Failure::new(Code::ResourceExhausted, "the guest's limit of inotify is reached")
    }

    /// Tells of the changes that have happened until now. The answer to a ping comes after them, although the loop may
    /// learn of the ping first: a host that pings knows all changes that a call before has made.
    pub fn tell_changes(&mut self, id: u32) {
        let Some(link) = self.links.get(&id) else { return };
        let is_watch = |stream: &Stream| matches!(stream.work, Work::Watch(_));
        let watches: Vec<u32> =
            link.streams.iter().filter(|(_, stream)| is_watch(stream)).map(|(&number, _)| number).collect();
        for number in watches {
            self.advance_watch(id, number);
        }
    }

    pub fn advance_watch(&mut self, id: u32, number: u32) {
        let Some(link) = self.links.get_mut(&id) else { return };
        let Some(stream) = link.streams.get_mut(&number) else { return };
        let Work::Watch(watching) = &mut stream.work else { return };
        for _ in 0..FOLDERS_AT_ONCE {
            let Some(pending) = watching.pending.pop_front() else { break };
            watching.enter(pending, number, &mut link.outbox);
        }
        let may_tell = watching.pending.is_empty() && !link.outbox.is_full();
        if may_tell && !watching.announced {
            watching.announced = true;
            link.outbox.message(number, message::WATCHING, &Record::new());
        }
        if may_tell && watching.read(number, &mut link.outbox, &mut self.scratch) {
            return self.finish_stream(id, number, Ok(Record::new()));
        }
        let go_on = watching.pending.is_empty() && !link.outbox.is_full();
        watching.inotify.watch(&self.poller, if go_on { IN } else { 0 });
        if !go_on {
            link.waiting.insert(number);
        }
    }
}
