//! Archives in and out.

use std::fs;
use std::os::unix::fs::{symlink, MetadataExt, PermissionsExt};
use std::process::{Command, Stdio};

use crate::common::*;

struct Entry<'a> {
    path: &'a str,
    kind: u8,
    link: &'a str,
    content: &'a [u8],
}

fn file<'a>(path: &'a str, content: &'a [u8]) -> Entry<'a> {
    Entry { path, kind: b'0', link: "", content }
}

fn link<'a>(path: &'a str, kind: u8, link: &'a str) -> Entry<'a> {
    Entry { path, kind, link, content: b"" }
}

fn archive(entries: &[Entry]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for entry in entries {
        let mut block = [0; 512];
        let mut put = |at: usize, text: &str| block[at..at + text.len()].copy_from_slice(text.as_bytes());
        put(0, entry.path);
        put(100, "0000640\0");
        put(108, "0001750\0");
        put(116, "0001750\0");
        put(124, &format!("{:011o}", entry.content.len()));
        put(136, "14400000000");
        put(157, entry.link);
        put(257, "ustar\x0000");
        block[156] = entry.kind;
        block[148..156].fill(b' ');
        let sum: u32 = block.iter().map(|&byte| u32::from(byte)).sum();
        block[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
        bytes.extend(block);
        bytes.extend(entry.content);
        bytes.resize(bytes.len().next_multiple_of(512), 0);
    }
    bytes.resize(bytes.len() + 1_024, 0);
    bytes
}

#[test]
fn extracts() {
    let agent = Agent::start();
    let mut client = agent.connect();
    let top = agent.folder.path("new/top");
    let big: Vec<u8> = (0..2_000_000u32).map(|at| (at % 251) as u8).collect();
    let bytes = archive(&[
        link("./", b'5', ""),
        file("./a/b/file", b"content"),
        file("/absolute", b"inside"),
        file("big", &big),
        link("a/link", b'2', "b/file"),
        link("a/hard", b'1', "a/b/file"),
        link("folder/", b'5', ""),
    ]);
    let result = extract(&mut client, &top, &bytes).unwrap();
    assert_eq!((result.int(1), result.int(2)), (6, 2_000_013));
    let read = |path: &str| fs::read(format!("{top}/{path}")).unwrap();
    assert_eq!(
        (read("a/b/file"), read("absolute"), read("a/link")),
        (b"content".into(), b"inside".into(), b"content".into())
    );
    assert!(read("big") == big);
    let metadata = fs::metadata(format!("{top}/a/hard")).unwrap();
    assert_eq!((metadata.nlink(), metadata.mode() & 0o7777, metadata.mtime()), (2, 0o640, 0o14400000000));
    assert!(fs::metadata(format!("{top}/folder")).unwrap().is_dir());
    if is_superuser() {
        assert_eq!((metadata.uid(), metadata.gid()), (0o1750, 0o1750));
        let stream = client.open(method::TAR_IN, record().with(1, &top).with(2, "daemon"));
        client.upload(stream, &archive(&[file("c/d/owned", b"")])).unwrap();
        for path in ["c", "c/d", "c/d/owned"] {
            assert_eq!(fs::metadata(format!("{top}/{path}")).unwrap().uid(), 1);
        }
    }
    // Again, over what is there: files are replaced, links are not written through.
    fs::write(agent.folder.path("outside"), "safe").unwrap();
    symlink(agent.folder.path("outside"), format!("{top}/swapped")).unwrap();
    extract(&mut client, &top, &archive(&[file("swapped", b"new"), file("absolute", b"newer")])).unwrap();
    assert_eq!((read("swapped"), read("absolute")), (b"new".into(), b"newer".into()));
    assert_eq!(fs::read(agent.folder.path("outside")).unwrap(), b"safe");
}

#[test]
fn never_leaves_the_directory() {
    let agent = Agent::start();
    let mut client = agent.connect();
    let outside = agent.folder.path("outside");
    fs::create_dir(&outside).unwrap();
    fs::write(format!("{outside}/secret"), "secret").unwrap();
    let top = agent.folder.path("top");
    let mut refused = |entries: &[Entry]| extract(&mut client, &top, &archive(entries)).unwrap_err().text(1);
    assert_eq!(refused(&[file("../evil", b"x")]), "invalid_argument");
    assert_eq!(refused(&[file("a/../../evil", b"x")]), "invalid_argument");
    assert_eq!(refused(&[link("hard", b'1', "../outside/secret")]), "invalid_argument");
    // Through links: the directory is the root of all of them.
    refused(&[link("up", b'2', "../outside"), file("up/evil", b"x")]);
    refused(&[link("abs", b'2', &outside), file("abs/evil", b"x")]);
    refused(&[link("steal", b'2', &outside), link("got", b'1', "steal/secret")]);
    refused(&[link("deep", b'2', "/"), file("deep/../../evil", b"x")]);
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 1);
    assert!(!exists(agent.folder.path("evil")) && !exists(format!("{top}/got")));
    // A link that stays inside is fine, an absolute one means the directory.
    let mut fine = |entries: &[Entry]| extract(&mut client, &top, &archive(entries)).unwrap();
    fine(&[link("real/", b'5', ""), link("alias", b'2', "/real"), file("alias/file", b"x")]);
    assert!(exists(format!("{top}/real/file")));
}

