//! What the host has configured for every process.

use std::rc::Rc;

use crate::error::Outcome;
use crate::users::{Account, Users};

#[derive(Default)]
pub struct Settings {
    /// `NAME=value`, before the call's own.
    pub env: Vec<Vec<u8>>,
    /// Empty: whoever the agent runs as.
    pub default_user: Vec<u8>,
    /// Empty: the user's home.
    pub default_cwd: Vec<u8>,
}

impl Settings {
    /// The account a call is for.
    pub fn account(&self, users: &mut Users, user: &[u8]) -> Outcome<Rc<Account>> {
        match (user, self.default_user.as_slice()) {
            // SAFETY: no arguments.
            (b"", b"") => Ok(users.by_uid(unsafe { libc::geteuid() })),
            (b"", configured) => users.find(configured),
            (user, _) => users.find(user),
        }
    }
}
