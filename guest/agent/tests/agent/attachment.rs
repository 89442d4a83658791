//! Streams that come and go: attachment, retained output, back-pressure.

use crate::common::*;

const NEW_ONLY: u64 = u64::MAX;

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
