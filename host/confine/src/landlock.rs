//! Applies Landlock, where the kernel has it: rights on the files that the program sees. It restricts more than the
//! mounts do: the program cannot make links and devices, run a file that is not a program, or reach other processes by
//! signals or abstract sockets.

use std::fs::{metadata, OpenOptions};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use libc::c_long;

use crate::plan::{Plan, Use};
use crate::sys::{check, failed, Failure};

const EXECUTE: u64 = 1;
const WRITE_FILE: u64 = 1 << 1;
const READ_FILE: u64 = 1 << 2;
const READ_DIR: u64 = 1 << 3;
const REMOVE_DIR: u64 = 1 << 4;
const REMOVE_FILE: u64 = 1 << 5;
const MAKE_DIR: u64 = 1 << 7;
const MAKE_REG: u64 = 1 << 8;
const MAKE_SOCK: u64 = 1 << 9;
const TRUNCATE: u64 = 1 << 14;
const IOCTL_DEV: u64 = 1 << 15;

const ON_FILES: u64 = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE | IOCTL_DEV;
/// Abstract sockets and signals of processes outside.
const SCOPES: u64 = 0b11;

const CREATE_RULESET: c_long = 444;
const ADD_RULE: c_long = 445;
const RESTRICT_SELF: c_long = 446;
const VERSION: u32 = 1;
const PATH_BENEATH: u32 = 1;

/// All rights that a version of Landlock knows.
const fn known(version: c_long) -> u64 {
    match version {
        1 => (1 << 13) - 1,
        2 => (1 << 14) - 1,
        3 | 4 => (1 << 15) - 1,
        _ => (1 << 16) - 1,
    }
}

#[repr(C)]
struct Handled {
    files: u64,
    network: u64,
    scopes: u64,
}

#[repr(C, packed)]
struct PathBeneath {
    allowed: u64,
    parent: i32,
}

pub struct Rules(OwnedFd);

/// Makes the rules while root can still open the files; `None` where the kernel has no Landlock.
pub fn rules(plan: &Plan) -> Result<Option<Rules>, Failure> {
    // SAFETY: The call only asks for the version.
    let version = unsafe { libc::syscall(CREATE_RULESET, 0, 0, VERSION) };
    if version < 1 {
        return Ok(None);
    }
    let handled = Handled { files: known(version), network: 0, scopes: if version < 6 { 0 } else { SCOPES } };
    // Older kernels expect only the parts that they know.
    let size = match version {
        1..=3 => 8,
        4 | 5 => 16,
        _ => 24,
    };
    // SAFETY: The pointer is to at least `size` bytes.
    let descriptor = check(unsafe { libc::syscall(CREATE_RULESET, &handled, size, 0) }, "making Landlock's rules")?;
    // SAFETY: The descriptor has just been opened, and nobody else owns it.
    let rules = Rules(unsafe { OwnedFd::from_raw_fd(descriptor as i32) });
    for each in &plan.visible {
        rules.allow(&each.path, rights(each.how) & known(version))?;
    }
    if plan.pid_to.is_some() {
        rules.allow(Path::new("/proc"), READ_FILE | READ_DIR)?;
    }
    Ok(Some(rules))
}

const fn rights(how: Use) -> u64 {
    match how {
        Use::Program => EXECUTE | READ_FILE | READ_DIR,
        Use::Read => READ_FILE | READ_DIR,
        Use::Device => READ_FILE | WRITE_FILE | IOCTL_DEV,
        Use::Write => {
            READ_FILE | READ_DIR | WRITE_FILE | TRUNCATE | MAKE_REG | MAKE_SOCK | MAKE_DIR | REMOVE_FILE | REMOVE_DIR
        }
    }
}

impl Rules {
    fn allow(&self, path: &Path, rights: u64) -> Result<(), Failure> {
        let doing = format!("allowing {}", path.display());
        let file = OpenOptions::new().read(true).custom_flags(libc::O_PATH).open(path).map_err(failed(&doing))?;
        let is_dir = metadata(path).map_err(failed(&doing))?.is_dir();
        let rule = PathBeneath { allowed: if is_dir { rights } else { rights & ON_FILES }, parent: file.as_raw_fd() };
        // SAFETY: The rule has the kernel's layout and outlives the call.
        check(unsafe { libc::syscall(ADD_RULE, self.0.as_raw_fd(), PATH_BENEATH, &rule, 0) }, &doing).map(drop)
    }

    /// Applies the rules to this process and all its children.
    pub fn apply(self) -> Result<(), Failure> {
        // SAFETY: The call takes no pointers.
        check(unsafe { libc::syscall(RESTRICT_SELF, self.0.as_raw_fd(), 0) }, "applying Landlock's rules").map(drop)
    }
}
