//! The method mkdir, and the owner of created files.

use super::create::{make_directories, Owner, PARENT_MODE};
use crate::agent::Agent;
use crate::error::{Code, Outcome};
use crate::numbers::tag;
use crate::record::{self, Fields, Record};

impl Agent {
    pub fn owner(&mut self, user: &[u8]) -> Outcome<Owner> {
        let account = self.settings.account(&mut self.users, user)?;
        Ok(Owner { uid: account.uid, gid: account.gid })
    }

    pub fn make_directory(&mut self, fields: Fields) -> Outcome<Record> {
        let (mut path, mut mode, mut user): (&[u8], u32, &[u8]) = (b"", 0, b"");
        for (tag, value) in fields {
            match tag {
                tag::mkdir::PATH => path = value,
                tag::mkdir::MODE => mode = record::narrow(value)?,
                tag::mkdir::USER => user = value,
                _ => {}
            }
        }
        let owner = self.owner(user)?;
        let mode = if mode == 0 { PARENT_MODE } else { mode };
        let created = make_directories(path, mode, owner).map_err(|failure| match failure.errno {
            libc::EEXIST => failure.with_code(Code::AlreadyExists),
            _ => failure,
        })?;
        let mut record = Record::new();
        record.flag(tag::mkdir_result::CREATED, created);
        Ok(record)
    }
}
