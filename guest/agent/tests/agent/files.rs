//! Files: reading, writing, looking.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{symlink, MetadataExt, PermissionsExt};

use crate::common::*;

fn path(path: &str) -> Record {
    record().with(1, path)
}

#[test]
fn writes_and_reads_a_large_file() {
    let agent = Agent::start();
    let mut client = agent.connect();
    let file = agent.folder.path("a/b/file");
    let content = noise(10_000_000);
    let before = agent.memory_kb();
    let stream = client.open(method::WRITE, path(&file));
    let result = client.upload(stream, &content).unwrap();
    assert_eq!(result.int(1), content.len() as u64);
    let entry = result.record(2);
    assert_eq!(
        (entry.text(1).as_str(), entry.text(2), entry.int(3), entry.int(4)),
        ("file", file.clone(), 1, 10_000_000)
    );
    assert_eq!(entry.int(5), 0o644);
    assert!(fs::read(&file).unwrap() == content);
    assert_eq!(fs::metadata(agent.folder.path("a/b")).unwrap().mode() & 0o777, 0o755);

    let stream = client.open(method::READ, path(&file));
    let Event::Message(2, stat) = client.next(stream) else { panic!() };
    assert_eq!(stat.int(4), 10_000_000);
    let (read, result) = client.download(stream);
    assert!(read == content);
    assert_eq!(result.int(1), 10_000_000);
    let stream = client.open(method::READ, path(&file).with(2, 1_000).with(3, 70_000));
    assert!(client.download(stream).0 == content[1_000..71_000]);
    assert!(agent.memory_kb() < before + 2_048);
}

#[test]
fn writes_in_every_way() {
    let agent = Agent::start();
    let mut client = agent.connect();
    let file = agent.folder.path("file");
    let mut write = |arguments: Record, content: &[u8]| {
        let stream = client.open(method::WRITE, arguments);
        client.upload(stream, content)
    };
    write(path(&file).with(2, 0o4751), b"0123456789").unwrap();
    assert_eq!(fs::metadata(&file).unwrap().mode() & 0o7777, 0o4751);
    write(path(&file).with(4, true), b"ab").unwrap();
    assert_eq!(fs::read(&file).unwrap(), b"0123456789ab");
    write(path(&file).with(6, 3), b"XY").unwrap();
    assert_eq!(fs::read(&file).unwrap(), b"012XY56789ab");
    write(path(&file).with(6, 0), b"Z").unwrap();
    assert_eq!(fs::read(&file).unwrap(), b"Z12XY56789ab");
    write(path(&file), b"").unwrap();
    assert_eq!(fs::read(&file).unwrap(), b"");
    assert_eq!(write(path(&file).with(5, true), b"").unwrap_err().text(1), "already_exists");
    assert_eq!(write(path(&agent.folder.path("")), b"").unwrap_err().text(1), "is_a_directory");
    assert_eq!(write(path(&format!("{file}/x")), b"").unwrap_err().text(1), "not_a_directory");
    assert_eq!(write(path("relative"), b"").unwrap_err().text(1), "invalid_argument");
    assert_eq!(write(path(&file).with(3, "nobody-there"), b"").unwrap_err().text(1), "unauthenticated");
    // A link is followed, also one that leads to nothing yet.
    let link = agent.folder.path("link");
    symlink(agent.folder.path("target"), &link).unwrap();
    write(path(&link), b"through").unwrap();
    assert_eq!(fs::read(agent.folder.path("target")).unwrap(), b"through");
}

#[test]
fn gives_new_files_to_the_user() {
    if !is_superuser() {
        return;
    }
    let agent = Agent::start();
    let mut client = agent.connect();
    let file = agent.folder.path("of/daemon/file");
    let stream = client.open(method::WRITE, path(&file).with(3, "daemon"));
    let entry = client.upload(stream, b"x").unwrap().record(2);
    assert_eq!(
        (entry.int(6), entry.int(7), entry.text(8).as_str(), entry.text(9).as_str()),
        (1, 1, "daemon", "daemon")
    );
    for made in ["of", "of/daemon"] {
        assert_eq!(fs::metadata(agent.folder.path(made)).unwrap().uid(), 1);
    }
    // What was there keeps its owner.
    fs::write(agent.folder.path("mine"), "").unwrap();
    let stream = client.open(method::WRITE, path(&agent.folder.path("mine")).with(3, "daemon"));
    assert_eq!(client.upload(stream, b"x").unwrap().record(2).int(6), 0);
    client.call(method::ATTRIBUTES, path(&agent.folder.path("mine")).with(3, "daemon"));
    assert_eq!(fs::metadata(agent.folder.path("mine")).unwrap().uid(), 1);
}

