//! Sessions: handshake, resynchronisation, limits, several at once, and input that is no input.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use crate::common::json::Json;
use crate::common::random::Random;
use crate::common::*;

fn raw(agent: &Agent) -> UnixStream {
    let socket = UnixStream::connect(agent.socket()).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    socket
}

#[test]
fn holds_the_dialogues_of_the_vectors() {
    let agent = Agent::start();
    for dialogue in Json::vectors("dialogues.json") {
        // A fresh agent for each, as numbers of processes count up.
        let own;
        let agent = if dialogue.text("name").starts_with("a process") {
            own = Agent::start();
            &own
        } else {
            &agent
        };
        let mut socket = raw(agent);
        for step in dialogue.list("steps") {
            let bytes = step.hex("bytes");
            if step.text("from") == "host" {
                socket.write_all(&bytes.repeat(step.number("repeat") as usize)).unwrap();
                continue;
            }
            let varies = step.get("varies") == &Json::Bool(true);
            let mut answer = vec![0; if varies { 9 } else { bytes.len() }];
            socket.read_exact(&mut answer).unwrap_or_else(|error| panic!("{}: {error}", dialogue.text("name")));
            if varies {
                assert_eq!(answer[4..9], bytes[4..9], "{}", dialogue.text("name"));
                let length = u32::from_le_bytes(answer[..4].try_into().unwrap()) as usize;
                socket.read_exact(&mut vec![0; length + 1]).unwrap();
            } else {
                assert_eq!(answer, bytes, "{}", dialogue.text("name"));
            }
        }
    }
}

#[test]
fn breaks_at_everything_malformed() {
    let agent = Agent::start();
    let ping = |word: &str| frame(kind::OPEN, 1_001, &[vec![method::PING], record().with(1, word).encode()].concat());
    for vector in Json::vectors("malformed.json") {
        if vector.text("by") == "host" {
            continue;
        }
        let mut client = agent.connect();
        client.send_raw(&vector.hex("bytes").repeat(vector.number("repeat") as usize));
        client.send_raw(&ping("unheard"));
        let nonce = [0xAB; 16];
        client.send_raw(&[MAGIC, &[1, 1], &nonce].concat());
        client.send_raw(&ping("heard"));
        let mut seen: Vec<u8> = Vec::new();
        while !seen.windows(5).any(|window| window == b"heard") {
            let mut bytes = [0; 4_096];
            let count =
                client.socket.read(&mut bytes).unwrap_or_else(|error| panic!("{}: {error}", vector.text("name")));
            seen.extend(&bytes[..count]);
        }
        assert!(!seen.windows(7).any(|window| window == b"unheard"), "{}", vector.text("name"));
        assert!(seen.windows(16).any(|window| window == nonce), "{}", vector.text("name"));
    }
}

#[test]
fn finds_a_handshake_anywhere() {
    let agent = Agent::start();
    let mut client = agent.connect();
    let whole = frame(kind::OPEN, 1, &[vec![method::WRITE], record().with(1, "/no/such").encode()].concat());
    let mut random = Random::new(3);
    for cut in 0..whole.len() {
        client.send_raw(&whole[..cut]);
        client.handshake(true);
        assert!(client.is_alive());
    }
    for _ in 0..50 {
        let noise: Vec<u8> = (0..random.below(3_000)).map(|_| random.next() as u8).collect();
        client.send_raw(&noise);
        client.handshake(true);
        assert!(client.is_alive());
    }
    // At a frame boundary the flush may be left out.
    for _ in 0..50 {
        client.handshake(false);
        assert!(client.is_alive());
    }
}

#[test]
fn agrees_on_a_version() {
    let agent = Agent::start();
    let mut client = Client::new(raw(&agent));
    assert_eq!(client.shake_hands(false, 2, 255), 0);
    assert_eq!(client.shake_hands(true, 0, 0), 0);
    assert_eq!(client.shake_hands(false, 0, 255), 1);
    assert!(client.is_alive());
}

#[test]
fn a_new_session_drops_the_old_one_wholly() {
    let agent = Agent::start();
    let mut client = agent.connect();
    let descriptors = agent.open_descriptors();
    for _ in 0..20 {
        // Endless output, an upload under way, and a process: all on numbers the next session uses again.
        client.open(method::READ, record().with(1, "/dev/zero"));
        let upload = client.open(method::WRITE, record().with(1, &agent.folder.path("file")));
        client.data(upload, b"begun");
        client.open(method::EXEC, command(&["true"]));
        client.handshake(false);
        assert!(client.is_alive());
    }
    until("freed descriptors", || agent.open_descriptors() <= descriptors);
}

