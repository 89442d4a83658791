//! Directories: listing, making, moving, removing.

use std::fs;
use std::os::unix::fs::{symlink, MetadataExt, PermissionsExt};

use crate::common::*;

fn path(path: &str) -> Record {
    record().with(1, path)
}

fn listed(client: &mut Client, arguments: Record) -> (Vec<String>, Record) {
    let stream = client.open(method::LIST_DIRECTORY, arguments);
    let mut paths = Vec::new();
    loop {
        match client.next(stream) {
            Event::Message(3, entry) => paths.push(entry.text(2)),
            Event::Result(result) => return (paths, result),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn lists_directories() {
    let agent = Agent::start();
    let mut client = agent.connect();
    let top = agent.folder.path("top");
    fs::create_dir_all(format!("{top}/b/c/d")).unwrap();
    for name in ["z", "a", "b/x", "b/c/y"] {
        fs::write(format!("{top}/{name}"), "").unwrap();
    }
    symlink("b", format!("{top}/link")).unwrap();
    let expected = |names: &[&str]| names.iter().map(|name| format!("{top}/{name}")).collect::<Vec<_>>();
    let (paths, result) = listed(&mut client, path(&top));
    assert_eq!(paths, expected(&["a", "b", "link", "z"]));
    assert_eq!((result.int(1), result.int(2)), (4, 0));
    assert_eq!(listed(&mut client, path(&top).with(2, 2)).0, expected(&["a", "b", "b/c", "b/x", "link", "z"]));
    let all = expected(&["a", "b", "b/c", "b/c/d", "b/c/y", "b/x", "link", "z"]);
    assert_eq!(listed(&mut client, path(&format!("{top}/")).with(2, 100)).0, all);
    let (paths, result) = listed(&mut client, path(&top).with(2, 100).with(4, 3));
    assert_eq!((paths.as_slice(), result.int(1), result.int(2)), (&all[..3], 3, 1));
    // The path itself may be a link; what is found keeps the path that was asked for.
    assert_eq!(listed(&mut client, path(&format!("{top}/link"))).0, expected(&["link/c", "link/x"]));
    assert_eq!(client.fail(method::LIST_DIRECTORY, path(&format!("{top}/a"))), "not_a_directory");
    assert_eq!(client.fail(method::LIST_DIRECTORY, path(&format!("{top}/nothing"))), "not_found");
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
    let (paths, result) = listed(&mut client, path(&top));
    assert_eq!((paths.len(), result.int(1)), (5_000, 5_000));
    assert!(paths.is_sorted());
}

#[test]
fn makes_directories() {
    let agent = Agent::start();
    let mut client = agent.connect();
    let folder = agent.folder.path("a/b/c");
    let mut make = |arguments| {
        client.try_call(method::MKDIR, arguments).map(|result| result.int(1)).map_err(|error| error.text(1))
    };
    assert_eq!(make(path(&folder).with(2, 0o1777)), Ok(1));
    assert_eq!(make(path(&folder)), Ok(0));
    assert_eq!(fs::metadata(&folder).unwrap().mode() & 0o7777, 0o1777);
    assert_eq!(fs::metadata(agent.folder.path("a")).unwrap().mode() & 0o7777, 0o755);
    assert_eq!(make(path("/")), Ok(0));
    fs::write(agent.folder.path("file"), "").unwrap();
    assert_eq!(make(path(&agent.folder.path("file"))), Err("already_exists".into()));
    assert_eq!(make(path(&agent.folder.path("file/x"))), Err("not_a_directory".into()));
    assert_eq!(make(path(&agent.folder.path("file/x/y"))), Err("not_a_directory".into()));
    assert_eq!(make(path("")), Err("invalid_argument".into()));
}

#[test]
fn moves() {
    let agent = Agent::start();
    let mut client = agent.connect();
    let (one, two) = (agent.folder.path("one"), agent.folder.path("x/y/two"));
    fs::write(&one, "content").unwrap();
    let pair = |from: &str, to: &str| record().with(1, from).with(2, to);
    assert_eq!(client.call(method::MOVE, pair(&one, &two)).text(2), two);
    assert_eq!((exists(&one), fs::read(&two).unwrap().as_slice()), (false, b"content".as_slice()));
    assert_eq!(client.fail(method::MOVE, pair(&one, &two)), "not_found");
    assert_eq!(client.fail(method::MOVE, pair(&two, &agent.folder.path("x"))), "not_empty".to_owned());
}

#[test]
fn moves_over_file_systems() {
    let agent = Agent::start();
    let mut client = agent.connect();
    let elsewhere = Folder(std::path::PathBuf::from(format!("/dev/shm/nova-agent-test-{}", std::process::id())));
    if fs::create_dir_all(&elsewhere.0).is_err()
        || fs::metadata(&elsewhere.0).unwrap().dev() == fs::metadata(&agent.folder.0).unwrap().dev()
    {
        return;
    }
    let (source, destination) = (agent.folder.path("tree"), elsewhere.path("new/tree"));
    fs::create_dir_all(format!("{source}/a/b")).unwrap();
    fs::write(format!("{source}/a/b/file"), noise(3_000_000)).unwrap();
    symlink("../nowhere", format!("{source}/a/link")).unwrap();
    fs::set_permissions(format!("{source}/a"), fs::Permissions::from_mode(0o500)).unwrap();
    let time = fs::metadata(format!("{source}/a/b/file")).unwrap().modified().unwrap();
    let arguments = record().with(1, &source).with(2, &destination);
    assert_eq!(client.call(method::MOVE, arguments).text(2), destination);
    assert!(!exists(&source));
    assert!(fs::read(format!("{destination}/a/b/file")).unwrap() == noise(3_000_000));
    assert_eq!(fs::metadata(format!("{destination}/a/b/file")).unwrap().modified().unwrap(), time);
    assert_eq!(fs::metadata(format!("{destination}/a")).unwrap().mode() & 0o777, 0o500);
    assert_eq!(fs::read_link(format!("{destination}/a/link")).unwrap().to_str(), Some("../nowhere"));
}

#[test]
fn removes() {
    let agent = Agent::start();
    let mut client = agent.connect();
    let top = agent.folder.path("top");
    let kept = agent.folder.path("kept");
    fs::create_dir_all(format!("{top}/a/b/c")).unwrap();
    fs::create_dir_all(&kept).unwrap();
    fs::write(format!("{kept}/file"), "").unwrap();
    for number in 0..100 {
        fs::write(format!("{top}/a/{number}"), "").unwrap();
    }
    symlink(&kept, format!("{top}/a/link")).unwrap();
    symlink(&kept, agent.folder.path("link")).unwrap();
    let mut remove = |target: &str| client.try_call(method::REMOVE, path(target)).map(|result| result.int(1));
    assert_eq!(remove(&top), Ok(1));
    assert_eq!(remove(&top), Ok(0));
    assert_eq!(remove(&agent.folder.path("link")), Ok(1));
    assert_eq!((exists(&top), exists(format!("{kept}/file"))), (false, true));
    assert_eq!(remove(&format!("{kept}/file/below")), Ok(0));
    assert_eq!(remove(&format!("{kept}/")), Ok(1));
    assert_eq!(remove("/").unwrap_err().text(1), "invalid_argument");
}

#[test]
fn removes_trees_deeper_than_any_path() {
    let agent = Agent::start();
    let mut client = agent.connect();
    let top = agent.folder.path("deep");
    fs::create_dir(&top).unwrap();
    make_deep_tree(&top, 3_000);
    assert_eq!(client.call(method::REMOVE, path(&top)).int(1), 1);
    assert!(!exists(&top));
}
