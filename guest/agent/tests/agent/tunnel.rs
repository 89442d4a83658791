//! Tunnels to ports and Unix sockets.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener};
use std::os::unix::net::UnixListener;

use crate::common::*;

fn to_port(port: u16) -> Record {
    record().with(2, u64::from(port))
}

fn connected(client: &mut Client, arguments: Record) -> u32 {
    let stream = client.open(method::TUNNEL, arguments);
    assert_eq!(client.next(stream), Event::Message(7, record()));
    stream
}

#[test]
fn carries_bytes_both_ways() {
    let agent = Agent::start();
    let mut client = agent.connect();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    for address in [None, Some("127.0.0.1"), Some("localhost")] {
        let arguments = address.map_or(to_port(port), |address| to_port(port).with(1, address));
        let stream = connected(&mut client, arguments);
        let (mut socket, _) = listener.accept().unwrap();
        client.data(stream, b"request");
        let mut buffer = [0; 7];
        socket.read_exact(&mut buffer).unwrap();
        assert_eq!(&buffer, b"request");
        socket.write_all(b"answer").unwrap();
        assert_eq!(client.next(stream), Event::Data(0, b"answer".into()));
        // Each side ends on its own.
        socket.shutdown(Shutdown::Write).unwrap();
        assert_eq!(client.next(stream), Event::Finish);
        client.data(stream, b"more");
        client.finish(stream);
        let mut rest = Vec::new();
        socket.read_to_end(&mut rest).unwrap();
        assert_eq!(rest, b"more");
        assert_eq!(client.next(stream), Event::Result(record()));
    }
}

#[test]
fn reaches_unix_sockets_and_ipv6() {
    let agent = Agent::start();
    let mut client = agent.connect();
    let path = agent.folder.path("service.sock");
    let listener = UnixListener::bind(&path).unwrap();
    let stream = connected(&mut client, record().with(1, &format!("unix:{path}")));
    let (mut socket, _) = listener.accept().unwrap();
    client.data(stream, b"x");
    client.finish(stream);
    std::io::copy(&mut socket.try_clone().unwrap(), &mut socket).unwrap();
    drop(socket);
    assert_eq!(client.download(stream).0, b"x");
    // Where the system has it: nobody listens on 127.0.0.1, so localhost goes on to ::1.
    if let Ok(listener) = TcpListener::bind("[::1]:0") {
        let port = listener.local_addr().unwrap().port();
        for address in ["::1", "localhost"] {
            connected(&mut client, to_port(port).with(1, address));
            listener.accept().unwrap();
        }
    }
}

#[test]
fn says_when_nobody_listens() {
    let agent = Agent::start();
    let mut client = agent.connect();
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    assert_eq!(client.fail(method::TUNNEL, to_port(port)), "unavailable");
    assert_eq!(client.fail(method::TUNNEL, to_port(port).with(1, "localhost")), "unavailable");
    assert_eq!(client.fail(method::TUNNEL, record().with(1, "unix:/no/such/socket")), "unavailable");
    assert_eq!(client.fail(method::TUNNEL, record()), "invalid_argument");
    assert_eq!(client.fail(method::TUNNEL, to_port(80).with(1, "example.org")), "invalid_argument");
}

#[test]
fn holds_back_and_stays_small() {
    let agent = Agent::start();
    let mut client = agent.connect();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let before = agent.memory_kb();
    let stream = connected(&mut client, to_port(listener.local_addr().unwrap().port()));
    let (mut socket, _) = listener.accept().unwrap();
    let total = 30_000_000;
    let writer = std::thread::spawn({
        let mut socket = socket.try_clone().unwrap();
        move || {
            let piece = vec![7; 1 << 20];
            let mut left = total;
            while left > 0 {
                let count = left.min(piece.len());
                socket.write_all(&piece[..count]).unwrap();
                left -= count;
            }
            socket.shutdown(Shutdown::Write).unwrap();
        }
    });
    // Without credit nothing more comes, while another session is served.
    let mut received = 0;
    while received < WINDOW {
        let Event::Data(0, data) = client.next(stream) else { panic!() };
        received += data.len();
    }
    assert!(agent.connect().is_alive());
    client.credit(stream, WINDOW);
    loop {
        match client.next(stream) {
            Event::Data(0, data) => {
                client.credit(stream, data.len());
                received += data.len();
            }
            Event::Finish => break,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(received, total);
    writer.join().unwrap();
    // And the other way round, to someone who does not read yet.
    let content = vec![9; 5_000_000];
    let reader = std::thread::spawn(move || {
        let mut all = Vec::new();
        socket.read_to_end(&mut all).unwrap();
        all
    });
    client.upload(stream, &content).unwrap();
    assert!(reader.join().unwrap() == content);
    assert!(agent.memory_kb() < before + 2_048);
}

#[test]
fn closes_with_its_stream_and_its_session() {
    let agent = Agent::start();
    let mut client = agent.connect();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let stream = connected(&mut client, to_port(port));
    let (mut socket, _) = listener.accept().unwrap();
    client.send(kind::CANCEL, stream, &[]);
    assert_eq!(socket.read(&mut [0; 8]).unwrap(), 0);
    connected(&mut client, to_port(port));
    let (mut socket, _) = listener.accept().unwrap();
    client.handshake(true);
    assert_eq!(socket.read(&mut [0; 8]).unwrap(), 0);
    connected(&mut client, to_port(port));
    let (mut socket, _) = listener.accept().unwrap();
    drop(client);
    assert_eq!(socket.read(&mut [0; 8]).unwrap(), 0);
}

#[test]
fn opens_hundreds() {
    let agent = Agent::start();
    let mut client = agent.connect();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let before = agent.open_descriptors();
    let (mut streams, mut sockets) = (Vec::new(), Vec::new());
    // No more at once than a listener's queue holds.
    for _ in 0..10 {
        let some: Vec<u32> = (0..30).map(|_| client.open(method::TUNNEL, to_port(port))).collect();
        for stream in some {
            sockets.push(listener.accept().unwrap().0);
            assert_eq!(client.next(stream), Event::Message(7, record()));
            streams.push(stream);
        }
    }
    for (stream, socket) in streams.iter().zip(&mut sockets) {
        client.data(*stream, b"x");
        socket.shutdown(Shutdown::Write).unwrap();
        client.finish(*stream);
        assert_eq!(client.result(*stream), Ok(record()));
    }
    until("closed descriptors", || agent.open_descriptors() == before);
}
