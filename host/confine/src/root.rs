//! Builds a root that contains only what the program may use.

use std::ffi::CString;
use std::fs;
use std::os::unix::fs::{symlink, FileTypeExt};
use std::path::{Path, PathBuf};
use std::ptr::null;

use libc::{c_ulong, MS_BIND, MS_NODEV, MS_NOEXEC, MS_NOSUID, MS_PRIVATE, MS_RDONLY, MS_REC, MS_REMOUNT};

use crate::plan::{Plan, Use, Visible};
use crate::sys::{c_string, check, failed, set_umask, Failure};

/// The root is built here, in a mount namespace of its own, over a folder that every host has and from which no file is
/// needed.
const PLACE: &str = "/sys";

/// Enters the root. Only this process sees the mounts, which end with it.
pub fn enter(plan: &Plan) -> Result<(), Failure> {
    // The user of the program has to pass through the folders on the way to a file, whatever the umask was.
    let mask = set_umask(0o022);
    let entered = build(plan).and_then(|()| replace_root());
    set_umask(mask);
    entered
}

fn build(plan: &Plan) -> Result<(), Failure> {
    mount(None::<&str>, "/", None, MS_REC | MS_PRIVATE, None)?;
    mount(Some("none"), PLACE, Some("tmpfs"), MS_NOSUID | MS_NODEV | MS_NOEXEC, Some("mode=755,size=1m"))?;
    for link in &plan.links {
        let at = within(&link.path)?;
        make_parent(&at)?;
        symlink(&link.target, &at).map_err(failed(&format!("linking {}", link.path.display())))?;
    }
    for each in &plan.visible {
        show(each)?;
    }
    let proc = Path::new(PLACE).join("proc");
    fs::create_dir(&proc).map_err(failed("making /proc"))?;
    // This proc shows only this process, and nothing of the kernel. Before Linux 5.8 there is no such proc.
    if plan.pid_to.is_some() {
        let flags = MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC;
        let _ = mount(Some("proc"), &proc, Some("proc"), flags, Some("subset=pid"));
    }
    Ok(())
}

/// Shows a file or folder at the same path. The program can run nothing there unless it is shown as a program, and open
/// no device there unless it is shown as one.
fn show(Visible { path, how }: &Visible) -> Result<(), Failure> {
    let at = within(path)?;
    let doing = format!("showing {}", path.display());
    let found = fs::metadata(path).map_err(failed(&doing))?;
    if (found.file_type().is_char_device() || found.file_type().is_block_device()) != (*how == Use::Device) {
        return Err(Failure::new(format!("{doing}: it is not what it was said to be")));
    }
    if !at.exists() {
        if found.is_dir() {
            fs::create_dir_all(&at).map_err(failed(&doing))?;
        } else {
            make_parent(&at)?;
            fs::File::create(&at).map_err(failed(&doing))?;
        }
    }
    mount(Some(path), &at, None, MS_BIND, None)?;
    let flags = match how {
        Use::Program => MS_RDONLY | MS_NODEV,
        Use::Read => MS_RDONLY | MS_NODEV | MS_NOEXEC,
        Use::Write => MS_NODEV | MS_NOEXEC,
        Use::Device => MS_RDONLY | MS_NOEXEC,
    };
    mount(None::<&str>, &at, None, MS_REMOUNT | MS_BIND | MS_NOSUID | flags, None)
}

fn replace_root() -> Result<(), Failure> {
    std::env::set_current_dir(PLACE).map_err(failed("entering the new root"))?;
    let here = c_string(".")?;
    // The old root ends up over the new one, and is then unmounted.
    // SAFETY: The path is a string that outlives the call.
    let outcome = unsafe { libc::syscall(libc::SYS_pivot_root, here.as_ptr(), here.as_ptr()) };
    check(outcome, "changing the root")?;
    // SAFETY: The path is a string that outlives the call.
    check(unsafe { libc::umount2(here.as_ptr(), libc::MNT_DETACH) }, "taking away the old root")?;
    let flags = MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC;
    mount(None::<&str>, "/", None, flags, None)
}

/// Gives the place of a path of the host in the root that is being built.
fn within(path: &Path) -> Result<PathBuf, Failure> {
    let relative = path.strip_prefix("/").map_err(|_| Failure::new(format!("{} is not absolute", path.display())))?;
    Ok(Path::new(PLACE).join(relative))
}

fn make_parent(path: &Path) -> Result<(), Failure> {
    let parent = path.parent().unwrap_or(Path::new("/"));
    fs::create_dir_all(parent).map_err(failed(&format!("making {}", parent.display())))
}

fn mount<P: AsRef<Path>>(
    source: Option<P>,
    target: impl AsRef<Path>,
    kind: Option<&str>,
    flags: c_ulong,
    options: Option<&str>,
) -> Result<(), Failure> {
    let optional = |text: Option<&str>| text.map(c_string).transpose();
    let source = source.map(|path| c_string(path.as_ref())).transpose()?;
    let (kind, options) = (optional(kind)?, optional(options)?);
    let at = c_string(target.as_ref())?;
    let pointer = |text: &Option<CString>| text.as_ref().map_or(null(), |text| text.as_ptr());
    // SAFETY: Every pointer is null or a string that outlives the call.
    let outcome =
        unsafe { libc::mount(pointer(&source), at.as_ptr(), pointer(&kind), flags, pointer(&options).cast()) };
    check(outcome, &format!("mounting {}", target.as_ref().display())).map(drop)
}
