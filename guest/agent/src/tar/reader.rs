//! Reads entries from the bytes of an archive, as they come.

use super::field::BLOCK;
use super::format::{kind, Header};
use super::sparse::Sparse;
use crate::error::{Failure, Outcome};

/// The most bytes of long names and pax records of one entry.
const MOST_EXTRA: u64 = 1 << 20;

pub struct Reader<S> {
    source: S,
    piece: Vec<u8>,
    at: usize,
    /// The content of the current entry that has not been read, and the rest of its last block.
    left: u64,
    padding: u64,
}

impl<S: FnMut() -> Outcome<Option<Vec<u8>>>> Reader<S> {
    /// The source gives pieces of any size, then nothing.
    pub fn new(source: S) -> Self {
        Reader { source, piece: Vec::new(), at: 0, left: 0, padding: 0 }
    }

    /// Gives some of the next bytes, at most `most`; empty at the end.
    fn take(&mut self, most: u64) -> Outcome<&[u8]> {
        while self.at == self.piece.len() {
            match (self.source)()? {
                Some(piece) => (self.piece, self.at) = (piece, 0),
                None => return Ok(&[]),
            }
        }
        let count = (self.piece.len() - self.at).min(usize::try_from(most).unwrap_or(usize::MAX));
        self.at += count;
        Ok(&self.piece[self.at - count..self.at])
    }

    fn skip(&mut self, mut count: u64) -> Outcome<()> {
        while count > 0 {
            match self.take(count)?.len() {
                0 => return Err(cut_short()),
                taken => count -= taken as u64,
            }
        }
        Ok(())
    }

    /// Gives the next block; `None` where the bytes end before it.
    fn block(&mut self) -> Outcome<Option<[u8; BLOCK]>> {
        let mut block = [0; BLOCK];
        let mut filled = 0;
        while filled < BLOCK {
            let bytes = self.take((BLOCK - filled) as u64)?;
            if bytes.is_empty() {
                return if filled == 0 { Ok(None) } else { Err(cut_short()) };
            }
            block[filled..filled + bytes.len()].copy_from_slice(bytes);
            filled += bytes.len();
        }
        Ok(Some(block))
    }

    fn extra(&mut self, size: u64) -> Outcome<Vec<u8>> {
        if size > MOST_EXTRA {
            return Err(Failure::invalid("the archive holds a name or pax records of more than 1 MiB"));
        }
        let mut extra = Vec::new();
        while (extra.len() as u64) < size {
            let bytes = self.take(size - extra.len() as u64)?;
            if bytes.is_empty() {
                return Err(cut_short());
            }
            extra.extend_from_slice(bytes);
        }
        self.skip(padding_of(size))?;
        Ok(extra)
    }

    /// Gives the next entry, and skips the rest of the one before. At the end of the archive, skips everything after it
    /// and gives `None`.
    pub fn next(&mut self) -> Outcome<Option<Header>> {
        self.skip(self.left + self.padding)?;
        (self.left, self.padding) = (0, 0);
        let (mut name, mut link, mut pax) = (None, None, Vec::new());
        loop {
            let Some(block) = self.block()? else { return Ok(None) };
            if block.iter().all(|&byte| byte == 0) {
                while !self.take(u64::MAX)?.is_empty() {}
                return Ok(None);
            }
            let mut header = Header::parse(&block)?;
            if header.kind == kind::GNU_SPARSE {
                header.kind = kind::FILE;
                let (mut sparse, mut more) = Sparse::parse_old(&block)?;
                while more {
                    more = sparse.add_old_block(&self.block()?.ok_or_else(cut_short)?)?;
                }
                header.sparse = Some(sparse);
            }
            let terminated = |mut text: Vec<u8>| {
                text.truncate(text.iter().position(|&byte| byte == 0).unwrap_or(text.len()));
                text
            };
            match header.kind {
                kind::GNU_LONG_NAME => name = Some(terminated(self.extra(header.size)?)),
                kind::GNU_LONG_LINK => link = Some(terminated(self.extra(header.size)?)),
                kind::PAX => pax = self.extra(header.size)?,
                kind::PAX_FOR_ALL => drop(self.extra(header.size)?),
                _ => {
                    header.path = name.unwrap_or(header.path);
                    header.link = link.unwrap_or(header.link);
                    header.apply_pax(&pax)?;
                    // The size of other kinds has no meaning, and no content follows.
                    if matches!(header.kind, kind::FILE | kind::OLD_FILE | kind::CONTIGUOUS_FILE) {
                        self.left = header.size;
                        self.padding = padding_of(header.size);
                        self.read_map(&mut header)?;
                    }
                    return Ok(Some(header));
                }
            }
        }
    }

    fn read_map(&mut self, header: &mut Header) -> Outcome<()> {
        let Some(sparse) = &mut header.sparse else { return Ok(()) };
        if sparse.map_in_content {
            sparse.read_map(|| {
                self.left = self.left.checked_sub(BLOCK as u64).ok_or_else(cut_short)?;
                self.block()?.ok_or_else(cut_short)
            })?;
        }
        sparse.check(self.left)
    }

    /// Gives some of the content of the current entry, at most `most` bytes; empty when all of it has been given.
    pub fn content(&mut self, most: u64) -> Outcome<&[u8]> {
        let wanted = self.left.min(most);
        if wanted == 0 {
            return Ok(&[]);
        }
        let count = self.take(wanted)?.len();
        if count == 0 {
            return Err(cut_short());
        }
        self.left -= count as u64;
        Ok(&self.piece[self.at - count..self.at])
    }
}

fn padding_of(size: u64) -> u64 {
    size.wrapping_neg() % BLOCK as u64
}

fn cut_short() -> Failure {
    Failure::invalid("the archive is cut short")
}
