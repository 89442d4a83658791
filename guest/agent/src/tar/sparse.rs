//! Files with holes in an archive, in all forms that GNU tar has written. The map of the data is in pax records (0.0
//! and 0.1), before the data (1.0, which the agent writes), or in blocks after the header (before pax).

use std::os::fd::OwnedFd;

use super::field::{decimal, number, BLOCK};
use crate::error::{Failure, Outcome};
use crate::sys::{self, Errno, Sys};

/// The most pieces of data in one file. A file with more has its later holes packed as data.
const MOST_PIECES: usize = 65_536;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Piece {
    pub at: u64,
    pub length: u64,
}

#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Sparse {
    /// The size with the holes.
    pub size: u64,
    /// In order; empty while it is still to be read from the content.
    pub pieces: Vec<Piece>,
    /// The map is the first part of the content.
    pub map_in_content: bool,
}

fn wrong() -> Failure {
    Failure::invalid("the archive holds a file with holes whose map is damaged")
}

impl Sparse {
    /// Checks that the pieces are in order, within the size, and add up to the stored size.
    pub fn check(&self, stored: u64) -> Outcome<()> {
        let (mut end, mut sum) = (0, 0u64);
        for piece in &self.pieces {
            if piece.at < end {
                return Err(wrong());
            }
            end = piece.at.checked_add(piece.length).ok_or_else(wrong)?;
            sum = sum.checked_add(piece.length).ok_or_else(wrong)?;
        }
        if end > self.size || sum != stored || i64::try_from(self.size).is_err() {
            return Err(wrong());
        }
        Ok(())
    }

    /// Finds where the data of an open file is; `None` where it has no holes or its file system does not report them.
    pub fn of_file(file: &OwnedFd, size: u64) -> Sys<Option<Self>> {
        // Readers of this file give their own position, so moving it does no harm.
        let seek = |at: u64, what: libc::c_int| -> Sys<Option<u64>> {
            match sys::seek(file, at, what) {
                // There is no data after this position.
                Err(Errno(libc::ENXIO)) => Ok(None),
                result => result.map(Some),
            }
        };
        let mut pieces: Vec<Piece> = Vec::new();
        let mut end = 0;
        while let Some(at) = seek(end, libc::SEEK_DATA)?.filter(|&at| at < size) {
            end = seek(at, libc::SEEK_HOLE)?.unwrap_or(size).min(size);
            if pieces.len() + 1 == MOST_PIECES {
                end = size;
            }
            pieces.push(Piece { at, length: end - at });
        }
        if pieces.first().is_some_and(|piece| piece.length == size) {
            return Ok(None);
        }
        if end < size {
            // Other programs expect an empty piece after a last hole.
            pieces.push(Piece { at: size, length: 0 });
        }
        Ok(Some(Sparse { size, pieces, map_in_content: true }))
    }

    pub fn stored(&self) -> u64 {
        self.pieces.iter().map(|piece| piece.length).sum()
    }

    /// Gives the map as decimal numbers in whole blocks: the number of pieces, then the place and the length of each.
    pub fn map(&self) -> Vec<u8> {
        let mut map = format!("{}\n", self.pieces.len()).into_bytes();
        for piece in &self.pieces {
            map.extend_from_slice(format!("{}\n{}\n", piece.at, piece.length).as_bytes());
        }
        map.resize(map.len().next_multiple_of(BLOCK), 0);
        map
    }

    /// Reads the map; `next` gives the blocks of the content.
    pub fn read_map(&mut self, mut next: impl FnMut() -> Outcome<[u8; BLOCK]>) -> Outcome<()> {
        let (mut block, mut at) = (next()?, 0);
        let mut number = || -> Outcome<u64> {
            let mut value: u64 = 0;
            for digits in 0.. {
                if at == BLOCK {
                    (block, at) = (next()?, 0);
                }
                let byte = block[at];
                at += 1;
                match byte {
                    b'\n' if digits > 0 => break,
                    b'0'..=b'9' => {
                        let digit = u64::from(byte - b'0');
                        value = value.checked_mul(10).and_then(|value| value.checked_add(digit)).ok_or_else(wrong)?;
                    }
                    _ => return Err(wrong()),
                }
            }
            Ok(value)
        };
        let count = number()?;
        if count > MOST_PIECES as u64 + 1 {
            return Err(Failure::invalid("the archive holds a file with too many holes"));
        }
        for _ in 0..count {
            self.pieces.push(Piece { at: number()?, length: number()? });
        }
        Ok(())
    }

    /// Reads the four pieces in the header of GNU tar's own format.
    pub fn parse_old(block: &[u8; BLOCK]) -> Outcome<(Self, bool)> {
        let mut sparse = Sparse { size: number(&block[483..495])?, ..Sparse::default() };
        sparse.add_old(&block[386..482])?;
        Ok((sparse, block[482] != 0))
    }

    /// Reads the pieces of a block after the header; true when another one follows.
    pub fn add_old_block(&mut self, block: &[u8; BLOCK]) -> Outcome<bool> {
        self.add_old(&block[..504])?;
        Ok(block[504] != 0)
    }

    fn add_old(&mut self, pieces: &[u8]) -> Outcome<()> {
        for piece in pieces.chunks_exact(24) {
            if piece[0] == 0 {
                break;
            }
            if self.pieces.len() > MOST_PIECES {
                return Err(Failure::invalid("the archive holds a file with too many holes"));
            }
            self.pieces.push(Piece { at: number(&piece[..12])?, length: number(&piece[12..])? });
        }
        Ok(())
    }
}

/// The `GNU.sparse.` records of one entry.
#[derive(Default)]
pub struct PaxRecords {
    pub name: Option<Vec<u8>>,
    size: Option<u64>,
    major: u64,
    pieces: Vec<Piece>,
    offset: u64,
}

impl PaxRecords {
    pub fn take(&mut self, key: &[u8], value: &[u8]) -> Option<()> {
        match key {
            b"major" => self.major = decimal(value)?,
            b"name" => self.name = Some(value.to_vec()),
            b"size" | b"realsize" => self.size = Some(decimal(value)?),
            b"offset" => self.offset = decimal(value)?,
            b"numbytes" => self.pieces.push(Piece { at: self.offset, length: decimal(value)? }),
            b"map" => {
                let numbers: Vec<u64> = value.split(|&byte| byte == b',').map(decimal).collect::<Option<_>>()?;
                self.pieces = numbers.chunks_exact(2).map(|pair| Piece { at: pair[0], length: pair[1] }).collect();
            }
            _ => {}
        }
        Some(())
    }

    /// Gives the map; `None` where the entry has no holes.
    pub fn finish(self) -> Outcome<Option<Sparse>> {
        let Some(size) = self.size else { return Ok(None) };
        if self.major > 1 {
            return Err(Failure::invalid("the archive holds a damaged pax record"));
        }
        Ok(Some(Sparse { size, pieces: self.pieces, map_in_content: self.major == 1 }))
    }
}
