//! Sets up the root file system: a read-only image, a writable layer above it, and the move into it.

use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;

use super::command_line::{CommandLine, Drive, WriteLayer};
use super::mounts::{make_folder, mount};
use super::on_demand;
use super::step::{fatal, Step};
use crate::disks::{wait_for, Disk};
use crate::log;
use crate::sys::{Errno, Sys};

const IMAGE: &str = "/image";
const WRITABLE: &str = "/writable";
const MERGED: &str = "/merged";
const IMAGE_TYPES: [&str; 3] = ["ext4", "erofs", "squashfs"];

/// The root file system after its setup.
#[derive(Default)]
pub struct Root {
    /// The writable file systems on disks.
    pub disks: Vec<Arc<Disk>>,
    /// The writable layer has a resolv.conf, or hides the image's.
    pub own_resolv_conf: bool,
}

pub fn set_up(options: &CommandLine) -> Step<Root> {
    let mut disks = Vec::new();
    let Some(device) = &options.root else { return Ok(Root::default()) };
    mount_image(device).map_err(fatal(format!("mount {device}")))?;
    let new_root = match &options.write {
        WriteLayer::None => IMAGE,
        WriteLayer::Memory => {
            make_folder(WRITABLE).map_err(fatal("writable layer"))?;
            mount("tmpfs", WRITABLE, "tmpfs", 0, "mode=0755").map_err(fatal("mount writable layer"))?;
            overlay().map_err(fatal("overlay"))?
        }
        WriteLayer::Disk(disk) => {
            wait_for(disk).and_then(|()| make_folder(WRITABLE)).map_err(fatal(disk.as_str()))?;
            mount_writable(disk).map_err(fatal(format!("mount {disk}")))?;
            let layer = Disk::open(disk, WRITABLE, "/").map_err(fatal("writable layer"))?;
            if let Err(errno) = layer.grow() {
                log::failure("the writable layer does not grow", errno);
            }
            disks.push(Arc::new(layer));
            overlay().map_err(fatal("overlay"))?
        }
    };
    let own_resolv_conf = std::fs::symlink_metadata([WRITABLE, "/upper/etc/resolv.conf"].concat()).is_ok();
    for drive in &options.drives {
        let failed = || fatal(format!("drive {}", drive.mount_point));
        let target = mount_drive(drive, new_root).map_err(failed())?;
        if !drive.read_only {
            disks.push(Arc::new(Disk::open(&drive.device, &target, &drive.mount_point).map_err(failed())?));
        }
    }
    switch_root(new_root).map_err(fatal("switch root"))?;
    Ok(Root { disks, own_resolv_conf })
}

/// Mounts the disk without the thread that reads its block bitmaps ahead, which would run in every clone during its
/// first command. Kernels before 5.9 do not know that option.
fn mount_writable(disk: &str) -> Sys<()> {
    mount(disk, WRITABLE, "ext4", libc::MS_NOATIME, "no_prefetch_block_bitmaps")
        .or_else(|_| mount(disk, WRITABLE, "ext4", libc::MS_NOATIME, ""))
}

fn mount_image(device: &str) -> Sys<()> {
    wait_for(device)?;
    make_folder(IMAGE)?;
    let mut result = Err(Errno(libc::ENODEV));
    for kind in IMAGE_TYPES {
        match mount(device, IMAGE, kind, libc::MS_RDONLY, "") {
            Ok(()) => return Ok(()),
            // The kernel lacks that type, or the image is of another one.
            Err(Errno(libc::ENODEV | libc::EINVAL)) => {}
            Err(errno) => result = Err(errno),
        }
    }
    result
}

fn overlay() -> Sys<&'static str> {
    let (upper, work) = ([WRITABLE, "/upper"].concat(), [WRITABLE, "/work"].concat());
    for folder in [&upper, &work, MERGED] {
        make_folder(folder)?;
    }
    let lower = if on_demand::lay_out(IMAGE)? { format!("{}:{IMAGE}", on_demand::LAYER) } else { IMAGE.into() };
    mount("overlay", MERGED, "overlay", 0, &format!("lowerdir={lower},upperdir={upper},workdir={work}"))?;
    Ok(MERGED)
}

fn mount_drive(drive: &Drive, new_root: &str) -> Sys<String> {
    wait_for(&drive.device)?;
    let target = [new_root, &drive.mount_point].concat();
    let _ = make_folder(&target);
    mount(&drive.device, &target, &drive.kind, if drive.read_only { libc::MS_RDONLY } else { 0 }, "")?;
    Ok(target)
}

/// Moves into the new root. The initramfs cannot be unmounted, so it is emptied, and the new root is laid over it.
fn switch_root(new_root: &str) -> Sys<()> {
    for folder in ["/dev", "/proc", "/sys"] {
        let target = [new_root, folder].concat();
        let _ = make_folder(&target);
        mount(folder, &target, "", libc::MS_MOVE, "")?;
    }
    let old = std::fs::read_dir("/")?;
    let device = std::fs::metadata("/").map(|root| root.dev()).unwrap_or_default();
    for entry in old.flatten().filter(|entry| entry.path() != Path::new(on_demand::LAYER)) {
        remove_below(&entry.path(), device);
    }
    std::env::set_current_dir(new_root)?;
    mount(".", "/", "", libc::MS_MOVE, "")?;
    std::os::unix::fs::chroot(".")?;
    std::env::set_current_dir("/")?;
    Ok(())
}

/// Frees the memory of the initramfs, without ever leaving it for another file system.
fn remove_below(path: &Path, device: u64) {
    let Ok(entry) = std::fs::symlink_metadata(path) else { return };
    if entry.dev() != device {
        return;
    }
    if entry.is_dir() {
        for below in std::fs::read_dir(path).into_iter().flatten().flatten() {
            remove_below(&below.path(), device);
        }
        let _ = std::fs::remove_dir(path);
    } else {
        let _ = std::fs::remove_file(path);
    }
}
