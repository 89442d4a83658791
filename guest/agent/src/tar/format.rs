//! The blocks of a tar archive: POSIX ustar with pax records, and what GNU tar writes for long names.

use super::field::{decimal, number, text, BLOCK};
use super::sparse::{self, Sparse};
use super::time::Time;
use crate::error::{Failure, Outcome};

/// The type byte of a header.
pub mod kind {
    pub const FILE: u8 = b'0';
    pub const OLD_FILE: u8 = 0;
    pub const HARD_LINK: u8 = b'1';
    pub const SYMLINK: u8 = b'2';
    pub const CHARACTER_DEVICE: u8 = b'3';
    pub const BLOCK_DEVICE: u8 = b'4';
    pub const DIRECTORY: u8 = b'5';
    pub const FIFO: u8 = b'6';
    pub const CONTIGUOUS_FILE: u8 = b'7';
    pub const PAX: u8 = b'x';
    pub const PAX_FOR_ALL: u8 = b'g';
    pub const GNU_LONG_NAME: u8 = b'L';
    pub const GNU_LONG_LINK: u8 = b'K';
    pub const GNU_SPARSE: u8 = b'S';
}

/// One entry, however many blocks it takes.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Header {
    pub path: Vec<u8>,
    pub link: Vec<u8>,
    pub kind: u8,
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
    pub size: u64,
    pub modified: Time,
    pub device: (u32, u32),
    /// A file with holes: its size with them, and the places of its data. `size` is the number of stored bytes.
    pub sparse: Option<Sparse>,
    /// The extended attributes of the `user.` namespace.
    pub xattrs: Vec<(Vec<u8>, Vec<u8>)>,
}

/// Gives the sum of all bytes, with the bytes of the sum itself counted as spaces.
fn checksum(block: &[u8; BLOCK]) -> u64 {
    let sum: u64 = block.iter().map(|&byte| u64::from(byte)).sum();
    let own: u64 = block[148..156].iter().map(|&byte| u64::from(byte)).sum();
    sum - own + 8 * u64::from(b' ')
}

impl Header {
    pub fn parse(block: &[u8; BLOCK]) -> Outcome<Self> {
        if number(&block[148..156])? != checksum(block) {
            return Err(Failure::invalid("this is no tar archive, or a damaged one"));
        }
        let mut path = text(&block[..100]).to_vec();
        let prefix = text(&block[345..500]);
        if &block[257..263] == b"ustar\0" && !prefix.is_empty() {
            path = [prefix, b"/", &path].concat();
        }
        let small = |at: usize, end: usize| number(&block[at..end]).map(|value| value as u32);
        Ok(Header {
            path,
            link: text(&block[157..257]).to_vec(),
            kind: block[156],
            mode: small(100, 108)?,
            uid: small(108, 116)?,
            gid: small(116, 124)?,
            size: number(&block[124..136])?,
            modified: Time { seconds: number(&block[136..148])? as i64, nanoseconds: 0 },
            device: (small(329, 337)?, small(337, 345)?),
            sparse: None,
            xattrs: Vec::new(),
        })
    }

    /// Applies pax records: `length key=value\n` one after another.
    pub fn apply_pax(&mut self, mut records: &[u8]) -> Outcome<()> {
        let wrong = || Failure::invalid("the archive holds a damaged pax record");
        let mut sparse = sparse::PaxRecords::default();
        while !records.is_empty() {
            let digits = records.iter().position(|&byte| byte == b' ').ok_or_else(wrong)?;
            let length: usize = decimal(&records[..digits]).ok_or_else(wrong)?;
            let record = records.get(digits + 1..length).ok_or_else(wrong)?;
            let (key, value) = match (record.iter().position(|&byte| byte == b'='), record.split_last()) {
                (Some(at), Some((b'\n', record))) => (&record[..at], &record[at + 1..]),
                _ => return Err(wrong()),
            };
            match key {
                b"path" => self.path = value.to_vec(),
                b"linkpath" => self.link = value.to_vec(),
                b"size" => self.size = decimal(value).ok_or_else(wrong)?,
                b"uid" => self.uid = decimal(value).ok_or_else(wrong)?,
                b"gid" => self.gid = decimal(value).ok_or_else(wrong)?,
                b"mtime" => {
                    self.modified = Time::parse(value).ok_or_else(wrong)?;
                }
                key => {
                    if let Some(name) = key.strip_prefix(b"GNU.sparse.") {
                        sparse.take(name, value).ok_or_else(wrong)?;
                    }
                    if let Some(name) = key.strip_prefix(b"SCHILY.xattr.").filter(|name| name.starts_with(b"user.")) {
                        self.xattrs.push((name.to_vec(), value.to_vec()));
                    }
                }
            }
            records = &records[length..];
        }
        if let Some(name) = sparse.name.take() {
            self.path = name;
        }
        self.sparse = sparse.finish()?.or(self.sparse.take());
        Ok(())
    }

