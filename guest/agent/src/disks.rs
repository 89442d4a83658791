//! The writable file systems on disks: their size, and how they grow with their disks.

use std::ffi::CString;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::Path;
use std::time::{Duration, Instant};

use crate::sys::{self, machine, paths, Errno, Sys};

/// How long the agent waits for a disk, or for a disk's new size. It may appear a moment after its driver.
const PATIENCE: Duration = Duration::from_secs(10);

/// The superblock of an ext4, and where the numbers lie in it.
const SUPERBLOCK_AT: u64 = 1024;
const SUPERBLOCK: usize = 1024;
const BLOCKS_LOW: usize = 0x04;
const LOG_BLOCK_SIZE: usize = 0x18;
const MAGIC: usize = 0x38;
const EXT4: [u8; 2] = [0x53, 0xEF];
const INCOMPATIBLE: usize = 0x60;
const IS_64_BIT: u32 = 0x80;
const BLOCKS_HIGH: usize = 0x150;

/// A mounted disk.
pub struct Disk {
    /// Path of the device.
    pub device: String,
    /// Where it is mounted in the end; `/` for the writable layer, which no path leads to.
    pub path: String,
    /// The root of its file system.
    pub root: OwnedFd,
}

pub fn wait_for(device: &str) -> Sys<()> {
    until(|| Path::new(device).exists().then_some(()), Duration::from_millis(1)).ok_or(Errno(libc::ENODEV))
}

fn until<T>(look: impl Fn() -> Option<T>, nap: Duration) -> Option<T> {
    let give_up = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look() {
            return Some(found);
        }
        if Instant::now() > give_up {
            return None;
        }
        std::thread::sleep(nap);
    }
}

impl Disk {
    /// `at` is where the file system is mounted now.
    pub fn open(device: &str, at: &str, path: &str) -> Sys<Self> {
        let at = CString::new(at).map_err(|_| Errno(libc::EINVAL))?;
        let root = paths::open(&at, libc::O_RDONLY | libc::O_DIRECTORY, 0)?;
        Ok(Disk { device: device.into(), path: path.into(), root })
    }

    fn bytes(&self) -> Sys<u64> {
        let name = self.device.strip_prefix("/dev/").unwrap_or_default();
        let path = CString::new(["/sys/class/block/", name, "/size"].concat()).map_err(|_| Errno(libc::EINVAL))?;
        let sectors = sys::read_small(&path, 32)?;
        let text = std::str::from_utf8(&sectors).unwrap_or_default();
        text.trim().parse::<u64>().map(|sectors| sectors * 512).map_err(|_| Errno(libc::EIO))
    }

    /// Waits until the kernel knows that the disk has that many bytes; false where it stays smaller.
    pub fn wait_for_bytes(&self, bytes: u64) -> bool {
        until(|| self.bytes().is_ok_and(|found| found >= bytes).then_some(()), Duration::from_millis(2)).is_some()
    }

    /// Grows its ext4 to the size of the disk. Other file systems, and those that have that size, are left alone.
    pub fn grow(&self) -> Sys<()> {
        let Some((blocks, block_size)) = self.ext4_size()? else { return Ok(()) };
        let wanted = self.bytes()? / block_size;
        if wanted > blocks {
            machine::resize_file_system(&self.root, wanted)?;
        }
        Ok(())
    }

    /// Gives the number of blocks and the size of each, as the superblock says.
    fn ext4_size(&self) -> Sys<Option<(u64, u64)>> {
        let path = CString::new(self.device.as_str()).map_err(|_| Errno(libc::EINVAL))?;
        let device = paths::open(&path, libc::O_RDONLY, 0)?;
        let mut block = [0; SUPERBLOCK];
        if sys::read_at(device.as_raw_fd(), &mut block, SUPERBLOCK_AT)? != SUPERBLOCK {
            return Ok(None);
        }
        Ok(size_in(&block))
    }
}

fn size_in(superblock: &[u8; SUPERBLOCK]) -> Option<(u64, u64)> {
    let field = |at: usize| superblock.get(at..at + 4)?.try_into().ok().map(u32::from_le_bytes);
    if superblock.get(MAGIC..MAGIC + 2) != Some(&EXT4) {
        return None;
    }
    let high = if field(INCOMPATIBLE)? & IS_64_BIT == 0 { 0 } else { field(BLOCKS_HIGH)? };
    let blocks = (u64::from(high) << 32) | u64::from(field(BLOCKS_LOW)?);
    let block_size = 1024_u64.checked_shl(field(LOG_BLOCK_SIZE)?).filter(|size| *size > 0 && *size <= 65_536)?;
    Some((blocks, block_size))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn superblock(fields: &[(usize, u32)]) -> [u8; SUPERBLOCK] {
        let mut block = [0; SUPERBLOCK];
        block[MAGIC..MAGIC + 2].copy_from_slice(&EXT4);
        for (at, value) in fields {
            block[*at..*at + 4].copy_from_slice(&value.to_le_bytes());
        }
        block
    }

    #[test]
    fn reads_the_size_of_an_ext4() {
        let small = superblock(&[(BLOCKS_LOW, 1000), (LOG_BLOCK_SIZE, 2), (BLOCKS_HIGH, 7)]);
        assert_eq!(size_in(&small), Some((1000, 4096)), "the high half counts only with its feature");
        let large = superblock(&[(BLOCKS_LOW, 1), (LOG_BLOCK_SIZE, 2), (BLOCKS_HIGH, 1), (INCOMPATIBLE, IS_64_BIT)]);
        assert_eq!(size_in(&large), Some(((1 << 32) + 1, 4096)));
    }

    #[test]
    fn takes_nothing_else_for_an_ext4() {
        assert_eq!(size_in(&[0; SUPERBLOCK]), None);
        assert_eq!(size_in(&superblock(&[(BLOCKS_LOW, 1), (LOG_BLOCK_SIZE, 40)])), None);
        assert_eq!(size_in(&superblock(&[(BLOCKS_LOW, 1), (LOG_BLOCK_SIZE, 7)])), None);
    }
}
