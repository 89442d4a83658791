//! The method stat: the facts about a file.

use super::entry::entry;
use super::path::absolute;
use crate::agent::Agent;
use crate::error::Outcome;
use crate::numbers::tag;
use crate::record::{Fields, Record};

impl Agent {
    pub fn stat(&mut self, fields: Fields) -> Outcome<Record> {
        let mut path: &[u8] = b"";
        for (tag, value) in fields {
            match tag {
                tag::stat::PATH => path = value,
                // The user does not change the result, but must exist.
                tag::stat::USER => drop(self.settings.account(&mut self.users, value)?),
                _ => {}
            }
        }
        entry(&absolute(path)?, true, &mut self.users)
    }
}
