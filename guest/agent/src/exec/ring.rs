//! Keeps the newest bytes of an output, addressed by their offset in all that was ever produced.

/// The amount that every process may keep. It is also the most that one read brings.
pub const SMALLEST_RING: usize = 64 * 1024;

pub struct Ring {
    /// Byte `n` of the output is at `(n - base) % capacity`. The vector grows up to the capacity as output comes.
    bytes: Vec<u8>,
    base: u64,
    capacity: usize,
    total: u64,
    /// The memory that this ring may still take.
    reserved: usize,
}

impl Ring {
    pub fn new(capacity: usize) -> Self {
        let capacity = capacity.max(SMALLEST_RING);
        Ring { bytes: Vec::new(), base: 0, capacity, total: 0, reserved: capacity }
    }

    pub fn total(&self) -> u64 {
        self.total
    }

    /// The oldest offset still kept.
    pub fn oldest(&self) -> u64 {
        self.total - self.bytes.len() as u64
    }

    /// The memory that the ring takes, or may take later, beyond what every ring may.
    pub fn extra(&self) -> usize {
        self.reserved.saturating_sub(SMALLEST_RING)
    }

    fn index(&self, offset: u64) -> usize {
        ((offset - self.base) % self.capacity as u64) as usize
    }

    pub fn push(&mut self, mut bytes: &[u8]) {
        if bytes.len() > self.capacity {
            let skipped = bytes.len() - self.capacity;
            self.total += skipped as u64;
            self.forget();
            bytes = &bytes[skipped..];
        }
        // While the ring grows, the place of the next byte is the end of the vector.
        let (new, over) = bytes.split_at(bytes.len().min(self.capacity - self.bytes.len()));
        self.bytes.extend_from_slice(new);
        self.total += new.len() as u64;
        if over.is_empty() {
            return;
        }
        let at = self.index(self.total);
        let (first, second) = over.split_at(over.len().min(self.capacity - at));
        self.bytes[at..at + first.len()].copy_from_slice(first);
        self.bytes[..second.len()].copy_from_slice(second);
        self.total += over.len() as u64;
    }

    /// Gives the bytes after an offset, as far as they are contiguous; empty at the end.
    pub fn from(&self, offset: u64) -> &[u8] {
        if offset >= self.total || offset < self.oldest() {
            return &[];
        }
        let at = self.index(offset);
        let left = usize::try_from(self.total - offset).unwrap_or(usize::MAX);
        &self.bytes[at..self.bytes.len().min(at.saturating_add(left))]
    }

    /// Drops the kept bytes; the offsets go on.
    pub fn forget(&mut self) {
        self.bytes = Vec::new();
        self.base = self.total;
    }

    /// Called when there will be no more output.
    pub fn seal(&mut self) {
        self.bytes.shrink_to_fit();
        self.reserved = self.bytes.len();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn everything(ring: &Ring) -> Vec<u8> {
        let mut out = Vec::new();
        let mut offset = ring.oldest();
        while offset < ring.total() {
            let piece = ring.from(offset);
            assert!(!piece.is_empty());
            out.extend_from_slice(piece);
            offset += piece.len() as u64;
        }
        out
    }

    #[test]
    fn keeps_the_newest_bytes() {
        let mut ring = Ring::new(0);
        let mut all = Vec::new();
        let mut size = 1;
        for round in 0..200_usize {
            let piece: Vec<u8> = (0..size).map(|at| (at * 31 + round) as u8).collect();
            ring.push(&piece);
            all.extend_from_slice(&piece);
            size = size * 7 % 9_001 + 1;
            let kept = &all[all.len().saturating_sub(SMALLEST_RING)..];
            assert_eq!(ring.total(), all.len() as u64);
            assert_eq!(everything(&ring), kept);
        }
        ring.push(&vec![7; 3 * SMALLEST_RING + 1]);
        assert_eq!(everything(&ring), vec![7; SMALLEST_RING]);
    }

    #[test]
    fn goes_on_after_forgetting() {
        let mut ring = Ring::new(0);
        ring.push(b"abc");
        ring.forget();
        assert_eq!((ring.oldest(), ring.total()), (3, 3));
        ring.push(b"de");
        assert_eq!(ring.from(3), b"de");
        ring.push(&vec![1; SMALLEST_RING]);
        assert_eq!(everything(&ring), vec![1; SMALLEST_RING]);
    }

    #[test]
    fn gives_nothing_outside_of_what_it_keeps() {
        let mut ring = Ring::new(0);
        assert_eq!(ring.from(0), b"");
        ring.push(&vec![1; SMALLEST_RING + 5]);
        assert_eq!(ring.oldest(), 5);
        assert_eq!(ring.from(4), b"");
        assert_eq!(ring.from(ring.total()), b"");
        assert_eq!(ring.from(u64::MAX), b"");
    }
}
