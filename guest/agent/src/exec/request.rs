//! The arguments of an exec call.

use crate::error::{Failure, Outcome};
use crate::numbers::tag;
use crate::record::{self, Fields};

const MOST_RETAINED: u64 = 16 << 20;
/// The longest wait, an hour: after that nobody comes back for a process.
const LONGEST_WAIT_MS: u64 = 3_600_000;
/// The most bytes that a host may have received and not yet handed on: its credit, and one read.
const UNSEEN: usize = 320 * 1024;
const LONGEST_REQUEST_ID: usize = 128;

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    pub columns: u16,
    pub rows: u16,
}

#[derive(Default)]
pub struct Request {
    pub argv: Vec<Vec<u8>>,
    pub cwd: Vec<u8>,
    pub env: Vec<Vec<u8>>,
    pub user: Vec<u8>,
    pub pty: Option<Size>,
    pub timeout_ms: u64,
    pub stdin: bool,
    pub retain: usize,
    pub tag: Vec<u8>,
    pub detached: bool,
    pub merge_stderr: bool,
    pub request_id: Vec<u8>,
    pub wait_ms: u64,
    /// The host has said what should happen to the process once nobody is attached, so a client may come back.
    pub returns: bool,
}

/// Limits how long a process waits for the clients that were attached.
pub fn wait_ms(asked: u64) -> u64 {
    asked.min(LONGEST_WAIT_MS)
}

impl Size {
    pub fn parse(record: &[u8]) -> Outcome<Self> {
        let mut size = Size { columns: 80, rows: 24 };
        for (tag, value) in Fields::new(record) {
            match tag {
                tag::size::COLS => size.columns = record::narrow(value)?,
                tag::size::ROWS => size.rows = record::narrow(value)?,
                _ => {}
            }
        }
        Ok(size)
    }
}

impl Request {
    /// The request of the host that the process belongs to, made safe for a line of the log; empty when there is none.
    pub fn id(&self) -> Option<String> {
        let id = String::from_utf8_lossy(&self.request_id);
        (!id.is_empty()).then(|| id.into_owned())
    }

    pub fn parse(fields: Fields) -> Outcome<Self> {
        let mut request = Request::default();
        for (tag, value) in fields {
            match tag {
                tag::exec::ARGV => request.argv.push(value.to_vec()),
                tag::exec::CWD => request.cwd = value.to_vec(),
                tag::exec::ENV => request.env.push(value.to_vec()),
                tag::exec::USER => request.user = value.to_vec(),
                tag::exec::PTY => request.pty = Some(Size::parse(value)?),
                tag::exec::TIMEOUT_MS => request.timeout_ms = record::int(value)?,
                tag::exec::STDIN => request.stdin = record::flag(value)?,
                tag::exec::RETAIN => request.retain = record::int(value)?.min(MOST_RETAINED) as usize,
                tag::exec::TAG => request.tag = value.to_vec(),
                tag::exec::DETACHED => request.detached = record::flag(value)?,
                tag::exec::MERGE_STDERR => request.merge_stderr = record::flag(value)?,
                tag::exec::REQUEST_ID => request.request_id = value.to_vec(),
                tag::exec::WAIT_MS => {
                    request.wait_ms = wait_ms(record::int(value)?);
                    request.returns = true;
                }
                _ => {}
            }
        }
        // A client that comes back finds all the output that the lost session did not pass on.
        if request.returns && !request.detached {
            request.retain = request.retain.max(UNSEEN);
        }
        if request.argv.is_empty() {
            return Err(Failure::invalid("no command"));
        }
        if !request.cwd.is_empty() && !request.cwd.starts_with(b"/") {
            return Err(Failure::invalid("the working directory is not an absolute path"));
        }
        if request.request_id.len() > LONGEST_REQUEST_ID || !request.request_id.iter().all(u8::is_ascii_graphic) {
            return Err(Failure::invalid("the request id is not of at most 128 printable characters"));
        }
        Ok(request)
    }
}
