//! A small host: starts the real agent on a Unix socket and speaks the protocol, written from PROTOCOL.md and not from the
//! agent's own code.
#![allow(dead_code)]

pub mod json;
pub mod random;

use std::collections::{HashMap, VecDeque};
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

pub const MAGIC: &[u8] = b"\xFFNOVAGC1";
pub const WINDOW: usize = 262_144;

pub mod kind {
    pub const OPEN: u8 = 1;
    pub const DATA: u8 = 2;
    pub const MESSAGE: u8 = 3;
    pub const CREDIT: u8 = 4;
    pub const FINISH: u8 = 5;
    pub const RESULT: u8 = 6;
    pub const ERROR: u8 = 7;
    pub const CANCEL: u8 = 8;
    pub const PART: u8 = 9;
}

pub mod method {
    pub const INFO: u8 = 1;
    pub const PING: u8 = 2;
    pub const CONFIGURE: u8 = 3;
    pub const EXEC: u8 = 4;
    pub const ATTACH: u8 = 5;
    pub const SIGNAL: u8 = 6;
    pub const LIST: u8 = 7;
    pub const READ: u8 = 8;
    pub const WRITE: u8 = 9;
    pub const STAT: u8 = 10;
    pub const LIST_DIRECTORY: u8 = 11;
    pub const MKDIR: u8 = 12;
    pub const MOVE: u8 = 13;
    pub const REMOVE: u8 = 14;
    pub const WATCH: u8 = 15;
    pub const TAR_IN: u8 = 16;
    pub const TAR_OUT: u8 = 17;
    pub const ATTRIBUTES: u8 = 18;
    pub const TUNNEL: u8 = 20;
    pub const METRICS: u8 = 21;
    pub const CLOCK: u8 = 22;
    pub const QUIESCE: u8 = 23;
    pub const DEADLINE: u8 = 24;
    pub const SHUTDOWN: u8 = 25;
    pub const WARM: u8 = 26;
}

/// A folder of its own for every test, gone with it.
pub struct Folder(pub PathBuf);

impl Folder {
    pub fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("nova-agent-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).unwrap();
        Folder(path)
    }

    pub fn path(&self, name: &str) -> String {
        self.0.join(name).to_str().unwrap().to_owned()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

pub struct Agent {
    child: Child,
    pub folder: Folder,
}

impl Agent {
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    pub fn start_with(arguments: &[&str]) -> Self {
        let folder = Folder::new();
        let mut command = Command::new(env!("CARGO_BIN_EXE_nova-agent"));
        // A test that is killed leaves nothing behind.
        unsafe {
            command.pre_exec(|| {
                libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGTERM);
                Ok(())
            })
        };
        let mut child = command
            .arg("--listen")
            .arg(folder.0.join("agent.sock"))
            .args(arguments)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stderr.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "nova-agent: ready\n");
        Agent { child, folder }
    }