#[test]
fn a_full_disk_fails_at_once() {
    let agent = Agent::start();
    let mut client = agent.connect();
    let stream = client.open(method::WRITE, path("/dev/full"));
    client.data(stream, b"x");
    // Without FINISH: the error does not wait for the end.
    let error = client.result(stream).unwrap_err();
    assert_eq!((error.text(1).as_str(), error.int(3)), ("resource_exhausted", libc::ENOSPC as u64));
    assert!(client.is_alive());
}

#[test]
fn reads_what_is_no_plain_file() {
    let agent = Agent::start();
    let mut client = agent.connect();
    let stream = client.open(method::READ, path("/proc/self/status"));
    let (status, result) = client.download(stream);
    assert!(status.starts_with(b"Name:\tnova-agent\n"));
    assert_eq!(result.int(1), status.len() as u64);
    let fifo = agent.folder.path("fifo");
    make_fifo(&fifo);
    let stream = client.open(method::READ, path(&fifo));
    assert_eq!(client.download(stream).0, b"");
    assert_eq!(client.fail(method::READ, path("/")), "is_a_directory");
    assert_eq!(client.fail(method::READ, path("/no/such/file")), "not_found");
    assert_eq!(client.fail(method::READ, path("no/such/file")), "invalid_argument");
    // Endless, but only as far as there is credit.
    let stream = client.open(method::READ, path("/dev/zero"));
    let mut received = 0;
    while received < WINDOW {
        if let Event::Data(0, data) = client.next(stream) {
            received += data.len();
        }
    }
    client.send(kind::CANCEL, stream, &[]);
    assert!(client.is_alive());
}

#[test]
fn describes_entries() {
    let agent = Agent::start();
    let mut client = agent.connect();
    let file = agent.folder.path("file");
    fs::write(&file, "12345").unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
    let entry = client.call(method::STAT, path(&file));
    assert_eq!((entry.text(1).as_str(), entry.int(3), entry.int(4), entry.int(5)), ("file", 1, 5, 0o640));
    let modified = fs::metadata(&file).unwrap();
    assert_eq!(entry.int(10), modified.mtime() as u64 * 1_000_000_000 + modified.mtime_nsec() as u64);
    assert_eq!((entry.get(11), entry.int(12)), (None, 0));

    let link = agent.folder.path("link");
    symlink("file", &link).unwrap();
    let entry = client.call(method::STAT, path(&link));
    assert_eq!((entry.int(3), entry.int(4), entry.int(5)), (1, 4, 0o640));
    let resolved = fs::canonicalize(&file).unwrap();
    assert_eq!((entry.text(11).as_str(), entry.int(12)), ("file", 1));
    assert_eq!(entry.get(13), Some(resolved.as_os_str().as_bytes()));
    symlink("nowhere", agent.folder.path("dangling")).unwrap();
    let entry = client.call(method::STAT, path(&agent.folder.path("dangling")));
    assert_eq!((entry.int(3), entry.get(13)), (3, None));

    assert_eq!(client.call(method::STAT, path("/")).int(3), 2);
    assert_eq!(client.call(method::STAT, path("/")).text(1), "/");
    assert_eq!(client.call(method::STAT, path("/dev/null")).int(3), 4);
    assert_eq!(client.fail(method::STAT, path(&agent.folder.path("nothing"))), "not_found");
}

#[test]
fn sets_attributes() {
    let agent = Agent::start();
    let mut client = agent.connect();
    let file = agent.folder.path("file");
    fs::write(&file, "").unwrap();
    assert_eq!(client.call(method::ATTRIBUTES, path(&file).with(2, 0o6711)).int(5), 0o6711);
    assert_eq!(client.call(method::ATTRIBUTES, path(&file)).int(5), 0o6711);
    let xattr = |name: &str, value: &str| record().with(1, name).with(2, value);
    match client
        .try_call(method::ATTRIBUTES, path(&file).with(5, xattr("user.one", "1")).with(5, xattr("user.two", "2")))
    {
        // A file system without them.
        Err(error) => assert_eq!(error.text(1), "unimplemented"),
        Ok(entry) => {
            assert_eq!(entry.all(14).len(), 2);
            let removal = record().with(1, "user.one").with(3, true);
            client.call(method::ATTRIBUTES, path(&file).with(5, removal.clone()).with(5, removal));
            let entry = client.call(method::STAT, path(&file));
            assert_eq!(entry.all(14), vec![xattr("user.two", "2").encode()]);
        }
    }
    assert_eq!(client.fail(method::ATTRIBUTES, path(&file).with(3, "nobody-there")), "unauthenticated");
}
