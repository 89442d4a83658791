//! Archives of files with holes.

use std::fs;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::process::{Command, Stdio};

use crate::common::*;

/// A file of 9 GiB that holds three pieces of data, ends in a hole, and is older than a second.
fn make_sparse(path: &str) {
    let file = fs::File::create(path).unwrap();
    for (at, piece) in [(0, 40_000), (1 << 20, 5_000), (5 << 30, 70_000)] {
        file.write_all_at(&vec![7; piece], at).unwrap();
    }
    file.set_len(9 << 30).unwrap();
    file.set_modified(std::time::UNIX_EPOCH + std::time::Duration::new(1_600_000_000, 123_456_789)).unwrap();
}

fn is_sparse(path: &str) {
    let file = fs::File::open(path).unwrap();
    let found = file.metadata().unwrap();
    assert_eq!((found.len(), found.mtime()), (9 << 30, 1_600_000_000), "{path}");
    assert!(found.blocks() * 512 < 1 << 20, "{path} takes {} blocks", found.blocks());
    for (at, piece) in [(0, 40_000), (1 << 20, 5_000), (5 << 30, 70_000)] {
        let mut content = vec![0; piece + 10];
        file.read_exact_at(&mut content, at).unwrap();
        assert!(content[..piece].iter().all(|&byte| byte == 7) && content[piece..] == [0; 10], "{path} at {at}");
    }
}

#[test]
fn keeps_holes_as_other_programs_do() {
    let agent = Agent::start();
    let mut client = agent.connect();
    let top = agent.folder.path("top");
    fs::create_dir(&top).unwrap();
    make_sparse(&format!("{top}/sparse"));
    fs::File::create(format!("{top}/hole")).unwrap().set_len(1 << 20).unwrap();

    let stream = client.open(method::TAR_OUT, record().with(1, top.as_str()));
    let (bytes, result) = client.download(stream);
    assert_eq!((result.int(1), result.int(2) < 1 << 20, bytes.len() < 1 << 20), (2, true, true));
    extract(&mut client, &agent.folder.path("own"), &bytes).unwrap();
    let mut copies = vec![agent.folder.path("own")];
    // A damaged map is refused, whatever it says.
    let at = bytes.windows(8).position(|window| window == b"1048576\n").unwrap();
    let damaged = [&bytes[..at], b"0048576\n", &bytes[at + 8..]].concat();
    let failure = extract(&mut client, &agent.folder.path("damaged"), &damaged).unwrap_err();
    assert_eq!(failure.text(1), "invalid_argument");

    if Command::new("tar").arg("--version").stdout(Stdio::null()).status().is_ok() {
        let theirs = agent.folder.path("theirs");
        fs::create_dir(&theirs).unwrap();
        fs::write(agent.folder.path("out.tar"), &bytes).unwrap();
        let status = Command::new("tar").args(["-C", &theirs, "-xf", &agent.folder.path("out.tar")]).status().unwrap();
        assert!(status.success());
        copies.push(theirs);
        for how in
            [&["--format=gnu"][..], &["--sparse-version=0.0"], &["--sparse-version=0.1"], &["--sparse-version=1.0"]]
        {
            let format = if how[0].contains("version") { "--format=pax" } else { "-S" };
            let output =
                Command::new("tar").args(["-C", &top, "-S", format, how[0], "-cf", "-", "."]).output().unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            let target = agent.folder.path(how[0]);
            extract(&mut client, &target, &output.stdout).unwrap();
            copies.push(target);
        }
    }
    for copy in &copies {
        is_sparse(&format!("{copy}/sparse"));
        let hole = fs::metadata(format!("{copy}/hole")).unwrap();
        assert_eq!((hole.len(), hole.blocks()), (1 << 20, 0), "{copy}");
    }
    let time = |copy: &str| fs::metadata(format!("{copy}/sparse")).unwrap().mtime_nsec();
    assert_eq!(
        (time(&copies[0]), copies.get(1).map_or(123_456_789, |theirs| time(theirs))),
        (123_456_789, 123_456_789)
    );

    let moved = agent.folder.path("moved");
    assert!(client
        .try_call(method::MOVE, record().with(1, format!("{top}/sparse").as_str()).with(2, moved.as_str()))
        .is_ok());
    is_sparse(&moved);
}
