//! The codec against the golden vectors, cut bytes, and noise.

use super::*;
use crate::random::Random;
use crate::record::{is_well_formed, Fields, Record};
use crate::vectors::Json;

#[derive(Debug, PartialEq, Eq)]
enum Owned {
    Frame(u8, u32, Vec<u8>),
    Handshake(u8, u8, [u8; 16]),
    Broken,
}

fn shake_hands(decoder: &mut Decoder) {
    feed(decoder, &[&MAGIC[..], &[1, 1], &[0; 16]].concat());
    assert_eq!(drain(decoder), [Owned::Handshake(1, 1, [0; 16])]);
}

fn feed(decoder: &mut Decoder, bytes: &[u8]) {
    let space = decoder.space();
    space[..bytes.len()].copy_from_slice(bytes);
    decoder.filled(bytes.len());
}

fn drain(decoder: &mut Decoder) -> Vec<Owned> {
    let mut items = Vec::new();
    while let Some(item) = decoder.next() {
        items.push(match item {
            Item::Frame(frame) => Owned::Frame(frame.kind, frame.stream, frame.payload.to_vec()),
            Item::Handshake { lowest, highest, nonce } => Owned::Handshake(lowest, highest, nonce),
            Item::Broken => Owned::Broken,
        });
    }
    items
}

/// Everything that a session decodes from these bytes, fed in pieces.
fn decode(bytes: &[u8], piece: usize) -> Vec<Owned> {
    let mut decoder = Decoder::default();
    shake_hands(&mut decoder);
    bytes
        .chunks(piece)
        .flat_map(|piece| {
            feed(&mut decoder, piece);
            drain(&mut decoder)
        })
        .collect()
}

#[test]
fn frames_are_as_in_the_vectors() {
    for vector in Json::vectors("frames.json") {
        let (kind, stream, payload) =
            (vector.number("kind") as u8, vector.number("stream") as u32, vector.hex("payload"));
        let bytes = vector.hex("bytes");
        let mut encoded = Vec::new();
        let (head, body) = payload.split_at(payload.len().min(1));
        append(&mut encoded, kind, stream, head, body);
        assert_eq!(encoded, bytes, "{}", vector.text("name"));
        let expected = [Owned::Frame(kind, stream, payload)];
        for piece in [1, 7, 4_096] {
            assert_eq!(decode(&bytes, piece), expected, "{}", vector.text("name"));
        }
    }
}

#[test]
fn records_are_as_in_the_vectors() {
    for vector in Json::vectors("records.json") {
        let mut record = Record::new();
        let mut expected = Vec::new();
        for field in vector.list("fields") {
            let tag = field.number("tag") as u8;
            let value = match field.get("int") {
                Json::Text(number) => number.parse::<u64>().unwrap().to_le_bytes().to_vec(),
                _ => field.hex("bytes"),
            };
            record.bytes(tag, &value);
            expected.push((tag, value));
        }
        let bytes = vector.hex("bytes");
        assert_eq!(record.0, bytes, "{}", vector.text("name"));
        assert!(is_well_formed(&bytes));
        let read: Vec<_> = Fields::new(&bytes).map(|(tag, value)| (tag, value.to_vec())).collect();
        assert_eq!(read, expected);
    }
}

#[test]
fn handshakes_are_as_in_the_vectors() {
    for vector in Json::vectors("handshakes.json") {
        let (lowest, highest) = (vector.number("lowest") as u8, vector.number("highest") as u8);
        let nonce: [u8; 16] = vector.hex("nonce").try_into().unwrap();
        assert_eq!(handshake_answer(lowest, highest, &nonce).to_vec(), vector.hex("guest"));
        let bytes = [vec![0xFF; vector.number("flush") as usize], vector.hex("host")].concat();
        let mut decoder = Decoder::default();
        let mut items = Vec::new();
        for piece in bytes.chunks(1_000) {
            feed(&mut decoder, piece);
            items.extend(drain(&mut decoder));
        }
        assert_eq!(items, [Owned::Handshake(lowest, highest, nonce)], "{}", vector.text("name"));
    }
}

#[test]
fn a_flush_ends_every_cut_frame() {
    let mut frame = Vec::new();
    append(&mut frame, frame_kind::DATA, 1, &[0], &[0x4E; 300]);
    let handshake = [&MAGIC[..], &[1, 1], &[7; 16]].concat();
    for cut in 0..frame.len() {
        let bytes = [&frame[..cut], &[0xFF; 32_784], &handshake].concat();
        let items = decode(&bytes, 5_000);
        assert_eq!(items, [Owned::Broken, Owned::Handshake(1, 1, [7; 16])], "cut at {cut}");
    }
    assert_eq!(decode(&handshake, 3), [Owned::Broken, Owned::Handshake(1, 1, [7; 16])]);
}

#[test]
fn data_is_read_in_place() {
    let mut out = vec![1, 2, 3];
    assert_eq!(append_data_with(&mut out, 9, 2, 10, |_| Err::<usize, _>("no")), Err("no"));
    assert_eq!(append_data_with(&mut out, 9, 2, 10, |_| Ok::<_, ()>(0)), Ok(0));
    assert_eq!(out, [1, 2, 3]);
    let fill = |buffer: &mut [u8]| {
        assert_eq!(buffer.len(), 10);
        buffer[..4].copy_from_slice(b"four");
        Ok::<_, ()>(4)
    };
    append_data_with(&mut out, 9, 2, 10, fill).unwrap();
    let mut expected = vec![1, 2, 3];
    append(&mut expected, frame_kind::DATA, 9, &[2], b"four");
    assert_eq!(out, expected);
}

/// Any input, in any pieces, causes no panic and no stall, and a handshake is always found afterwards.
#[test]
fn noise_does_no_harm() {
    let mut random = Random::new(1);
    for _ in 0..2_000 {
        let mut bytes = Vec::new();
        for _ in 0..random.below(6) {
            match random.below(5) {
                0 => bytes.extend((0..random.below(300)).map(|_| random.next() as u8)),
                1 => bytes.extend(vec![0xFF; random.below(50)]),
                2 => bytes.extend(&MAGIC[..random.below(9)]),
                3 => {
                    append(&mut bytes, random.next() as u8, random.next() as u32, b"x", &vec![0x4E; random.below(500)]);
                }
                _ => bytes.extend((random.below(40_000) as u32).to_le_bytes()),
            }
        }
        bytes.extend([0xFF; 32_784]);
        bytes.extend([&MAGIC[..], &[1, 1], &[9; 16]].concat());
        let items = decode(&bytes, 1 + random.below(16_000));
        assert_eq!(items.last(), Some(&Owned::Handshake(1, 1, [9; 16])));
    }
}

#[test]
fn noise_is_no_record_or_a_whole_one() {
    let mut random = Random::new(2);
    for _ in 0..20_000 {
        let bytes: Vec<u8> = (0..random.below(40)).map(|_| (random.next() & 3) as u8).collect();
        let read: usize = Fields::new(&bytes).map(|(_, value)| value.len() + 5).sum();
        assert_eq!(is_well_formed(&bytes), read == bytes.len());
    }
}