#[test]
fn refuses_what_is_no_archive() {
    let agent = Agent::start();
    let mut client = agent.connect();
    let top = agent.folder.path("top");
    let whole = archive(&[file("file", &[1; 5_000])]);
    for bytes in [&[7; 10_000][..], &whole[..300], &whole[..3_000]] {
        assert_eq!(extract(&mut client, &top, bytes).unwrap_err().text(1), "invalid_argument");
    }
    assert_eq!(extract(&mut client, &top, b"").unwrap().int(1), 0);
    // An error comes while the upload is still under way.
    let stream = client.open(method::TAR_IN, record().with(1, &top));
    client.data(stream, &[7; 5_000]);
    assert_eq!(client.result(stream).unwrap_err().text(1), "invalid_argument");
    // And a cancelled one ends.
    let stream = client.open(method::TAR_IN, record().with(1, &top));
    client.data(stream, &whole[..3_000]);
    client.send(kind::CANCEL, stream, &[]);
    assert!(client.is_alive());
}

#[test]
fn packs_what_it_can_extract() {
    let agent = Agent::start();
    let mut client = agent.connect();
    let top = agent.folder.path("top");
    fs::create_dir_all(format!("{top}/b/{}", "long".repeat(40))).unwrap();
    fs::write(format!("{top}/b/{}/file", "long".repeat(40)), "deep").unwrap();
    fs::write(format!("{top}/a"), vec![5; 300_000]).unwrap();
    fs::hard_link(format!("{top}/a"), format!("{top}/z")).unwrap();
    symlink("a", format!("{top}/link")).unwrap();
    fs::set_permissions(format!("{top}/a"), fs::Permissions::from_mode(0o751)).unwrap();
    let stream = client.open(method::TAR_OUT, record().with(1, &top));
    let (bytes, result) = client.download(stream);
    assert_eq!((result.int(1), result.int(2)), (6, 300_004));
    assert_eq!(bytes.len() % 512, 0);
    let copy = agent.folder.path("copy");
    extract(&mut client, &copy, &bytes).unwrap();
    assert!(fs::read(format!("{copy}/a")).unwrap() == vec![5; 300_000]);
    assert_eq!(fs::read(format!("{copy}/b/{}/file", "long".repeat(40))).unwrap(), b"deep");
    let (one, other) = (fs::metadata(format!("{copy}/a")).unwrap(), fs::metadata(format!("{copy}/z")).unwrap());
    assert_eq!((one.ino(), one.mode() & 0o777), (other.ino(), 0o751));
    let original = fs::metadata(format!("{top}/a")).unwrap();
    assert_eq!((one.mtime(), one.mtime_nsec()), (original.mtime(), original.mtime_nsec()));
    let time = |path: &str| fs::symlink_metadata(path).unwrap().modified().unwrap();
    assert_eq!(time(&format!("{copy}/link")), time(&format!("{top}/link")));
    assert_eq!(time(&format!("{copy}/b")), time(&format!("{top}/b")));
    assert_eq!(fs::read_link(format!("{copy}/link")).unwrap().to_str(), Some("a"));
    // A single file is one entry.
    let stream = client.open(method::TAR_OUT, record().with(1, &format!("{top}/link")));
    let (bytes, result) = client.download(stream);
    assert_eq!((result.int(1), bytes.windows(5).any(|name| name == b"link\0")), (1, true));
    assert_eq!(client.fail(method::TAR_OUT, record().with(1, &agent.folder.path("nothing"))), "not_found");
}

