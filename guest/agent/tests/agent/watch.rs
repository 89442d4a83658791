//! Watching directories.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::common::*;

const CREATED: u64 = 1;
const WRITTEN: u64 = 2;
const REMOVED: u64 = 3;
const RENAMED: u64 = 4;
const CHMODED: u64 = 5;

fn watch(client: &mut Client, path: &str, recursive: bool) -> u32 {
    let stream = client.open(method::WATCH, record().with(1, path).with(2, recursive));
    assert_eq!(client.next(stream), Event::Message(4, record()));
    stream
}

/// Changes until the wanted one, that one included.
fn until_change(client: &mut Client, stream: u32, kind: u64, name: &str) -> Vec<(u64, String)> {
    let mut seen = Vec::new();
    while seen.last() != Some(&(kind, name.to_owned())) {
        match client.next(stream) {
            Event::Message(5, change) => seen.push((change.int(1), change.text(2))),
            other => panic!("{other:?} after {seen:?}"),
        }
    }
    seen
}

fn named(changes: &[(u64, &str)]) -> Vec<(u64, String)> {
    changes.iter().map(|(kind, name)| (*kind, (*name).to_owned())).collect()
}

/// The answer to a ping says that all changes before it have been told, also if both calls arrive in one piece.
#[test]
fn tells_changes_before_it_answers_a_ping() {
    let agent = Agent::start();
    let mut client = agent.connect();
    let top = agent.folder.path("top");
    fs::create_dir(&top).unwrap();
    let stream = watch(&mut client, &top, false);
    let call = |number: u32, method: u8, arguments: Record| {
        frame(kind::OPEN, number, &[vec![method], arguments.encode()].concat())
    };
    for round in 0..10 {
        let made = 1_001 + 4 * round;
        let path = agent.folder.path(&format!("top/{round}"));
        let burst = [call(made, method::MKDIR, record().with(1, &*path)), call(made + 2, method::PING, record())];
        client.send_raw(&burst.concat());
        let mut told = false;
        loop {
            let (kind, number, _) = client.next_frame().unwrap();
            told |= kind == kind::MESSAGE && number == stream;
            if number == made + 2 {
                break;
            }
        }
        assert!(told, "round {round}");
    }
}

#[test]
fn tells_every_kind_of_change() {
    let agent = Agent::start();
    let mut client = agent.connect();
    let top = agent.folder.path("top");
    fs::create_dir(&top).unwrap();
    let stream = watch(&mut client, &top, false);
    let file = format!("{top}/file");
    fs::write(&file, "1").unwrap();
    assert_eq!(until_change(&mut client, stream, WRITTEN, "file"), named(&[(CREATED, "file"), (WRITTEN, "file")]));
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    assert_eq!(until_change(&mut client, stream, CHMODED, "file"), named(&[(CHMODED, "file")]));
    fs::rename(&file, format!("{top}/other")).unwrap();
    assert_eq!(until_change(&mut client, stream, CREATED, "other"), named(&[(RENAMED, "file"), (CREATED, "other")]));
    fs::remove_file(format!("{top}/other")).unwrap();
    assert_eq!(until_change(&mut client, stream, REMOVED, "other"), named(&[(REMOVED, "other")]));
    // Not below, unless asked for.
    fs::create_dir(format!("{top}/folder")).unwrap();
    fs::write(format!("{top}/folder/hidden"), "").unwrap();
    fs::remove_file(format!("{top}/folder/hidden")).unwrap();
    fs::remove_dir(format!("{top}/folder")).unwrap();
    let seen = until_change(&mut client, stream, REMOVED, "folder");
    assert_eq!(seen, named(&[(CREATED, "folder"), (REMOVED, "folder")]));
    fs::remove_dir(&top).unwrap();
    assert_eq!(client.next(stream), Event::Result(record()));
}

#[test]
fn an_upload_is_create_chmod_write() {
    let agent = Agent::start();
    let mut client = agent.connect();
    let top = agent.folder.path("top");
    fs::create_dir(&top).unwrap();
    let stream = watch(&mut client, &top, false);
    let upload = client.open(method::WRITE, record().with(1, &format!("{top}/file")));
    client.upload(upload, b"content").unwrap();
    fs::write(format!("{top}/end"), "").unwrap();
    let seen = until_change(&mut client, stream, CREATED, "end");
    assert_eq!(seen, named(&[(CREATED, "file"), (CHMODED, "file"), (WRITTEN, "file"), (CREATED, "end")]));
}

