//! Processes: streams, input, terminals, signals, limits, attachment, back-pressure.

mod common;

use common::*;

const NEW_ONLY: u64 = u64::MAX;

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
    if unsafe { libc::geteuid() } == 0 {
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
    use std::os::unix::fs::PermissionsExt;
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

#[test]
fn signals_the_whole_group() {
    let agent = Agent::start();
    let mut client = agent.connect();
    let (stream, exec) = client.start(shell("sleep 100 & echo $!; wait"));
    let Event::Data(1, pid) = client.next(stream) else { panic!() };
    let pid: i32 = String::from_utf8(pid).unwrap().trim().parse().unwrap();
    client.call(method::SIGNAL, record().with(1, exec).with(2, 15));
    let output = client.collect(stream);
    assert_eq!((output.code(), output.exit.int(2), output.exit.int(3)), (143, 15, 0));
    // Nobody but the agent can be its parent now, and the agent reaps.
    until("the end of the descendant", || unsafe { libc::kill(pid, 0) } < 0);
    assert_eq!(client.fail(method::SIGNAL, record().with(1, exec).with(2, 15)), "not_found");
    assert_eq!(client.fail(method::SIGNAL, record().with(1, 999).with(2, 15)), "not_found");

    let (stream, exec) = client.start(shell("trap 'echo usr; exit 7' USR1; echo up; while :; do sleep 0.01; done"));
    assert!(matches!(client.next(stream), Event::Data(..)));
    assert_eq!(client.fail(method::SIGNAL, record().with(1, exec).with(2, 65)), "invalid_argument");
    client.message(stream, 17, record().with(1, libc::SIGUSR1 as u64));
    let output = client.collect(stream);
    assert_eq!((output.text().as_str(), output.code()), ("usr\n", 7));
}

#[test]
fn keeps_time_limits() {
    let agent = Agent::start();
    let mut client = agent.connect();
    let output = client.run(shell("echo begun; sleep 100").with(6, 100));
    assert_eq!((output.text().as_str(), output.code(), output.exit.int(3)), ("begun\n", 143, 1));
    // Who does not listen is killed two seconds later.
    let output = client.run(shell("trap '' TERM; sleep 100").with(6, 100));
    assert_eq!((output.code(), output.exit.int(3)), (137, 1));
    assert!((2_000_000..12_000_000).contains(&output.exit.int(10)));
    assert_eq!(client.run(command(&["true"]).with(6, 60_000)).exit.int(3), 0);
}

#[test]
fn does_not_wait_for_what_descendants_hold_open() {
    let agent = Agent::start();
    let mut client = agent.connect();
    let began = std::time::Instant::now();
    assert_eq!(client.run(shell("sleep 100 & echo now")).text(), "now\n");
    assert!(began.elapsed().as_millis() >= 200);
    // What comes within the time is still taken.
    assert_eq!(client.run(shell("(sleep 0.05; echo late) & echo now")).text(), "now\nlate\n");
    // Nothing at all once it was killed. (A busy machine may need several tries to show it.)
    let quick = (0..20).any(|_| {
        let (stream, exec) = client.start(shell("setsid sleep 100 & echo now; wait"));
        assert!(matches!(client.next(stream), Event::Data(..)));
        let began = std::time::Instant::now();
        client.call(method::SIGNAL, record().with(1, exec).with(2, 9));
        assert_eq!(client.collect(stream).code(), 137);
        began.elapsed().as_millis() < 150
    });
    assert!(quick);
}

#[test]
fn lets_streams_come_and_go() {
    let agent = Agent::start();
    let mut client = agent.connect();
    let stream = client.open(method::EXEC, shell("cat; echo done").with(7, true).with(10, true).with(9, "a-tag"));
    let exec = client.result(stream).unwrap().int(4);
    let attach = |stdout: u64, control: bool| record().with(1, exec).with(2, stdout).with(4, control);

    let first = client.open(method::ATTACH, attach(0, true));
    let Event::Message(1, started) = client.next(first) else { panic!() };
    assert_eq!((started.int(1), started.int(3)), (exec, 0));
    client.data(first, b"hello ");
    assert_eq!(client.next(first), Event::Data(1, b"hello ".into()));
    client.send(kind::CANCEL, first, &[]);

    let mut other = agent.connect();
    let listed = other.call(method::LIST, record());
    let process = listed.all(1).into_iter().map(Record::parse).find(|process| process.int(1) == exec).unwrap();
    assert_eq!((process.text(6).as_str(), process.int(8)), ("a-tag", 1));
    let late = other.open(method::ATTACH, attach(2, false));
    let Event::Message(1, started) = other.next(late) else { panic!() };
    assert_eq!(started.int(3), 2);
    assert_eq!(other.next(late), Event::Data(1, b"llo ".into()));
    let newest = other.open(method::ATTACH, attach(NEW_ONLY, true));
    // Without control nothing is taken.
    other.data(late, b"ignored");
    other.finish(late);
    other.data(newest, b"world");
    other.finish(newest);
    assert_eq!(other.collect(newest).text(), "worlddone\n");
    assert_eq!(other.collect(late).text(), "worlddone\n");

    // An ended one can still be seen, from any offset.
    let again = client.open(method::ATTACH, attach(6, false));
    let output = client.collect(again);
    assert_eq!((output.text().as_str(), output.code(), output.exit.int(5)), ("worlddone\n", 0, 16));
    assert_eq!(client.fail(method::ATTACH, record().with(1, 999)), "not_found");
}

#[test]
fn keeps_the_newest_output() {
    let agent = Agent::start();
    let mut client = agent.connect();
    let script = "i=0; while [ $i -lt 40000 ]; do echo line $i; i=$((i+1)); done";
    let run = |client: &mut Client, retain: u64| {
        let stream = client.open(method::EXEC, shell(script).with(10, true).with(8, retain));
        let exec = client.result(stream).unwrap().int(4);
        until("its end", || {
            let list = client.call(method::LIST, record());
            let process = list.all(1).into_iter().map(Record::parse).find(|process| process.int(1) == exec);
            process.unwrap().int(8) == 0
        });
        let stream = client.open(method::ATTACH, record().with(1, exec));
        client.collect(stream)
    };
    let all: String = (0..40_000).map(|number| format!("line {number}\n")).collect();
    let small = run(&mut client, 0);
    assert_eq!(small.exit.int(5), all.len() as u64);
    assert_eq!(small.started.int(3), (all.len() - 65_536) as u64);
    assert_eq!(small.text(), all[all.len() - 65_536..]);
    let large = run(&mut client, 1 << 20);
    assert_eq!(large.started.int(3), 0);
    assert!(large.text() == all);
}

#[test]
fn processes_outlive_their_session() {
    let agent = Agent::start();
    let mut client = agent.connect();
    let (_, exec) = client.start(shell("read line; echo got $line").with(7, true));
    drop(client);
    let mut client = agent.connect();
    let stream = client.open(method::ATTACH, record().with(1, exec).with(4, true));
    client.data(stream, b"it\n");
    assert_eq!(client.collect(stream).text(), "got it\n");
}

#[test]
fn a_slow_reader_holds_the_process_back() {
    let agent = Agent::start();
    let mut client = agent.connect();
    let mut watcher = agent.connect();
    let before = agent.memory_kb();
    let (stream, exec) = client.start(command(&["head", "-c", "100000000", "/dev/zero"]));
    // Exactly the credit comes, and no more.
    let mut received = 0;
    while received < WINDOW {
        match client.next(stream) {
            Event::Data(1, data) => received += data.len(),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(received, WINDOW);
    assert!(watcher.is_alive());
    let listed = watcher.call(method::LIST, record());
    assert_eq!(Record::parse(listed.all(1).last().unwrap()).int(8), 1);
    // Then all of it, while the agent stays small.
    let mut highest = 0;
    client.credit(stream, WINDOW);
    let exit = loop {
        match client.next(stream) {
            Event::Data(1, data) => {
                received += data.len();
                client.credit(stream, data.len());
                if received % (1 << 22) < data.len() {
                    highest = highest.max(agent.memory_kb());
                }
            }
            Event::Result(exit) => break exit,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!((received, exit.int(5), exit.int(4)), (100_000_000, 100_000_000, exec));
    assert!(highest < before + 2_048, "{before} kB before, {highest} kB at the highest");
}

#[test]
fn a_session_that_does_not_read_harms_nobody() {
    let agent = Agent::start();
    let mut stuck = agent.connect();
    let mut client = agent.connect();
    let before = agent.memory_kb();
    // Asks for far more than it takes: the agent stops to listen to it at some point.
    let pings: Vec<u8> = (0..40_000u32)
        .flat_map(|number| {
            let payload = [vec![method::PING], record().with(1, "x".repeat(1_000).as_str()).encode()].concat();
            frame(kind::OPEN, number * 2 + 1, &payload)
        })
        .collect();
    stuck.socket.set_nonblocking(true).unwrap();
    let mut sent = 0;
    while let Ok(count) = std::io::Write::write(&mut stuck.socket, &pings[sent..]) {
        sent += count;
        assert!(client.is_alive());
    }
    assert!(sent < pings.len() / 2, "took {sent} bytes");
    assert!(client.is_alive());
    assert!(agent.memory_kb() < before + 2_048);
}

#[test]
fn ends_everything_it_has_started() {
    let mut agent = Agent::start();
    let mut client = agent.connect();
    let script = "sleep 1000 & echo $!; setsid sleep 1000 & echo $!; (setsid sh -c 'echo $$; trap \"\" TERM; sleep 1000' &); echo $$; wait";
    let (stream, _) = client.start(shell(script));
    let mut text = String::new();
    while text.lines().count() < 4 || !text.ends_with('\n') {
        let Event::Data(1, data) = client.next(stream) else { panic!() };
        text.push_str(&String::from_utf8(data).unwrap());
    }
    let pids: Vec<i32> = text.lines().map(|line| line.parse().unwrap()).collect();
    assert!(pids.iter().all(|&pid| unsafe { libc::kill(pid, 0) } == 0));
    assert_eq!(agent.terminate(), Some(0));
    assert!(pids.iter().all(|&pid| unsafe { libc::kill(pid, 0) } < 0));
    assert!(!exists(agent.socket()));
}

#[test]
fn shuts_down_when_asked_or_in_time() {
    let mut agent = Agent::start();
    let mut client = agent.connect();
    let (stream, _) = client.start(shell("trap 'echo bye; exit' TERM; echo up; while :; do sleep 0.01; done"));
    assert!(matches!(client.next(stream), Event::Data(..)));
    client.call(method::SHUTDOWN, record().with(1, 10_000));
    assert_eq!(client.collect(stream).text(), "bye\n");
    assert_eq!(agent.wait(), Some(0));

    let mut agent = Agent::start_with(&["--deadline", "50"]);
    assert_eq!(agent.wait(), Some(0));
    let mut agent = Agent::start_with(&["--deadline", "100000"]);
    let mut client = agent.connect();
    assert!((1..=100_000).contains(&client.call(method::DEADLINE, record()).int(1)));
    assert_eq!(client.call(method::DEADLINE, record().with(1, u64::MAX)).int(1), u64::MAX);
    client.call(method::DEADLINE, record().with(1, 10));
    assert_eq!(agent.wait(), Some(0));
}

#[test]
fn warms_programs() {
    let agent = Agent::start();
    let mut client = agent.connect();
    let program = |argv: &[&str]| command(argv);
    let arguments = record()
        .with(1, program(&["/bin/sh", "-c", "kill -USR1 $$"]))
        .with(1, program(&["no-such-program"]))
        .with(1, program(&["cat"]))
        .with(1, record())
        .with(1, program(&["/bin/sh", "-c", "echo output; exit 3"]));
    let result = client.call(method::WARM, arguments);
    // The shell, cat, and the libraries they share.
    assert_eq!(result.int(1), 3);
    assert!(result.int(2) > 1_000_000, "{result:?}");
    assert!(client.call(method::LIST, record()).all(1).is_empty());
    assert_eq!(client.run(shell("echo fine")).text(), "fine\n");
}

#[test]
fn answers_about_itself() {
    let agent = Agent::start();
    let mut client = agent.connect();
    let info = client.call(method::INFO, record());
    assert_eq!(info.int(6), u64::from(agent.pid()));
    assert!(!info.text(2).is_empty() && !info.text(8).is_empty() && info.int(9) > 1_600_000_000_000_000_000);
    let metrics = client.call(method::METRICS, record());
    assert!(metrics.int(1) > 0 && metrics.int(5) > metrics.int(6) && metrics.int(8) > 0);
    assert!(metrics.int(15) / 1024 < 8_192);
    assert!(client.call(method::CLOCK, record().with(1, 5)).int(1) > 1_600_000_000_000_000_000);
    client.call(method::QUIESCE, record().with(1, true).with(2, true));
    let hostname = info.text(3);
    let configuration = record().with(1, vec![1; 64].as_slice()).with(2, 5).with(3, "other").with(9, 5).with(10, 100);
    client.call(method::CONFIGURE, configuration.with(13, "00000000-0000-4000-8000-000000000000"));
    assert_eq!(client.call(method::INFO, record()).text(3), hostname);
    assert_eq!(client.fail(method::CONFIGURE, record().with(1, "short")), "invalid_argument");
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

/// Of a client that is gone without a word.
fn lost_after(agent: &Agent, arguments: Record, bytes: usize) -> (u64, usize) {
    let mut client = agent.connect();
    let (stream, exec) = client.start(arguments);
    let mut seen = 0;
    while seen < bytes {
        if let Event::Data(_, data) = client.next(stream) {
            seen += data.len();
        }
    }
    (exec, seen)
}

fn attach_at(client: &mut Client, exec: u64, offset: u64) -> u32 {
    client.open(method::ATTACH, record().with(1, exec).with(2, offset).with(3, NEW_ONLY))
}

#[test]
fn ends_a_process_whose_session_is_lost() {
    let agent = Agent::start();
    let (exec, _) =
        lost_after(&agent, shell("trap '' TERM; echo up; sleep 1000 & wait; sleep 1000").with(14, 50u64), 3);
    let mut client = agent.connect();
    until("the process has ended", || {
        let list = client.call(method::LIST, record());
        list.all(1).iter().any(|entry| {
            let entry = Record::parse(entry);
            entry.int(1) == exec && entry.int(8) == 0
        })
    });

    // Without a time it goes on, and so does one that its host has let go of.
    let (on, _) = lost_after(&agent, shell("echo up; exec sleep 1000"), 3);
    let mut other = agent.connect();
    let (stream, kept) = other.start(shell("echo up; exec sleep 1000").with(14, 50u64));
    other.send(kind::CANCEL, stream, &[]);
    assert!(other.is_alive());
    drop(other);
    let (ended, _) = lost_after(&agent, shell("echo up; exec sleep 1000").with(14, 50u64), 3);
    until("the one that depends on its session has ended", || {
        let list = client.call(method::LIST, record());
        let running = |exec: u64| {
            list.all(1).iter().any(|entry| {
                let entry = Record::parse(entry);
                entry.int(1) == exec && entry.int(8) == 1
            })
        };
        assert!(running(on) && running(kept));
        !running(ended)
    });
    for exec in [on, kept] {
        client.call(method::SIGNAL, record().with(1, exec).with(2, 9u64));
    }
}

#[test]
fn keeps_every_byte_for_whoever_comes_back() {
    let agent = Agent::start();
    let total = 3_000_000;
    let script = format!("i=0; while [ $i -lt 375000 ]; do printf %07d\\\\n $i; i=$((i+1)); done | head -c {total}");
    let (exec, _) = lost_after(&agent, shell(&script).with(14, 60_000u64), WINDOW);
    // All that was under way when the session was lost is there again, though the process would have written on.
    let mut client = agent.connect();
    let stream = attach_at(&mut client, exec, 1_000);
    let output = client.collect(stream);
    assert_eq!(output.started.int(3), 1_000);
    let whole: Vec<u8> = (0..total / 8).flat_map(|line| format!("{line:07}\n").into_bytes()).collect();
    assert!(output.stdout == whole[1_000..], "{} of {}", output.stdout.len(), total - 1_000);
}

#[test]
fn leaves_a_process_for_a_time_of_the_hosts() {
    let agent = Agent::start();
    let mut client = agent.connect();
    let (stream, exec) = client.start(shell("echo up; exec cat").with(7, true).with(14, 60_000u64));
    assert!(matches!(client.next(stream), Event::Data(1, _)));
    client.message(stream, 18, record().with(1, 50u64));
    client.send(kind::CANCEL, stream, &[]);
    until("the process has ended", || {
        let list = client.call(method::LIST, record());
        list.all(1).iter().any(|entry| {
            let entry = Record::parse(entry);
            entry.int(1) == exec && entry.int(8) == 0
        })
    });
    let stream = attach_at(&mut client, exec, 0);
    let output = client.collect(stream);
    assert_eq!((output.text().as_str(), output.exit.int(2)), ("up\n", 15));
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
