//! Processes whose session is lost, or is left.

use crate::common::*;

const NEW_ONLY: u64 = u64::MAX;

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
