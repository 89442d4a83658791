//! Requests, and what processes and files give.

use std::collections::VecDeque;

use super::client::{Client, Event, WINDOW};
use super::numbers::{channel, limit, message};
use super::record::{record, Record};
use super::{kind, method};

/// All that a process gave.
#[derive(Debug, Default)]
pub struct Output {
    pub stdout: Vec<u8>,
    pub stderr: Vec<u8>,
    pub pty: Vec<u8>,
    pub exit: Record,
    pub started: Record,
}

impl Output {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    pub fn code(&self) -> u64 {
        self.exit.int(1)
    }
}

impl Client {
    pub fn open(&mut self, method: u8, arguments: Record) -> u32 {
        let stream = self.next;
        self.next += 2;
        let payload = [vec![method], arguments.encode()].concat();
        let mut pieces: VecDeque<&[u8]> = payload.chunks(limit::PAYLOAD).collect();
        let last = pieces.pop_back().unwrap();
        for piece in pieces {
            self.send(kind::PART, stream, piece);
        }
        self.send(kind::OPEN, stream, last);
        stream
    }

    pub fn try_call(&mut self, method: u8, arguments: Record) -> Result<Record, Record> {
        let stream = self.open(method, arguments);
        self.result(stream)
    }

    /// Passes over everything else a stream says.
    pub fn result(&mut self, stream: u32) -> Result<Record, Record> {
        loop {
            match self.next(stream) {
                Event::Result(record) => return Ok(record),
                Event::Error(record) => return Err(record),
                Event::Data(_, data) => self.credit(stream, data.len()),
                _ => {}
            }
        }
    }

    pub fn call(&mut self, method: u8, arguments: Record) -> Record {
        self.try_call(method, arguments).unwrap_or_else(|error| panic!("{}: {}", error.text(1), error.text(2)))
    }

    /// The error's code.
    pub fn fail(&mut self, method: u8, arguments: Record) -> String {
        self.try_call(method, arguments).expect_err("should have failed").text(1)
    }

    pub fn credit(&mut self, stream: u32, bytes: usize) {
        self.send(kind::CREDIT, stream, &(bytes as u32).to_le_bytes());
    }

    pub fn data(&mut self, stream: u32, bytes: &[u8]) {
        self.send(kind::DATA, stream, &[&[channel::INPUT], bytes].concat());
    }

    pub fn finish(&mut self, stream: u32) {
        self.send(kind::FINISH, stream, &[]);
    }

    pub fn message(&mut self, stream: u32, kind: u8, record: Record) {
        self.send(kind::MESSAGE, stream, &[vec![kind], record.encode()].concat());
    }

    /// Takes everything a process gives until it has ended.
    pub fn collect(&mut self, stream: u32) -> Output {
        let mut output = Output::default();
        loop {
            match self.next(stream) {
                Event::Data(number, data) => {
                    self.credit(stream, data.len());
                    match number {
                        channel::STDOUT => output.stdout.extend(data),
                        channel::STDERR => output.stderr.extend(data),
                        channel::PTY => output.pty.extend(data),
                        other => panic!("data on channel {other}"),
                    }
                }
                Event::Message(message::STARTED, started) => output.started = started,
                Event::Result(exit) => {
                    output.exit = exit;
                    return output;
                }
                Event::Credit(_) => {}
                other => panic!("{other:?}"),
            }
        }
    }

    pub fn run(&mut self, arguments: Record) -> Output {
        let stream = self.open(method::EXEC, arguments);
        self.collect(stream)
    }

    /// Starts a process and gives its stream and number.
    pub fn start(&mut self, arguments: Record) -> (u32, u64) {
        let stream = self.open(method::EXEC, arguments);
        match self.next(stream) {
            Event::Message(message::STARTED, started) => (stream, started.int(1)),
            other => panic!("{other:?}"),
        }
    }

    /// Sends bytes as the credit allows, then FINISH; gives what the request results in.
    pub fn upload(&mut self, stream: u32, bytes: &[u8]) -> Result<Record, Record> {
        let mut credit = WINDOW;
        for piece in bytes.chunks(32_000) {
            while credit < piece.len() {
                match self.next(stream) {
                    Event::Credit(more) => credit += more as usize,
                    Event::Error(record) => return Err(record),
                    other => panic!("{other:?}"),
                }
            }
            credit -= piece.len();
            self.data(stream, piece);
        }
        self.finish(stream);
        self.result(stream)
    }

    /// All DATA of a request, and its result.
    pub fn download(&mut self, stream: u32) -> (Vec<u8>, Record) {
        let mut bytes = Vec::new();
        loop {
            match self.next(stream) {
                Event::Data(channel::CONTENT, data) => {
                    self.credit(stream, data.len());
                    bytes.extend(data);
                }
                Event::Message(..) | Event::Finish => {}
                Event::Result(record) => return (bytes, record),
                other => panic!("{other:?}"),
            }
        }
    }

    pub fn is_alive(&mut self) -> bool {
        self.call(method::PING, record().with(1, "still there")).text(1) == "still there"
    }
}

/// Unpacks an archive into a directory.
pub fn extract(client: &mut Client, path: &str, bytes: &[u8]) -> Result<Record, Record> {
    let stream = client.open(method::TAR_IN, record().with(1, path));
    client.upload(stream, bytes)
}
