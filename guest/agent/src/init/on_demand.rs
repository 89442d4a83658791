//! Kernel modules that a guest may come to need: they stay in the initramfs, compressed, and are shown in /lib/modules of a writable root as its
//! lowest layer. What loads them is the image's own modprobe.

use std::ffi::CString;
use std::path::Path;

use super::mounts::make_folder;
use crate::sys::{check, Errno, Sys};

/// Where the engine has put them: a folder named as the kernel's release.
const MODULES: &str = "/on-demand";
/// The layer of the root they are shown in.
pub const LAYER: &str = "/on-demand-layer";

/// False where there are none.
pub fn lay_out(image: &str) -> Sys<bool> {
    if !Path::new(MODULES).exists() {
        return Ok(false);
    }
    // A folder where the image has a link would hide all that the link leads to.
    let merged = std::fs::symlink_metadata([image, "/lib"].concat()).is_ok_and(|lib| lib.is_symlink());
    let folder = [LAYER, if merged { "/usr/lib" } else { "/lib" }].concat();
    make_folder(&folder)?;
    std::fs::rename(MODULES, [&folder, "/modules"].concat())
        .map_err(|error| Errno(error.raw_os_error().unwrap_or(libc::EIO)))?;
    Ok(true)
}

/// The devices whose modules are loaded when they are opened: there has to be something to open.
pub fn make_devices() {
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let list = std::fs::read_to_string(format!("/lib/modules/{}/modules.devname", release.trim())).unwrap_or_default();
    for device in list.lines().filter_map(Device::parse) {
        let _ = device.make();
    }
}

struct Device<'a> {
    name: &'a str,
    kind: libc::mode_t,
    major: u32,
    minor: u32,
}

impl<'a> Device<'a> {
    /// A line of modules.devname, such as `tun net/tun c10:200`.
    fn parse(line: &'a str) -> Option<Self> {
        let mut words = line.split_ascii_whitespace();
        let (module, name, numbers) = (words.next()?, words.next()?, words.next()?);
        if module.starts_with('#') || name.split('/').any(|part| part == "..") {
            return None;
        }
        let kind = if numbers.starts_with('b') { libc::S_IFBLK } else { libc::S_IFCHR };
        let (major, minor) = numbers.get(1..)?.split_once(':')?;
        Some(Device { name, kind, major: major.parse().ok()?, minor: minor.parse().ok()? })
    }

    fn make(&self) -> Sys<()> {
        // Of these everybody has the use, as on any distribution: what they may do is asked for behind them.
        let mode = if matches!(self.name, "fuse" | "net/tun") { 0o666 } else { 0o600 };
        let path = ["/dev/", self.name].concat();
        if let Some(folder) = Path::new(&path).parent().and_then(Path::to_str) {
            make_folder(folder)?;
        }
        let path = CString::new(path).map_err(|_| Errno(libc::EINVAL))?;
        // SAFETY: the path ends in NUL.
        unsafe {
            check(libc::mknod(path.as_ptr(), self.kind | mode, libc::makedev(self.major, self.minor)))?;
            check(libc::chmod(path.as_ptr(), mode)).map(drop)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_device_names() {
        let found =
            Device::parse("tun net/tun c10:200").map(|device| (device.name, device.kind, device.major, device.minor));
        assert_eq!(found, Some(("net/tun", libc::S_IFCHR, 10, 200)));
        assert!(Device::parse("# Device nodes to trigger on-demand module loading.").is_none());
        assert!(Device::parse("evil ../etc/x c1:2").is_none());
        assert!(Device::parse("loop loop-control").is_none());
    }
}
