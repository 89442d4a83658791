//! A guest that goes on from a snapshot: what happens to the sessions and the processes of its parent's clients.

use std::io::Read;
use std::net::TcpListener;

use crate::common::*;

/// The arguments of `configure` for a guest that goes on.
fn continued(generation: &str) -> Record {
    record().with(1, &[7u8; 64][..]).with(14, record().with(1, generation).with(2, true).with(3, "parent"))
}

fn is_running(client: &mut Client, exec: u64) -> bool {
    let list = client.call(method::LIST, record());
    list.all(1).iter().any(|entry| {
        let entry = Record::parse(entry);
        entry.int(1) == exec && entry.int(8) == 1
    })
}

#[test]
fn confirms_its_generation_and_refuses_what_is_incomplete() {
    let agent = Agent::start();
    let mut client = agent.connect();
    assert_eq!(client.call(method::CONFIGURE, continued("gen-1.a_B")).text(1), "gen-1.a_B");
    assert_eq!(client.call(method::CONFIGURE, record()).get(1), None);
    let nested = |fields: Record| record().with(1, &[7u8; 64][..]).with(14, fields);
    for refused in [
        record().with(14, record().with(1, "without-entropy")),
        nested(record()),
        nested(record().with(1, "")),
        nested(record().with(1, "two lines\n")),
        nested(record().with(1, "../escape/")),
        nested(record().with(1, &"x".repeat(65))),
        nested(record().with(1, "gen").with(3, "no name")),
    ] {
        assert_eq!(client.fail(method::CONFIGURE, refused), "invalid_argument");
    }
}

#[test]
fn every_process_goes_on_and_can_be_attached_to() {
    let agent = Agent::start();
    let mut old = agent.connect();
    let wait = 1_500u64;
    let (_, attached) = old.start(shell("while read line; do echo got $line; done").with(7, true).with(14, wait));
    let (_, terminal) = old.start(shell("while read line; do echo got $line; done").with(5, record()).with(14, wait));
    let (left, leaving) = old.start(shell("exec sleep 1000").with(14, wait));
    old.message(left, 18, record().with(1, wait));
    let detached = old.call(method::EXEC, shell("exec sleep 1000").with(10, true)).int(4);
    let execs = [attached, terminal, leaving, detached];
    // This one has been waiting for a client since before the snapshot.
    let mut gone = agent.connect();
    let (_, lost) = gone.start(shell("exec sleep 1000").with(14, wait));
    drop(gone);

    let mut new = agent.connect();
    new.call(method::CONFIGURE, continued("child"));
    let mut end = [0];
    old.socket.set_nonblocking(false).unwrap();
    while old.socket.read(&mut end).unwrap() > 0 {}

    // A process that is lost now ends after the same time, when all the others would have ended.
    let mut later = agent.connect();
    let (_, mortal) = later.start(shell("exec sleep 1000").with(14, 2 * wait));
    drop(later);
    until("the process that is lost now has ended", || {
        for exec in execs.iter().chain([&lost]) {
            assert!(is_running(&mut new, *exec), "{exec}");
        }
        !is_running(&mut new, mortal)
    });

    for exec in [attached, terminal] {
        let stream = new.open(method::ATTACH, record().with(1, exec).with(4, true));
        assert!(matches!(new.next(stream), Event::Message(1, _)));
        new.data(stream, b"word\n");
        let mut seen = String::new();
        while !seen.contains("got word") {
            if let Event::Data(_, data) = new.next(stream) {
                seen.push_str(&String::from_utf8_lossy(&data));
            }
        }
    }
    // Who loses it from now on does not end it either.
    drop(new);
    let mut last = agent.connect();
    for exec in execs.iter().chain([&lost]) {
        assert!(is_running(&mut last, *exec), "{exec}");
        last.call(method::SIGNAL, record().with(1, *exec).with(2, 9u64));
    }
}

#[test]
fn drops_what_the_old_clients_had_open() {
    let agent = Agent::start();
    let mut new = agent.connect();
    let descriptors = agent.open_descriptors();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut old = agent.connect();
    let tunnel = old.open(method::TUNNEL, record().with(2, u64::from(listener.local_addr().unwrap().port())));
    assert!(matches!(old.next(tunnel), Event::Message(7, _)));
    let (mut inside, _) = listener.accept().unwrap();
    let watch = old.open(method::WATCH, record().with(1, &agent.folder.path(".")));
    assert!(matches!(old.next(watch), Event::Message(4, _)));
    old.open(method::READ, record().with(1, "/dev/zero"));
    let write = old.open(method::WRITE, record().with(1, &agent.folder.path("half")));
    old.data(write, b"begun");
    old.open(method::TAR_IN, record().with(1, &agent.folder.path("folder")));
    // The file is there once the agent has taken its first bytes.
    until("the upload has begun", || std::fs::read(agent.folder.path("half")).is_ok_and(|bytes| bytes == b"begun"));

    new.call(method::CONFIGURE, continued("child"));
    assert_eq!(inside.read(&mut [0; 16]).unwrap(), 0);
    until("all descriptors are closed", || agent.open_descriptors() == descriptors);
    // The session that asked for it goes on.
    assert!(new.is_alive());
}

#[test]
fn a_session_cut_in_a_frame_is_replaced_and_its_process_goes_on() {
    let agent = Agent::start();
    let mut client = agent.connect();
    let (stream, exec) =
        client.start(shell("while read line; do echo got $line; done").with(7, true).with(14, 60_000u64));
    let cut = frame(kind::DATA, stream, &[&[0u8][..], &noise(20_000)].concat());
    client.send_raw(&cut[..5_000]);
    client.handshake(true);
    client.call(method::CONFIGURE, continued("child"));
    let attached = client.open(method::ATTACH, record().with(1, exec).with(4, true));
    assert!(matches!(client.next(attached), Event::Message(1, _)));
    client.data(attached, b"whole\n");
    assert!(matches!(client.next(attached), Event::Data(1, data) if data == b"got whole\n"));
    client.finish(attached);
    assert_eq!(client.collect(attached).code(), 0);
}
