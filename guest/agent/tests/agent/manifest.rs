//! Manifests: a whole tree with the digests of its files.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{symlink, MetadataExt, PermissionsExt};

use crate::common::numbers::channel;
use crate::common::*;

const ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

/// The entries by their paths.
fn manifest(client: &mut Client, arguments: Record) -> BTreeMap<String, Record> {
    let stream = client.open(method::MANIFEST, arguments);
    let mut sent = Vec::new();
    let result = loop {
        match client.next(stream) {
            Event::Data(channel::CONTENT, data) => {
                client.credit(stream, data.len());
                sent.extend(data);
            }
            Event::Result(result) => break result,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(result.int(1), sent.len() as u64);
    let (mut entries, mut rest) = (BTreeMap::new(), sent.as_slice());
    while let Some((length, after)) = rest.split_first_chunk::<4>() {
        let (entry, after) = after.split_at(u32::from_le_bytes(*length) as usize);
        rest = after;
        if !entry.is_empty() {
            let entry = Record::parse(entry);
            assert!(entries.insert(entry.text(1), entry).is_none());
        }
    }
    entries
}

fn paths(entries: &BTreeMap<String, Record>) -> Vec<&str> {
    entries.keys().map(String::as_str).collect()
}

fn digest(entry: &Record) -> String {
    entry.get(9).unwrap_or_default().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn lists_a_tree_with_digests() {
    let agent = Agent::start();
    let mut client = agent.connect();
    let top = agent.folder.path("top");
    fs::create_dir_all(format!("{top}/a/empty")).unwrap();
    fs::write(format!("{top}/a/abc"), "abc").unwrap();
    fs::write(format!("{top}/large"), vec![0; 2_000]).unwrap();
    fs::set_permissions(format!("{top}/a/abc"), fs::Permissions::from_mode(0o4750)).unwrap();
    symlink("/etc", format!("{top}/link")).unwrap();
    let asked = || record().with(1, top.as_str());

    let plain = manifest(&mut client, asked());
    assert_eq!(paths(&plain), ["a", "a/abc", "a/empty", "large", "link"]);
    assert!(plain.values().all(|entry| entry.get(9).is_none()));
    let found = fs::metadata(format!("{top}/a/abc")).unwrap();
    let abc = &plain["a/abc"];
    assert_eq!((abc.int(2), abc.int(3), abc.int(4), abc.int(7)), (1, 0o4750, 3, found.ino()));
    assert_eq!(abc.int(5), (found.mtime() * 1_000_000_000 + found.mtime_nsec()) as u64);
    assert_eq!(abc.int(6), (found.ctime() * 1_000_000_000 + found.ctime_nsec()) as u64);
    assert_eq!((plain["a"].int(2), plain["link"].int(2), plain["link"].text(8)), (2, 3, "/etc".to_string()));

    let hashed = manifest(&mut client, asked().with(6, 1_000));
    assert_eq!((digest(&hashed["a/abc"]).as_str(), hashed["large"].get(9)), (ABC, None));
    // A digest is not given again for content that has changed, even if size and time look the same.
    fs::write(format!("{top}/a/abc"), "xyz").unwrap();
    let file = fs::File::options().write(true).open(format!("{top}/a/abc")).unwrap();
    file.set_modified(found.modified().unwrap()).unwrap();
    assert_ne!(digest(&manifest(&mut client, asked().with(6, 1_000))["a/abc"]), ABC);
}

#[test]
fn lists_what_is_asked_for() {
    let agent = Agent::start();
    let mut client = agent.connect();
    let top = agent.folder.path("top");
    for folder in ["b/.git", "b/c/.git", "b/out", "out"] {
        fs::create_dir_all(format!("{top}/{folder}")).unwrap();
        fs::write(format!("{top}/{folder}/abc"), "abc").unwrap();
    }
    symlink("b", format!("{top}/link")).unwrap();
    let asked = || record().with(1, top.as_str());
    let some = manifest(&mut client, asked().with(4, ".git").with(3, "b/out").with(3, "out"));
    assert_eq!(paths(&some), ["b", "b/c", "link"]);
    let only = asked().with(5, "b/out/abc").with(5, "link").with(5, "nothing/here").with(5, "b").with(6, 3);
    let only = manifest(&mut client, only);
    assert_eq!(paths(&only), ["b", "b/out/abc", "link"]);
    assert_eq!(digest(&only["b/out/abc"]), ABC);
    assert_eq!(client.fail(method::MANIFEST, asked().with(5, "b/..")), "invalid_argument");
    assert_eq!(client.fail(method::MANIFEST, asked().with(7, 3)), "resource_exhausted");
    assert_eq!(client.fail(method::MANIFEST, record().with(1, &*format!("{top}/out/abc"))), "not_a_directory");
    assert_eq!(client.fail(method::MANIFEST, record().with(1, &*format!("{top}/none"))), "not_found");
}

#[test]
fn lists_more_than_a_session_takes_at_once() {
    let agent = Agent::start();
    let mut client = agent.connect();
    let top = agent.folder.path("many");
    fs::create_dir(&top).unwrap();
    for number in 0..5_000 {
        fs::write(format!("{top}/{number:05}"), "").unwrap();
    }
    assert_eq!(manifest(&mut client, record().with(1, top.as_str()).with(6, 10)).len(), 5_000);
    // A file of several million bytes gives signs of life while it is hashed.
    fs::write(format!("{top}/large"), vec![1; 20_000_000]).unwrap();
    let large = manifest(&mut client, record().with(1, top.as_str()).with(5, "large").with(6, u64::MAX));
    assert_eq!(large["large"].get(9).map(<[u8]>::len), Some(32));
}