/// Both ways with the system's tar, where there is one.
#[test]
fn agrees_with_other_programs() {
    if Command::new("tar").arg("--version").stdout(Stdio::null()).status().is_err() {
        return;
    }
    let agent = Agent::start();
    let mut client = agent.connect();
    let (top, copy) = (agent.folder.path("top"), agent.folder.path("copy"));
    fs::create_dir_all(format!("{top}/{}", "d".repeat(120))).unwrap();
    fs::write(format!("{top}/{}/{}", "d".repeat(120), "f".repeat(150)), "long").unwrap();
    fs::write(format!("{top}/file"), vec![1; 70_000]).unwrap();
    symlink("x".repeat(150), format!("{top}/link")).unwrap();
    for format in ["gnu", "pax", "v7", "ustar"] {
        let output = Command::new("tar").args(["-C", &top, "--format", format, "-cf", "-", "."]).output().unwrap();
        let target = format!("{copy}-{format}");
        extract(&mut client, &target, &output.stdout).unwrap();
        assert_eq!(fs::read(format!("{target}/file")).unwrap(), vec![1; 70_000]);
        if matches!(format, "gnu" | "pax") {
            assert_eq!(fs::read(format!("{target}/{}/{}", "d".repeat(120), "f".repeat(150))).unwrap(), b"long");
            assert_eq!(fs::read_link(format!("{target}/link")).unwrap().to_str(), Some("x".repeat(150).as_str()));
        }
    }
    let stream = client.open(method::TAR_OUT, record().with(1, &top));
    let (bytes, _) = client.download(stream);
    fs::write(agent.folder.path("out.tar"), bytes).unwrap();
    fs::create_dir(&copy).unwrap();
    let status = Command::new("tar").args(["-C", &copy, "-xf", &agent.folder.path("out.tar")]).status().unwrap();
    assert!(status.success());
    assert_eq!(fs::read(format!("{copy}/{}/{}", "d".repeat(120), "f".repeat(150))).unwrap(), b"long");
}

#[test]
fn large_archives_need_little_memory() {
    let agent = Agent::start();
    let mut client = agent.connect();
    let top = agent.folder.path("top");
    fs::create_dir(&top).unwrap();
    fs::write(format!("{top}/large"), vec![1; 50_000_000]).unwrap();
    // A time of whole seconds has room in the header itself.
    fs::File::open(format!("{top}/large")).unwrap().set_modified(std::time::UNIX_EPOCH).unwrap();
    let before = agent.memory_kb();
    let stream = client.open(method::TAR_OUT, record().with(1, &top));
    let (mut received, mut highest) = (0, 0);
    loop {
        match client.next(stream) {
            Event::Data(0, data) => {
                received += data.len();
                client.credit(stream, data.len());
                if received % (1 << 22) < data.len() {
                    highest = highest.max(agent.memory_kb());
                }
            }
            Event::Result(_) => break,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(received, 50_000_000usize.next_multiple_of(512) + 3 * 512);
    assert!(highest < before + 3_072, "{before} kB before, {highest} kB at the highest");
}

#[test]
fn leaves_no_half_file() {
    let agent = Agent::start();
    let mut client = agent.connect();
    let top = agent.folder.path("top");
    fs::create_dir(&top).unwrap();
    fs::write(format!("{top}/second"), b"as it was").unwrap();
    let whole = archive(&[file("first", b"content"), file("second", &[1; 5_000]), file("third", &[1; 5_000])]);
    for (end, name) in [(2_000, "second"), (9_000, "third")] {
        let failure = extract(&mut client, &top, &whole[..end]).unwrap_err();
        assert_eq!(failure.text(1), "invalid_argument");
        let expected = format!("{name}: the archive is cut short; {} entries were unpacked before", 1 + end / 8_000);
        assert!(failure.text(2).starts_with(&expected), "{}", failure.text(2));
        let mut names: Vec<_> = fs::read_dir(&top).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        assert_eq!(names, ["first", "second"]);
        if name == "second" {
            assert_eq!(fs::read(format!("{top}/second")).unwrap(), b"as it was");
        }
    }
}
