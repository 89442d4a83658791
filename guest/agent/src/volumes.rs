//! Volumes: disks that each clone has of its own. The kernel lets go of them before a snapshot, and takes them up
//! again when the clone is configured, because by then another file may lie behind each.

use std::ffi::{CStr, CString};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;

use crate::disks::{wait_for, Disk};
use crate::error::{Code, Failure, Outcome};
use crate::numbers::tag;
use crate::record::{self, Fields};
use crate::sys::directory::Directory;
use crate::sys::{self, machine, paths, Errno, Sys};
use crate::users::Account;

/// The host needs files in `MACHINE` below these, so no volume may hide them.
const RESERVED: [&str; 4] = ["/dev", "/proc", "/sys", "/run/nova"];
const LONGEST_PATH: usize = 4096;
const LOST_AND_FOUND: &CStr = c"lost+found";
/// The driver of disks.
const DRIVER: &str = "/sys/bus/virtio/drivers/virtio_blk/";
const DEVICES: &str = "/sys/bus/virtio/devices/";

/// A disk for a volume.
pub struct Slot {
    /// Path of the device at boot.
    name: String,
    /// The device on the virtio bus, once the kernel has let go of it.
    aside: Option<String>,
    /// Where its volume is mounted.
    taken: Option<String>,
}

fn tell_driver(what: &str, device: &str) -> Sys<()> {
    let path = CString::new([DRIVER, what].concat()).map_err(|_| Errno(libc::EINVAL))?;
    sys::write_small(&path, 0, device.as_bytes())
}

/// Has the kernel let go of the disks that are not mounted. All are found before the first goes, because names are used
/// again.
pub fn set_aside(slots: &mut [Slot]) -> Sys<()> {
    let free = slots.iter_mut().filter(|slot| slot.taken.is_none() && slot.aside.is_none());
    let found = free.map(|slot| Ok((bus_device(&slot.name)?, slot))).collect::<Sys<Vec<_>>>()?;
    for (device, slot) in found {
        tell_driver("unbind", &device)?;
        slot.aside = Some(device);
    }
    Ok(())
}

/// Gives the device on the virtio bus behind a disk.
fn bus_device(path: &str) -> Sys<String> {
    let link = ["/sys/class/block/", path.strip_prefix("/dev/").unwrap_or_default(), "/device"].concat();
    let target = std::fs::read_link(link)?;
    let name = target.file_name().and_then(|name| name.to_str()).ok_or(Errno(libc::ENODEV))?;
    Ok(name.into())
}

impl Slot {
    pub fn new(name: &str) -> Self {
        Slot { name: name.into(), aside: None, taken: None }
    }

    /// Has the kernel take the disk up again where it had let go of it; gives the path of its device.
    fn take_up(&self) -> Sys<String> {
        let device = match &self.aside {
            None => self.name.clone(),
            Some(device) => {
                match tell_driver("bind", device) {
                    // It was taken up before, by a call that failed later.
                    Ok(()) | Err(Errno(libc::EBUSY | libc::ENODEV)) => {}
                    Err(errno) => return Err(errno),
                }
                let mut found = std::fs::read_dir([DEVICES, device, "/block"].concat())?.flatten();
                let name = found.next().and_then(|entry| entry.file_name().into_string().ok());
                ["/dev/", &name.ok_or(Errno(libc::ENODEV))?].concat()
            }
        };
        wait_for(&device)?;
        Ok(device)
    }
}

/// A volume that the host wants to have mounted.
pub struct Volume {
    device: String,
    path: String,
    read_only: bool,
}