#[test]
fn serves_several_at_once() {
    let agent = Agent::start();
    let mut clients: Vec<Client> = (0..8).map(|_| agent.connect()).collect();
    let streams: Vec<u32> =
        clients.iter_mut().map(|client| client.start(command(&["head", "-c", "3000000", "/dev/zero"])).0).collect();
    for (client, stream) in clients.iter_mut().zip(streams) {
        assert_eq!(client.collect(stream).stdout.len(), 3_000_000);
    }
    let mut left = agent.connect();
    assert!(left.is_alive());
    // More than the limit: the rest is turned away, those who are there stay.
    let mut more: Vec<UnixStream> = (0..80).map(|_| raw(&agent)).collect();
    assert!(left.is_alive());
    until("somebody turned away", || {
        more.iter_mut().any(|socket| {
            socket.set_nonblocking(true).unwrap();
            matches!(socket.read(&mut [0; 8]), Ok(0))
        })
    });
    drop(more);
    until("room again", || {
        let mut socket = raw(&agent);
        let _ = socket.write_all(&[MAGIC, &[1, 1], &[0; 16]].concat());
        matches!(socket.read(&mut [0; 26]), Ok(26))
    });
}

#[test]
fn bounds_the_streams_of_a_session() {
    let agent = Agent::start();
    let mut client = agent.connect();
    let streams: Vec<u32> = (0..1_024).map(|_| client.open(method::WRITE, record().with(1, "/dev/null"))).collect();
    assert_eq!(client.fail(method::PING, record()), "resource_exhausted");
    client.send(kind::CANCEL, streams[7], &[]);
    assert!(client.is_alive());
    for stream in &streams[8..] {
        client.finish(*stream);
        assert!(client.result(*stream).is_ok());
    }
}

#[test]
fn breaks_at_more_than_the_credit() {
    let agent = Agent::start();
    let mut client = agent.connect();
    // A process that does not read: nothing is granted back.
    let (stream, exec) = client.start(command(&["sleep", "100"]).with(7, true));
    for _ in 0..9 {
        client.data(stream, &[0; 32_000]);
    }
    client.send(kind::OPEN, 1_001, &[method::INFO]);
    client.handshake(true);
    client.call(method::SIGNAL, record().with(1, exec).with(2, 9));
    // Up to the credit it is fine.
    let (stream, exec) = client.start(command(&["sleep", "100"]).with(7, true));
    for _ in 0..8 {
        client.data(stream, &[0; 32_767]);
    }
    assert!(client.is_alive());
    client.call(method::SIGNAL, record().with(1, exec).with(2, 9));
    assert_eq!(client.collect(stream).code(), 137);
}

#[test]
fn answers_after_input_for_streams_that_have_ended() {
    let agent = Agent::start();
    let mut client = agent.connect();
    let stream = client.open(method::PING, record());
    client.result(stream).unwrap();
    client.data(stream, &[0; 30_000]);
    client.finish(stream);
    client.credit(stream, usize::MAX);
    client.send(kind::CANCEL, stream, &[]);
    client.message(stream, 16, record().with(1, 5));
    assert!(client.is_alive());
    assert_eq!(client.fail(0, record()), "unimplemented");
    assert_eq!(client.fail(255, record()), "unimplemented");
    assert_eq!(client.fail(method::PING, record().with(1, [0; 1_025].as_slice())), "invalid_argument");
}

/// Frames that are almost right, in any order, over and over: the agent must neither end nor hang nor grow.
#[test]
fn survives_a_hostile_host() {
    let agent = Agent::start();
    let mut random = Random::new(4);
    // What a careless method could do harm to is all in here.
    let folder = agent.folder.path("fuzz");
    let dangerous = [method::CONFIGURE, method::DEADLINE, method::SHUTDOWN];
    let end = std::time::Instant::now() + Duration::from_secs(4);
    let mut rounds = 0;
    while std::time::Instant::now() < end {
        let mut client = agent.connect();
        for _ in 0..100 {
            let kind = if random.below(3) == 0 { kind::OPEN } else { random.below(11) as u8 };
            let stream = if random.below(20) == 0 { random.next() as u32 } else { random.below(64) as u32 * 2 + 1 };
            let mut payload = vec![random.below(30) as u8];
            if dangerous.contains(&payload[0]) {
                continue;
            }
            for _ in 0..random.below(5) {
                let tag = random.below(14) as u8;
                payload.extend(
                    match random.below(6) {
                        0 => record().with(tag, random.next() >> random.below(53)),
                        1 => record().with(tag, &folder),
                        2 => record().with(tag, &format!("{folder}/{}", random.below(4))),
                        3 => record().with(tag, "true"),
                        4 => record().with(tag, record().with(1, random.next() >> 40).with(2, 5)),
                        // Never a path: the folder above is the only place that may be touched.
                        _ => record().with(tag, vec![random.next() as u8 & 0x0F; random.below(40)].as_slice()),
                    }
                    .encode(),
                );
            }
            if random.below(30) == 0 {
                let at = random.below(payload.len());
                payload[at] ^= 1 << random.below(8);
            }
            // The change may have made it one of those.
            if dangerous.contains(&payload[0]) {
                continue;
            }
            let mut bytes = frame(kind, stream, &payload);
            if random.below(200) == 0 {
                bytes.truncate(random.below(bytes.len()));
            }
            client.send_raw(&bytes);
        }
        client.handshake(true);
        assert!(client.is_alive());
        rounds += 1;
    }
    assert!(rounds > 10);
    let mut client = agent.connect();
    assert_eq!(client.run(shell("echo fine")).text(), "fine\n");
    let memory = agent.memory_kb();
    assert!(memory < 32_768, "{memory} kB");
}