    pub fn socket(&self) -> PathBuf {
        self.folder.0.join("agent.sock")
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn connect(&self) -> Client {
        let mut client = Client::new(UnixStream::connect(self.socket()).unwrap());
        client.handshake(false);
        client
    }

    pub fn memory_kb(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }

    pub fn open_descriptors(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/fd", self.pid())).unwrap().count()
    }

    pub fn terminate(&mut self) -> Option<i32> {
        unsafe { libc::kill(self.pid() as i32, libc::SIGTERM) };
        self.child.wait().unwrap().code()
    }

    pub fn wait(&mut self) -> Option<i32> {
        self.child.wait().unwrap().code()
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        if let Ok(None) = self.child.try_wait() {
            self.terminate();
        }
    }
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Record(pub Vec<(u8, Vec<u8>)>);

impl Record {
    pub fn parse(mut bytes: &[u8]) -> Self {
        let mut fields = Vec::new();
        while !bytes.is_empty() {
            let length = u32::from_le_bytes(bytes[1..5].try_into().unwrap()) as usize;
            fields.push((bytes[0], bytes[5..5 + length].to_vec()));
            bytes = &bytes[5 + length..];
        }
        Record(fields)
    }

    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (tag, value) in &self.0 {
            bytes.push(*tag);
            bytes.extend((value.len() as u32).to_le_bytes());
            bytes.extend(value);
        }
        bytes
    }

    pub fn all(&self, tag: u8) -> Vec<&[u8]> {
        self.0.iter().filter(|field| field.0 == tag).map(|field| field.1.as_slice()).collect()
    }

    pub fn get(&self, tag: u8) -> Option<&[u8]> {
        self.all(tag).first().copied()
    }

    pub fn int(&self, tag: u8) -> u64 {
        self.get(tag).map_or(0, |value| u64::from_le_bytes(value.try_into().unwrap()))
    }

    pub fn text(&self, tag: u8) -> String {
        String::from_utf8_lossy(self.get(tag).unwrap_or_default()).into_owned()
    }

    pub fn record(&self, tag: u8) -> Record {
        Record::parse(self.get(tag).unwrap_or_default())
    }

    pub fn with(mut self, tag: u8, value: impl Value) -> Self {
        self.0.push((tag, value.bytes()));
        self
    }
}

pub trait Value {
    fn bytes(self) -> Vec<u8>;
}

impl Value for u64 {
    fn bytes(self) -> Vec<u8> {
        self.to_le_bytes().to_vec()
    }
}

impl Value for bool {
    fn bytes(self) -> Vec<u8> {
        u64::from(self).bytes()
    }
}

impl Value for &str {
    fn bytes(self) -> Vec<u8> {
        self.as_bytes().to_vec()
    }
}

impl Value for &String {
    fn bytes(self) -> Vec<u8> {
        self.as_bytes().to_vec()
    }
}

impl Value for &[u8] {
    fn bytes(self) -> Vec<u8> {
        self.to_vec()
    }
}

impl Value for Record {
    fn bytes(self) -> Vec<u8> {
        self.encode()
    }
}

pub fn record() -> Record {
    Record::default()
}

pub fn command(argv: &[&str]) -> Record {
    argv.iter().fold(record(), |record, argument| record.with(1, *argument))
}

pub fn shell(script: &str) -> Record {
    command(&["/bin/sh", "-c", script])
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    Data(u8, Vec<u8>),
    Message(u8, Record),
    Credit(u32),
    Finish,
    Result(Record),
    Error(Record),
}

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

pub fn frame(kind: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut bytes = (payload.len() as u32).to_le_bytes().to_vec();
    bytes.push(kind);
    bytes.extend(stream.to_le_bytes());
    bytes.extend(payload);
    bytes.push(0x5A);
    bytes
}

pub struct Client {
    pub socket: UnixStream,
    buffer: Vec<u8>,
    next: u32,
    parts: Vec<u8>,
    waiting: HashMap<u32, VecDeque<Event>>,
}

impl Client {
    pub fn new(socket: UnixStream) -> Self {
        socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        socket.set_write_timeout(Some(Duration::from_secs(20))).unwrap();
        Client { socket, buffer: Vec::new(), next: 1, parts: Vec::new(), waiting: HashMap::new() }
    }

    /// Opens a new session on this connection.
    pub fn handshake(&mut self, flush: bool) {
        assert_eq!(self.shake_hands(flush, 1, 1), 1);
    }

    pub fn shake_hands(&mut self, flush: bool, lowest: u8, highest: u8) -> u8 {
        static COUNT: AtomicU32 = AtomicU32::new(1);
        let mut nonce = [0x4E; 16];
        nonce[..4].copy_from_slice(&COUNT.fetch_add(1, Ordering::Relaxed).to_le_bytes());
        if flush {
            self.send_raw(&vec![0xFF; 32_784]);
        }
        self.send_raw(&[MAGIC, &[lowest, highest], &nonce].concat());
        loop {
            let at = self.buffer.windows(MAGIC.len()).position(|window| window == MAGIC);
            if let Some(at) = at.filter(|at| self.buffer.len() >= at + 26) {
                let answer: Vec<u8> = self.buffer.drain(..at + 26).skip(at).collect();
                if answer[10..] == nonce {
                    assert_eq!(answer[9], 0);
                    self.next = 1;
                    self.waiting.clear();
                    self.parts.clear();
                    return answer[8];
                }
                continue;
            }
            assert!(self.receive(), "closed in a handshake");
        }
    }