impl Volume {
    pub fn parse(record: &[u8]) -> Outcome<Self> {
        let mut volume = Volume { device: String::new(), path: String::new(), read_only: false };
        let text = |value: &[u8]| std::str::from_utf8(value).map(String::from);
        let wrong = |_| Failure::invalid("a volume's name is no UTF-8");
        for (tag, value) in Fields::new(record) {
            match tag {
                tag::volume::DEVICE => volume.device = ["/dev/", &text(value).map_err(wrong)?].concat(),
                tag::volume::PATH => volume.path = text(value).map_err(wrong)?,
                tag::volume::READ_ONLY => volume.read_only = record::flag(value)?,
                _ => {}
            }
        }
        if is_mount_point(&volume.path) {
            Ok(volume)
        } else {
            Err(Failure::invalid("a volume cannot be mounted there").about(volume.path.as_bytes()))
        }
    }

    /// Mounts it, and grows its file system where its disk has grown. A new one gets an owner.
    pub fn mount(&self, owner: &Account, slots: &mut [Slot], disks: &mut Vec<Arc<Disk>>) -> Outcome<()> {
        let failed = |failure: Failure| failure.about(["volume ", &self.path].concat().as_bytes());
        let Some(slot) = slots.iter_mut().find(|slot| slot.name == self.device) else {
            return Err(failed(Failure::new(Code::NotFound, "there is no such disk")));
        };
        match &slot.taken {
            Some(path) if *path == self.path => return Ok(()),
            Some(_) => return Err(failed(Failure::new(Code::AlreadyExists, "its disk is mounted elsewhere"))),
            None => {}
        }
        let disk = self.set_up(slot, owner).map_err(|errno| failed(errno.into()))?;
        slot.taken = Some(self.path.clone());
        if !self.read_only {
            disks.push(Arc::new(disk));
        }
        Ok(())
    }

    fn set_up(&self, slot: &Slot, owner: &Account) -> Sys<Disk> {
        let device = slot.take_up()?;
        if !Path::new(&self.path).is_dir() {
            std::fs::create_dir_all(&self.path)?;
        }
        let access = if self.read_only { libc::MS_RDONLY } else { 0 };
        let text = |text: &str| CString::new(text).map_err(|_| Errno(libc::EINVAL));
        let (source, target) = (text(&device)?, text(&self.path)?);
        machine::mount(&source, &target, c"ext4", libc::MS_NOATIME | access, c"")?;
        let disk = Disk::open(&device, &self.path, &self.path)?;
        if !self.read_only {
            disk.grow()?;
            give_if_new(&disk.root, owner)?;
        }
        Ok(disk)
    }
}

/// Whether a volume may be mounted at the path.
fn is_mount_point(path: &str) -> bool {
    let below = |folder: &str| path.strip_prefix(folder).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    path.len() <= LONGEST_PATH
        && path.starts_with('/')
        && !path.trim_matches('/').is_empty()
        && !path.contains('\0')
        && !path.split('/').any(|part| part == "..")
        && !RESERVED.into_iter().any(below)
}

/// Gives a volume that nobody has written to yet to the user.
fn give_if_new(root: &OwnedFd, owner: &Account) -> Sys<()> {
    let mut entries = Directory::new(root.try_clone()?);
    while let Some(entry) = entries.next()? {
        if entry.name.as_c_str() != LOST_AND_FOUND {
            return Ok(());
        }
    }
    let here = paths::stat_at(entries.fd(), c".", 0)?;
    if here.st_uid != 0 || here.st_gid != 0 {
        return Ok(());
    }
    match paths::unlink_at(entries.fd(), LOST_AND_FOUND, libc::AT_REMOVEDIR) {
        Ok(()) | Err(Errno(libc::ENOENT | libc::ENOTEMPTY)) => {}
        Err(errno) => return Err(errno),
    }
    paths::change_owner(root, owner.uid, owner.gid)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mounts_only_where_nothing_of_the_agent_is_hidden() {
        for path in ["/data", "/home/user/work", "/run/novel", "/developer", "/a b"] {
            assert!(is_mount_point(path), "{path}");
        }
        for path in ["", "/", "//", "data", "/dev", "/dev/shm", "/proc/1", "/sys", "/run/nova/x", "/a/../dev", "/a\0b"]
        {
            assert!(!is_mount_point(path), "{path:?}");
        }
    }
}