    /// Gives the blocks of the header. The content follows, padded to whole blocks.
    pub fn blocks(&self) -> Vec<u8> {
        let mut pax = Vec::new();
        let mut stored = None;
        if let Some(sparse) = &self.sparse {
            add_pax(&mut pax, b"GNU.sparse.major", b"1");
            add_pax(&mut pax, b"GNU.sparse.minor", b"0");
            add_pax(&mut pax, b"GNU.sparse.name", &self.path);
            add_pax(&mut pax, b"GNU.sparse.realsize", sparse.size.to_string().as_bytes());
            // Programs without support for sparse files unpack it under this name.
            let name = self.path.rsplit(|&byte| byte == b'/').next().unwrap_or_default();
            stored = Some([b"GNUSparseFile.0/", &name[..name.len().min(80)]].concat());
        } else if self.path.len() > 100 {
            add_pax(&mut pax, b"path", &self.path);
        }
        if self.link.len() > 100 {
            add_pax(&mut pax, b"linkpath", &self.link);
        }
        if self.size >= 1 << 33 {
            add_pax(&mut pax, b"size", self.size.to_string().as_bytes());
        }
        if self.uid >= 1 << 21 {
            add_pax(&mut pax, b"uid", self.uid.to_string().as_bytes());
        }
        if self.gid >= 1 << 21 {
            add_pax(&mut pax, b"gid", self.gid.to_string().as_bytes());
        }
        if self.modified.nanoseconds != 0 || !(0..1 << 33).contains(&self.modified.seconds) {
            add_pax(&mut pax, b"mtime", self.modified.text().as_bytes());
        }
        for (name, value) in &self.xattrs {
            add_pax(&mut pax, &[b"SCHILY.xattr.", name.as_slice()].concat(), value);
        }
        let mut blocks = Vec::new();
        if !pax.is_empty() {
            let own = Header { path: b"PaxHeader".to_vec(), kind: kind::PAX, mode: 0o644, ..Header::default() };
            let own = Header { size: pax.len() as u64, ..own };
            blocks.extend(own.block(&own.path));
            blocks.extend_from_slice(&pax);
            blocks.resize(blocks.len().next_multiple_of(BLOCK), 0);
        }
        blocks.extend(self.block(stored.as_deref().unwrap_or(&self.path)));
        blocks
    }

    fn block(&self, path: &[u8]) -> [u8; BLOCK] {
        let mut block = [0; BLOCK];
        let mut put = |at: usize, bytes: &[u8]| block[at..at + bytes.len()].copy_from_slice(bytes);
        // A number that does not fit is in a pax record, and 0 here.
        let octal =
            |value: u64, digits: usize| format!("{:0digits$o}", if value >> (3 * digits) == 0 { value } else { 0 });
        put(0, &path[..path.len().min(100)]);
        put(100, octal(self.mode.into(), 7).as_bytes());
        put(108, octal(self.uid.into(), 7).as_bytes());
        put(116, octal(self.gid.into(), 7).as_bytes());
        put(124, octal(self.size, 11).as_bytes());
        put(136, octal(u64::try_from(self.modified.seconds).unwrap_or(0), 11).as_bytes());
        put(156, &[self.kind]);
        put(157, &self.link[..self.link.len().min(100)]);
        put(257, b"ustar\x0000");
        put(329, octal(self.device.0.into(), 7).as_bytes());
        put(337, octal(self.device.1.into(), 7).as_bytes());
        let sum = octal(checksum(&block), 6);
        block[148..154].copy_from_slice(sum.as_bytes());
        block[155] = b' ';
        block
    }
}

/// Adds a pax record, whose length counts its own digits.
fn add_pax(pax: &mut Vec<u8>, key: &[u8], value: &[u8]) {
    let rest = key.len() + value.len() + 3;
    let mut length = rest + 1;
    while length.to_string().len() + rest != length {
        length += 1;
    }
    pax.extend_from_slice(length.to_string().as_bytes());
    for part in [b" ", key, b"=", value, b"\n"] {
        pax.extend_from_slice(part);
    }
}