#[test]
fn watches_all_below() {
    let agent = Agent::start();
    let mut client = agent.connect();
    let top = agent.folder.path("top");
    fs::create_dir_all(format!("{top}/a/b")).unwrap();
    for number in 0..200 {
        fs::create_dir(format!("{top}/a/{number}")).unwrap();
    }
    let stream = watch(&mut client, &top, true);
    fs::write(format!("{top}/a/b/file"), "").unwrap();
    assert_eq!(until_change(&mut client, stream, CREATED, "a/b/file"), named(&[(CREATED, "a/b/file")]));
    fs::write(format!("{top}/a/199/file"), "").unwrap();
    assert_eq!(until_change(&mut client, stream, CREATED, "a/199/file"), named(&[(CREATED, "a/199/file")]));
    // What is in a new directory before it is watched is not missed.
    fs::create_dir_all(format!("{top}/new/deep")).unwrap();
    fs::write(format!("{top}/new/deep/file"), "").unwrap();
    let seen = until_change(&mut client, stream, CREATED, "new/deep/file");
    assert_eq!(seen[0], (CREATED, "new".into()));
    fs::write(format!("{top}/new/deep/later"), "").unwrap();
    until_change(&mut client, stream, CREATED, "new/deep/later");
    // A directory that moves is known by its new name.
    fs::rename(format!("{top}/new"), format!("{top}/a/moved")).unwrap();
    until_change(&mut client, stream, CREATED, "a/moved");
    fs::write(format!("{top}/mark"), "").unwrap();
    until_change(&mut client, stream, CREATED, "mark");
    fs::write(format!("{top}/a/moved/deep/file"), "x").unwrap();
    assert_eq!(until_change(&mut client, stream, WRITTEN, "a/moved/deep/file").len(), 1);
    // One that leaves is not followed.
    fs::rename(format!("{top}/a/moved"), agent.folder.path("gone")).unwrap();
    until_change(&mut client, stream, RENAMED, "a/moved");
    fs::write(agent.folder.path("gone/file"), "").unwrap();
    fs::write(format!("{top}/last"), "").unwrap();
    let seen = until_change(&mut client, stream, CREATED, "last");
    assert!(!seen.iter().any(|(_, name)| name.contains("gone") || name.contains("moved/file")), "{seen:?}");
}

#[test]
fn keeps_up_or_says_so() {
    let agent = Agent::start();
    let mut client = agent.connect();
    let top = agent.folder.path("top");
    fs::create_dir(&top).unwrap();
    let stream = watch(&mut client, &top, false);
    // Far more than the session's outbox holds, while nobody reads.
    let before = agent.memory_kb();
    for number in 0..30_000 {
        fs::File::create(format!("{top}/{number}")).unwrap();
    }
    fs::remove_dir_all(&top).unwrap();
    let (mut changes, mut lost) = (0, false);
    loop {
        match client.next(stream) {
            Event::Message(5, _) => changes += 1,
            Event::Message(6, _) => lost = true,
            Event::Result(_) => break,
            other => panic!("{other:?}"),
        }
        if lost && changes > 0 && !exists(&top) {
            // Among what was lost may be the end itself.
            break;
        }
    }
    assert!(lost || changes >= 60_000, "{changes} changes");
    assert!(agent.memory_kb() < before + 2_048);
    assert!(client.is_alive());
}

#[test]
fn refuses_what_cannot_be_watched() {
    let agent = Agent::start();
    let mut client = agent.connect();
    let path = |path: &str| record().with(1, path);
    assert_eq!(client.fail(method::WATCH, path(&agent.folder.path("nothing"))), "not_found");
    assert_eq!(client.fail(method::WATCH, path("/etc/passwd")), "not_a_directory");
    assert_eq!(client.fail(method::WATCH, path("relative")), "invalid_argument");
    let streams: Vec<u32> = (0..64).map(|_| watch(&mut client, "/", false)).collect();
    assert_eq!(client.fail(method::WATCH, path("/")), "resource_exhausted");
    client.send(kind::CANCEL, streams[0], &[]);
    watch(&mut client, "/", false);
}
