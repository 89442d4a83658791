//! Accounts of /etc/passwd and /etc/group. The agent reads the files itself: the functions of the C library load
//! modules at run time, which a static program cannot do. A file is parsed again only when it has changed.

use std::ffi::CStr;
use std::rc::Rc;

use crate::error::{Code, Failure, Outcome};
use crate::sys::{self, paths};

const LARGEST: usize = 4 << 20;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    pub name: Vec<u8>,
    pub uid: u32,
    pub gid: u32,
    pub home: Vec<u8>,
    pub shell: Vec<u8>,
}

struct Group {
    name: Vec<u8>,
    gid: u32,
    members: Vec<Vec<u8>>,
}

/// Distinguishes versions of a file.
#[derive(PartialEq, Eq, Clone, Copy, Default)]
struct Stamp(u64, u64, i64, i64, i64, i64);

struct Cached<T> {
    stamp: Stamp,
    entries: Vec<T>,
}

impl<T> Default for Cached<T> {
    fn default() -> Self {
        Cached { stamp: Stamp::default(), entries: Vec::new() }
    }
}

#[derive(Default)]
pub struct Users {
    accounts: Cached<Rc<Account>>,
    groups: Cached<Group>,
}

fn stamp_of(path: &CStr) -> Stamp {
    paths::stat(path).map_or(Stamp::default(), |stat| {
        Stamp(stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime, stat.st_mtime_nsec, stat.st_ctime_nsec)
    })
}

impl<T> Cached<T> {
    fn refresh(&mut self, path: &CStr, parse: impl Fn(&mut dyn Iterator<Item = &[u8]>) -> Option<T>) -> &[T] {
        let stamp = stamp_of(path);
        if stamp != self.stamp {
            let content = sys::read_small(path, (stamp.2 as usize).min(LARGEST)).unwrap_or_default();
            let lines = content.split(|&byte| byte == b'\n');
            self.entries = lines.filter_map(|line| parse(&mut line.split(|&byte| byte == b':'))).collect();
            self.stamp = stamp;
        }
        &self.entries
    }
}

fn number(text: &[u8]) -> Option<u32> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

fn parse_account(fields: &mut dyn Iterator<Item = &[u8]>) -> Option<Rc<Account>> {
    let name = fields.next()?.to_vec();
    let uid = number(fields.nth(1)?)?;
    let gid = number(fields.next()?)?;
    let home = fields.nth(1)?.to_vec();
    let shell = fields.next().unwrap_or(b"/bin/sh").to_vec();
    Some(Rc::new(Account { name, uid, gid, home, shell }))
}

fn parse_group(fields: &mut dyn Iterator<Item = &[u8]>) -> Option<Group> {
    let name = fields.next()?.to_vec();
    let gid = number(fields.nth(1)?)?;
    let members = fields.next().unwrap_or_default().split(|&byte| byte == b',');
    Some(Group { name, gid, members: members.filter(|member| !member.is_empty()).map(<[u8]>::to_vec).collect() })
}

impl Users {
    fn accounts(&mut self) -> &[Rc<Account>] {
        self.accounts.refresh(c"/etc/passwd", parse_account)
    }

    fn groups(&mut self) -> &[Group] {
        self.groups.refresh(c"/etc/group", parse_group)
    }

    /// Finds an account by name or number. A number without an entry gives an account of that number.
    pub fn find(&mut self, user: &[u8]) -> Outcome<Rc<Account>> {
        if let Some(account) = self.accounts().iter().find(|account| account.name == user) {
            return Ok(account.clone());
        }
        match number(user) {
            Some(uid) => Ok(self.by_uid(uid)),
            None => Err(Failure::new(Code::Unauthenticated, "no such user").about(user)),
        }
    }

    pub fn by_uid(&mut self, uid: u32) -> Rc<Account> {
        match self.accounts().iter().find(|account| account.uid == uid) {
            Some(account) => account.clone(),
            None => Rc::new(Account {
                name: uid.to_string().into_bytes(),
                uid,
                gid: uid,
                home: if uid == 0 { b"/root".to_vec() } else { b"/".to_vec() },
                shell: b"/bin/sh".to_vec(),
            }),
        }
    }

    /// Gives the groups of an account: its own first, then those that list it.
    pub fn groups_of(&mut self, account: &Account) -> Vec<libc::gid_t> {
        let mut gids = vec![account.gid];
        for group in self.groups() {
            if group.gid != account.gid && group.members.contains(&account.name) {
                gids.push(group.gid);
            }
        }
        gids
    }

    pub fn group_name(&mut self, gid: u32) -> Vec<u8> {
        match self.groups().iter().find(|group| group.gid == gid) {
            Some(group) => group.name.clone(),
            None => gid.to_string().into_bytes(),
        }
    }
}
