//! Node's channel between processes: lines over a Unix socket, with descriptors beside them.

use std::env;
use std::fs::File;
use std::io::{Read, Write};
use std::mem::{size_of, zeroed};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::ptr::null_mut;

use crate::sys::{check, failed, Failure};

/// Requests, and Node's own messages, are shorter.
const LONGEST_LINE: usize = 256;

pub struct Channel {
    socket: File,
    /// Bytes after the last whole line.
    rest: Vec<u8>,
}

impl Channel {
    /// Node names the descriptor in the environment.
    pub fn of_parent() -> Result<Self, Failure> {
        let named = env::var("NODE_CHANNEL_FD").ok().and_then(|text| text.parse::<RawFd>().ok());
        let Some(descriptor) = named.filter(|descriptor| *descriptor > 2) else {
            return Err(Failure::new("NODE_CHANNEL_FD names no descriptor: NovaSandbox starts this program"));
        };
        // SAFETY: The parent has opened the descriptor for this process, and nothing else here uses it.
        let socket = unsafe { File::from_raw_fd(descriptor) };
        // SAFETY: The call takes numbers. Reads and writes wait from now on.
        check(unsafe { libc::fcntl(descriptor, libc::F_SETFL, 0) }, "preparing the channel")?;
        Ok(Channel { socket, rest: Vec::new() })
    }

    /// Waits for the next line. None: the parent has gone.
    pub fn next_line(&mut self) -> Result<Option<String>, Failure> {
        loop {
            if let Some(end) = self.rest.iter().position(|byte| *byte == b'\n') {
                let line = self.rest.drain(..=end).take(end).collect();
                return String::from_utf8(line).map(Some).map_err(|_| Failure::new("a message is not UTF-8"));
            }
            if self.rest.len() > LONGEST_LINE {
                return Err(Failure::new("a message is too long"));
            }
            let mut read = [0; LONGEST_LINE];
            let length = self.socket.read(&mut read).map_err(failed("reading a message"))?;
            if length == 0 {
                return Ok(None);
            }
            self.rest.extend_from_slice(&read[..length]);
        }
    }

    pub fn say(&mut self, message: &str) -> Result<(), Failure> {
        self.socket.write_all(format!("{message}\n").as_bytes()).map_err(failed("answering"))
    }

    /// Sends a line with a descriptor, in one piece: Node expects one descriptor with each such line.
    pub fn pass(&mut self, message: &str, descriptor: &OwnedFd) -> Result<(), Failure> {
        let line = format!("{message}\n");
        let mut bytes = libc::iovec { iov_base: line.as_ptr().cast_mut().cast(), iov_len: line.len() };
        // The kernel wants the buffer aligned as its header.
        let mut control = [0_u64; 8];
        let length = size_of::<RawFd>() as libc::c_uint;
        // SAFETY: The structure holds numbers and pointers, for which zero is valid.
        let mut header: libc::msghdr = unsafe { zeroed() };
        header.msg_iov = &raw mut bytes;
        header.msg_iovlen = 1;
        header.msg_name = null_mut();
        header.msg_control = control.as_mut_ptr().cast();
        // SAFETY: The call only computes.
        header.msg_controllen = unsafe { libc::CMSG_SPACE(length) } as _;
        // SAFETY: The buffer has room for one header with one descriptor, and both outlive the call.
        let sent = unsafe {
            let first = libc::CMSG_FIRSTHDR(&raw const header);
            (*first).cmsg_level = libc::SOL_SOCKET;
            (*first).cmsg_type = libc::SCM_RIGHTS;
            (*first).cmsg_len = libc::CMSG_LEN(length) as _;
            libc::CMSG_DATA(first).cast::<RawFd>().write_unaligned(descriptor.as_raw_fd());
            libc::sendmsg(self.socket.as_raw_fd(), &raw const header, libc::MSG_NOSIGNAL)
        };
        if check(sent, "passing a listener")? as usize == line.len() {
            return Ok(());
        }
        Err(Failure::new("passing a listener: the message was cut short"))
    }
}
