//! The end of processes and of the agent: signals, limits, shutdown.

use crate::common::*;

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
    until("the end of the descendant", || !is_running(pid));
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
    // Input that arrives within the time is still taken.
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
fn ends_everything_it_has_started() {
    let mut agent = Agent::start();
    let mut client = agent.connect();
    let script = "sleep 1000 & echo $!; setsid sleep 1000 & echo $!; \
                  (setsid sh -c 'echo $$; trap \"\" TERM; sleep 1000' &); echo $$; wait";
    let (stream, _) = client.start(shell(script));
    let mut text = String::new();
    while text.lines().count() < 4 || !text.ends_with('\n') {
        let Event::Data(1, data) = client.next(stream) else { panic!() };
        text.push_str(&String::from_utf8(data).unwrap());
    }
    let pids: Vec<i32> = text.lines().map(|line| line.parse().unwrap()).collect();
    assert!(pids.iter().all(|&pid| is_running(pid)));
    assert_eq!(agent.terminate(), Some(0));
    assert!(!pids.iter().any(|&pid| is_running(pid)));
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
