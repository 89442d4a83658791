//! Works out beforehand what a start needs: the user, the folder, the program and its arguments.

use std::ffi::CString;
use std::os::fd::RawFd;
use std::rc::Rc;

use super::environment::{self, Strings};
use super::request::Request;
use super::spawn::{Child, Spawner, Stage};
use crate::error::{Code, Failure, Outcome};
use crate::settings::Settings;
use crate::sys::{process, signals, Errno};
use crate::users::{Account, Users};

pub struct Plan {
    pub account: Rc<Account>,
    pub cwd: Vec<u8>,
    cwd_is_optional: bool,
    arguments: Strings,
    environment: Strings,
    candidates: Strings,
    program: Vec<u8>,
    /// The user's groups, when the agent has to become that user.
    groups: Option<Vec<libc::gid_t>>,
}

/// How a process is tied to the agent beyond being its child.
#[derive(Debug, Clone, Copy)]
pub struct Relation {
    /// Its stdin is its controlling terminal.
    pub terminal: bool,
    /// It dies with the agent.
    pub bound: bool,
    /// The agent is its tracer.
    pub traced: bool,
}

impl Plan {
    pub fn new(users: &mut Users, settings: &Settings, request: &Request) -> Outcome<Self> {
        let account = settings.account(users, &request.user)?;
        let groups = match (process::user_id(), account.uid) {
            (own, wanted) if own == wanted => None,
            (0, _) => Some(users.groups_of(&account)),
            _ => {
                let failure = Failure::new(Code::PermissionDenied, "only a superuser can run as another user");
                return Err(failure.about(&account.name));
            }
        };
        let (cwd, cwd_is_optional) = match (request.cwd.as_slice(), settings.default_cwd.as_slice()) {
            (b"", b"") => (account.home.as_slice(), true),
            (b"", configured) => (configured, false),
            (wanted, _) => (wanted, false),
        };
        let mut arguments = Strings::default();
        for argument in &request.argv {
            arguments.push(&[argument])?;
        }
        let (environment, path) = environment::build(&account, [&settings.env, &request.env])?;
        let candidates = environment::candidates(&request.argv[0], path)?;
        Ok(Plan {
            cwd: cwd.to_vec(),
            cwd_is_optional,
            arguments,
            environment,
            candidates,
            program: request.argv[0].clone(),
            groups,
            account,
        })
    }

    pub fn program(&self) -> &[u8] {
        &self.program
    }

    pub fn launch(
        &mut self,
        spawner: &mut Spawner,
        stdio: [RawFd; 3],
        relation: Relation,
    ) -> Result<i32, (Stage, Errno)> {
        let mut argv = self.arguments.pointers();
        argv.insert(0, std::ptr::null());
        let (envp, candidates) = (self.environment.pointers(), self.candidates.pointers());
        let cwd = CString::new(self.cwd.as_slice()).map_err(|_| (Stage::WorkingDirectory, Errno(libc::EINVAL)))?;
        let signals = signals::none();
        let mut child = Child::new(&mut argv, &envp, &candidates, &cwd, stdio, &signals);
        child.cwd_is_optional = self.cwd_is_optional;
        child.terminal = relation.terminal;
        child.bound = relation.bound;
        child.traced = relation.traced;
        child.identity = self.groups.as_ref().map(|groups| (self.account.uid, self.account.gid, groups.as_slice()));
        spawner.spawn(&mut child)
    }
}
