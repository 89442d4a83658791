//! Starting processes: output, input, environment, what cannot start.

use std::os::unix::fs::PermissionsExt;

use crate::common::*;

#[test]
fn gives_output_and_exit() {
    let agent = Agent::start();
    let mut client = agent.connect();
    let output = client.run(shell("echo out; echo err >&2; exit 3"));
    assert_eq!((output.stdout.as_slice(), output.stderr.as_slice()), (b"out\n".as_slice(), b"err\n".as_slice()));
    assert_eq!((output.code(), output.exit.int(2), output.exit.int(5), output.exit.int(6)), (3, 0, 4, 4));
    assert_eq!(output.started.int(1), output.exit.int(4));
    assert!(output.exit.int(10) > 0 && output.exit.int(9) > 0);

    let output = client.run(shell("echo a; echo b >&2; echo c").with(11, true));
    assert_eq!((output.text().as_str(), output.stderr.len()), ("a\nb\nc\n", 0));
}

#[test]
fn feeds_stdin() {
    let agent = Agent::start();
    let mut client = agent.connect();
    let (stream, _) = client.start(command(&["cat"]).with(7, true));
    client.data(stream, b"one ");
    client.data(stream, b"two");
    client.finish(stream);
    assert_eq!(client.collect(stream).text(), "one two");

    // Without the flag stdin is empty; input that nobody reads is taken and dropped.
    assert_eq!(client.run(command(&["cat"])).text(), "");
    let (stream, _) = client.start(shell("exec <&-; sleep 0.1; echo done").with(7, true));
    client.data(stream, &[0; 10_000]);
    client.data(stream, &[0; 10_000]);
    assert_eq!(client.collect(stream).text(), "done\n");
}

#[test]
fn passes_a_large_input_through() {
    let agent = Agent::start();
    let mut client = agent.connect();
    let input: Vec<u8> = (0..3_000_000u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let (stream, _) = client.start(command(&["cat"]).with(7, true));
    let (mut sent, mut credit, mut output, mut finished) = (0, WINDOW, Vec::new(), false);
    let exit = loop {
        let piece = credit.min(20_000).min(input.len() - sent);
        if piece > 0 {
            client.data(stream, &input[sent..sent + piece]);
            sent += piece;
            credit -= piece;
            continue;
        }
        if sent == input.len() && !finished {
            client.finish(stream);
            finished = true;
        }
        match client.next(stream) {
            Event::Credit(more) => credit += more as usize,
            Event::Data(1, data) => {
                client.credit(stream, data.len());
                output.extend(data);
            }
            Event::Result(exit) => break exit,
            other => panic!("{other:?}"),
        }
    };
    assert!(output == input);
    assert_eq!(exit.int(5), input.len() as u64);
}

#[test]
fn says_why_it_cannot_start() {
    let agent = Agent::start();
    let mut client = agent.connect();
    let mut fail = |arguments| client.fail(method::EXEC, arguments);
    assert_eq!(fail(command(&["no-such-program"])), "not_found");
    assert_eq!(fail(command(&["/no/such/program"])), "not_found");
    assert_eq!(fail(command(&["/etc/passwd"])), "permission_denied");
    assert_eq!(fail(command(&["/"])), "permission_denied");
    assert_eq!(fail(command(&["true"]).with(2, "/no/such/folder")), "invalid_argument");
    assert_eq!(fail(command(&["true"]).with(2, "relative")), "invalid_argument");
    assert_eq!(fail(command(&["true"]).with(4, "no-such-user")), "unauthenticated");
    assert_eq!(fail(command(&["true"]).with(3, "NOVALUE")), "invalid_argument");
    assert_eq!(fail(command(&[""])), "invalid_argument");
    assert_eq!(fail(record()), "invalid_argument");
}

#[test]
fn sets_environment_folder_and_user() {
    let agent = Agent::start();
    let mut client = agent.connect();
    client.call(method::CONFIGURE, record().with(5, "A=1").with(5, "B=1").with(12, "/"));
    let output = client.run(shell("echo $A $B $C $HOME $PWD").with(3, "B=2").with(3, "C=3").with(3, "HOME=/h"));
    assert_eq!(output.text(), "1 2 3 /h /\n");
    client.call(method::CONFIGURE, record().with(5, "D=4"));
    assert_eq!(client.run(shell("echo $A$D $PWD").with(2, "/usr")).text(), "4 /usr\n");
    if is_superuser() {
        let output = client.run(shell("id -u; id -g; echo $USER; cd; pwd").with(4, "daemon"));
        assert_eq!(output.text(), "1\n1\ndaemon\n/usr/sbin\n");
        assert_eq!(client.run(shell("id -u; id -g; echo $HOME").with(4, "54321")).text(), "54321\n54321\n/\n");
        client.call(method::CONFIGURE, record().with(11, "daemon"));
        assert_eq!(client.run(shell("id -un")).text(), "daemon\n");
    }
}

#[test]
fn takes_commands_longer_than_a_frame() {
    let agent = Agent::start();
    let mut client = agent.connect();
    let script = format!(": {}; echo done", "x".repeat(100_000));
    assert_eq!(client.run(shell(&script)).text(), "done\n");
    // And lists them: the answer is longer than a frame too.
    let list = client.call(method::LIST, record());
    assert_eq!(list.record(1).all(3)[2].len(), script.len());
}

#[test]
fn runs_scripts_without_an_interpreter_line() {
    let agent = Agent::start();
    let mut client = agent.connect();
    let script = agent.folder.path("script");
    std::fs::write(&script, "echo $0 $1").unwrap();
    assert_eq!(client.fail(method::EXEC, command(&[&script])), "permission_denied");
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).unwrap();
    assert_eq!(client.run(command(&[&script, "x"])).text(), format!("{script} x\n"));
}

#[test]
fn starts_with_a_clean_slate() {
    let agent = Agent::start();
    let mut client = agent.connect();
    let script = "grep -E 'Sig(Blk|Ign)' /proc/self/status; ls /proc/self/fd | wc -l";
    let text = client.run(shell(script)).text();
    let words: Vec<&str> = text.split_whitespace().collect();
    // The two signals the C library keeps to itself are as whoever started the agent had them.
    let ignored = u64::from_str_radix(words[3], 16).unwrap() & !(3 << 31);
    // Open are 0, 1, 2 and what ls itself opens.
    assert_eq!((words[1], ignored, words[4]), ("0000000000000000", 0, "4"));
}

#[test]
fn answers_as_it_goes() {
    let agent = Agent::start();
    let mut client = agent.connect();
    let arguments = command(&["true"]).encode();
    let streams: Vec<u32> = (0..300).map(|at| 2 * at + 1).collect();
    let requests: Vec<u8> = streams
        .iter()
        .flat_map(|&stream| frame(kind::OPEN, stream, &[&[method::EXEC], &arguments[..]].concat()))
        .collect();
    // All of them lie in the agent's buffer at once.
    client.send_raw(&requests);
    let (mut started, mut ended, mut started_at_first_end) = (0, 0, None);
    while ended < streams.len() {
        match client.next_frame().expect("the connection has ended") {
            (kind::MESSAGE, ..) => started += 1,
            (kind::RESULT, ..) => {
                ended += 1;
                started_at_first_end.get_or_insert(started);
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(started, streams.len());
    assert!(started_at_first_end < Some(streams.len()), "the first end was told after the last start");
}
