//! The format by itself: what is written is read back, and noise does no harm.

use super::field::BLOCK;
use super::format::{kind, Header};
use super::inside::clean;
use super::reader::Reader;
use super::time::Time;
use crate::error::Outcome;
use crate::random::Random;

fn read(bytes: &[u8], piece: usize) -> Outcome<Vec<(Header, Vec<u8>)>> {
    let mut pieces = bytes.chunks(piece).map(<[u8]>::to_vec);
    let mut reader = Reader::new(|| Ok(pieces.next()));
    let mut entries = Vec::new();
    while let Some(header) = reader.next()? {
        let mut content = Vec::new();
        loop {
            match reader.content(u64::MAX)? {
                [] => break,
                more => content.extend_from_slice(more),
            }
        }
        entries.push((header, content));
    }
    Ok(entries)
}

fn archive(entries: &[(Header, Vec<u8>)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (header, content) in entries {
        bytes.extend(header.blocks());
        bytes.extend(content);
        bytes.resize(bytes.len().next_multiple_of(BLOCK), 0);
    }
    bytes.resize(bytes.len() + 2 * BLOCK, 0);
    bytes
}

fn samples() -> Vec<(Header, Vec<u8>)> {
    let file = |path: &[u8], content: &[u8]| {
        let header = Header {
            path: path.to_vec(),
            kind: kind::FILE,
            mode: 0o4755,
            uid: 1000,
            gid: 50,
            size: content.len() as u64,
            modified: Time { seconds: 1_700_000_000, nanoseconds: 0 },
            ..Header::default()
        };
        (header, content.to_vec())
    };
    let mut all = vec![file(b"plain", b"content"), file(b"empty", b""), file(&[b'n'; 100], &[7; 512])];
    all.push(file(&[b'l'; 300], &[8; 513]));
    let (header, _) = file(b"link", b"");
    all.push((Header { kind: kind::SYMLINK, link: vec![b't'; 200], ..header.clone() }, vec![]));
    all.push((Header { kind: kind::CHARACTER_DEVICE, device: (1, 3), ..header.clone() }, vec![]));
    all.push((
        Header {
            uid: 3_000_000,
            gid: u32::MAX - 1,
            modified: Time { seconds: -5, nanoseconds: 500_000_000 },
            ..header.clone()
        },
        vec![],
    ));
    all.push((Header { xattrs: vec![(b"user.key".to_vec(), b"=\0\n".to_vec())], ..header }, vec![]));
    all
}

#[test]
fn reads_what_it_writes() {
    let samples = samples();
    let bytes = archive(&samples);
    for piece in [1, 100, 512, 5_000, bytes.len()] {
        assert_eq!(read(&bytes, piece).unwrap(), samples);
    }
    // The end blocks may be missing too, but the archive may not be cut anywhere else.
    assert_eq!(read(&bytes[..bytes.len() - 1024], 512).unwrap(), samples);
    assert!(read(&bytes[..bytes.len() - 1024 - 1], 512).is_err());
    assert!(read(&bytes[..700], 512).is_err());
}

#[test]
fn noise_is_refused_without_harm() {
    let bytes = archive(&samples());
    let mut random = Random::new(5);
    for _ in 0..3_000 {
        let mut damaged = bytes.clone();
        for _ in 0..1 + random.below(4) {
            let at = random.below(damaged.len());
            damaged[at] = random.next() as u8;
        }
        // Repair the sums, so that the fields after them are reached.
        for block in damaged.chunks_mut(BLOCK) {
            if block.len() == BLOCK && &block[257..262] == b"ustar" {
                block[148..156].fill(b' ');
                let sum: u32 = block.iter().map(|&byte| u32::from(byte)).sum();
                block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
            }
        }
        let _ = read(&damaged, 1 + random.below(2_000));
    }
}

#[test]
fn paths_stay_inside() {
    assert_eq!(clean(b"/a//./b/").unwrap(), b"a/b");
    assert_eq!(clean(b"./").unwrap(), b"");
    assert_eq!(clean(b"..a/b..").unwrap(), b"..a/b..");
    for path in [b"..".as_slice(), b"../x", b"a/../../x", b"a/..", b"a\0b"] {
        assert!(clean(path).is_err());
    }
}
