//! Processes on terminals.

use crate::common::*;

#[test]
fn has_terminals() {
    let agent = Agent::start();
    let mut client = agent.connect();
    let size = |columns: u64, rows: u64| record().with(1, columns).with(2, rows);
    let script = "stty -echo; stty size; tty; read line; stty size; echo got $line; cat; echo end";
    let (stream, _) = client.start(shell(script).with(5, size(100, 30)));
    let mut seen = String::new();
    let mut wait_for = |client: &mut Client, what: &str| {
        while !seen.contains(what) {
            match client.next(stream) {
                Event::Data(3, data) => seen.push_str(&String::from_utf8_lossy(&data)),
                other => panic!("{other:?}"),
            }
        }
    };
    wait_for(&mut client, "30 100\r\n/dev/pts/");
    client.message(stream, 16, size(120, 40));
    client.data(stream, b"hello\n");
    wait_for(&mut client, "40 120\r\ngot hello\r\n");
    client.finish(stream);
    wait_for(&mut client, "end\r\n");
    let output = client.collect(stream);
    assert_eq!((output.code(), output.exit.int(6)), (0, 0));

    // Keys that mean a signal reach the foreground group.
    let (stream, _) = client.start(command(&["cat"]).with(5, size(80, 24)));
    client.data(stream, b"x\n");
    assert!(matches!(client.next(stream), Event::Data(3, _)));
    client.data(stream, b"\x03");
    assert_eq!(client.collect(stream).exit.int(2), libc::SIGINT as u64);
}

/// A terminal's output when its input is this and then ends.
fn on_terminal(client: &mut Client, script: &str, input: &[u8]) -> Output {
    let (stream, _) = client.start(shell(script).with(5, record().with(1, 80u64).with(2, 24u64)));
    client.data(stream, input);
    client.finish(stream);
    client.collect(stream)
}

#[test]
fn ends_the_input_of_a_terminal() {
    let agent = Agent::start();
    let mut client = agent.connect();
    for input in ["", "abc", "abc\n", "one\ntwo"] {
        assert_eq!(on_terminal(&mut client, "cat >/dev/null; exit 7", input.as_bytes()).code(), 7, "{input:?}");
    }
    // Everyone who reads finds the end, also in a mode that was set after it was told.
    assert_eq!(on_terminal(&mut client, "cat >/dev/null; sleep 0.3; cat >/dev/null; exit 8", b"abc").code(), 8);
    let raw = "sleep 0.2; stty -icanon -echo min 1; while :; do \
               case $(dd bs=1 count=1 2>/dev/null | od -An -tx1) in *04*) exit 9;; esac; done";
    assert_eq!(on_terminal(&mut client, raw, b"x").code(), 9);
}
