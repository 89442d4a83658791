//! The host's configuration for every process.

use std::rc::Rc;

use crate::error::Outcome;
use crate::sys::process;
use crate::users::{Account, Users};

#[derive(Default)]
pub struct Settings {
    /// `NAME=value`, before the call's own.
    pub env: Vec<Vec<u8>>,
    /// Empty means the user that the agent runs as.
    pub default_user: Vec<u8>,
    /// Empty means the home of the user.
    pub default_cwd: Vec<u8>,
}

impl Settings {
    /// Gives the account that a call is for.
    pub fn account(&self, users: &mut Users, user: &[u8]) -> Outcome<Rc<Account>> {
        match (user, self.default_user.as_slice()) {
            (b"", b"") => Ok(users.by_uid(process::user_id())),
            (b"", configured) => users.find(configured),
            (user, _) => users.find(user),
        }
    }
}