    pub fn send_raw(&mut self, mut bytes: &[u8]) {
        // Reads while it writes, as a host must: the agent does not take input while its own output piles up.
        self.socket.set_nonblocking(true).unwrap();
        while !bytes.is_empty() {
            match self.socket.write(bytes) {
                Ok(count) => bytes = &bytes[count..],
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    let mut poll = libc::pollfd {
                        fd: std::os::fd::AsRawFd::as_raw_fd(&self.socket),
                        events: libc::POLLIN | libc::POLLOUT,
                        revents: 0,
                    };
                    assert!(unsafe { libc::poll(&mut poll, 1, 20_000) } > 0, "the agent takes no input");
                    if poll.revents & libc::POLLIN != 0 {
                        self.receive();
                    }
                }
                // It has gone; what it said last can still be read.
                Err(error) if error.kind() == ErrorKind::BrokenPipe => break,
                Err(error) => panic!("{error}"),
            }
        }
        self.socket.set_nonblocking(false).unwrap();
    }

    pub fn send(&mut self, kind: u8, stream: u32, payload: &[u8]) {
        self.send_raw(&frame(kind, stream, payload));
    }

    /// False at the end of the connection.
    fn receive(&mut self) -> bool {
        let mut bytes = vec![0; 65_536];
        match self.socket.read(&mut bytes) {
            Ok(0) => false,
            Ok(count) => {
                self.buffer.extend(&bytes[..count]);
                true
            }
            Err(error) if error.kind() == ErrorKind::ConnectionReset => false,
            Err(error) => panic!("{error}"),
        }
    }

    /// The next frame: kind, stream, payload. `None` at the end of the connection.
    pub fn next_frame(&mut self) -> Option<(u8, u32, Vec<u8>)> {
        loop {
            if self.buffer.len() >= 10 {
                let length = u32::from_le_bytes(self.buffer[..4].try_into().unwrap()) as usize;
                assert!(length <= 32_768);
                if self.buffer.len() >= length + 10 {
                    let bytes: Vec<u8> = self.buffer.drain(..length + 10).collect();
                    assert_eq!(bytes[length + 9], 0x5A);
                    let stream = u32::from_le_bytes(bytes[5..9].try_into().unwrap());
                    return Some((bytes[4], stream, bytes[9..length + 9].to_vec()));
                }
            }
            if !self.receive() {
                return None;
            }
        }
    }

    /// The next event of a stream; those of others are kept.
    pub fn next(&mut self, stream: u32) -> Event {
        loop {
            if let Some(event) = self.waiting.get_mut(&stream).and_then(VecDeque::pop_front) {
                return event;
            }
            let (kind, owner, payload) = self.next_frame().expect("the connection has ended");
            let payload =
                if kind == kind::DATA { payload } else { [std::mem::take(&mut self.parts), payload].concat() };
            let event = match kind {
                kind::PART => {
                    self.parts = payload;
                    continue;
                }
                kind::DATA => Event::Data(payload[0], payload[1..].to_vec()),
                kind::MESSAGE => Event::Message(payload[0], Record::parse(&payload[1..])),
                kind::CREDIT => Event::Credit(u32::from_le_bytes(payload.try_into().unwrap())),
                kind::FINISH => Event::Finish,
                kind::RESULT => Event::Result(Record::parse(&payload)),
                kind::ERROR => Event::Error(Record::parse(&payload)),
                other => panic!("the agent sent a frame of kind {other}"),
            };
            self.waiting.entry(owner).or_default().push_back(event);
        }
    }

    pub fn open(&mut self, method: u8, arguments: Record) -> u32 {
        let stream = self.next;
        self.next += 2;
        let payload = [vec![method], arguments.encode()].concat();
        let mut pieces: VecDeque<&[u8]> = payload.chunks(32_768).collect();
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
        self.send(kind::DATA, stream, &[&[0], bytes].concat());
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
                Event::Data(channel, data) => {
                    self.credit(stream, data.len());
                    match channel {
                        1 => output.stdout.extend(data),
                        2 => output.stderr.extend(data),
                        3 => output.pty.extend(data),
                        other => panic!("data on channel {other}"),
                    }
                }
                Event::Message(1, started) => output.started = started,
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
            Event::Message(1, started) => (stream, started.int(1)),
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
                Event::Data(0, data) => {
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

pub fn exists(path: impl AsRef<Path>) -> bool {
    path.as_ref().exists()
}

/// Waits for something that has no event of its own.
pub fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let end = std::time::Instant::now() + Duration::from_secs(20);
    while !condition() {
        assert!(std::time::Instant::now() < end, "never came: {what}");
        std::thread::yield_now();
    }
}
