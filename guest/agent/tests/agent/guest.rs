//! The guest as a whole: what it says of itself, warm-up.

use crate::common::*;

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
