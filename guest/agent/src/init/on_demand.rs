//! Kernel modules that a guest may need later. They stay in the initramfs, compressed, and appear in /lib/modules of a
//! writable root as its lowest layer. The modprobe of the image loads them.

use std::ffi::CString;
use std::path::Path;

use super::mounts::make_folder;
use crate::sys::{paths, Errno, Sys};

/// Where the engine has put them: a folder named after the release of the kernel.
const MODULES: &str = "/on-demand";
/// The layer of the root that shows them.
pub const LAYER: &str = "/on-demand-layer";

/// Lays the modules out; false where there are none.
pub fn lay_out(image: &str) -> Sys<bool> {
    if !Path::new(MODULES).exists() {
        return Ok(false);
    }
    // A folder in place of a link of the image would hide everything below the target of the link.
    let merged = std::fs::symlink_metadata([image, "/lib"].concat()).is_ok_and(|lib| lib.is_symlink());
    let folder = [LAYER, if merged { "/usr/lib" } else { "/lib" }].concat();
    make_folder(&folder)?;
    std::fs::rename(MODULES, [&folder, "/modules"].concat())?;
    Ok(true)
}

/// Makes the devices whose modules are loaded when the devices are opened, because a program needs a file to open.
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
    /// Parses a line of modules.devname, such as `tun net/tun c10:200`.
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
        // Everybody may open these, as on any distribution; the driver checks what they may do.
        let mode = if matches!(self.name, "fuse" | "net/tun") { 0o666 } else { 0o600 };
        let path = ["/dev/", self.name].concat();
        if let Some(folder) = Path::new(&path).parent().and_then(Path::to_str) {
            make_folder(folder)?;
        }
        let path = CString::new(path).map_err(|_| Errno(libc::EINVAL))?;
        let device = libc::makedev(self.major, self.minor);
        paths::make_device_at(libc::AT_FDCWD, &path, self.kind | mode, device)?;
        paths::change_mode_at(libc::AT_FDCWD, &path, mode)
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
