//! Asks the kernel over netlink: one request, and everything that it answers.

use std::os::fd::{AsRawFd, OwnedFd};

use super::errno::{check_size, Errno, Sys};
use super::io::write;
use super::sockets;

/// The kernel puts no more than this into one piece of a list.
const PIECE: usize = 32 * 1024;
const HEADER: usize = 16;
const ATTRIBUTE: usize = 4;

const REQUEST: u16 = libc::NLM_F_REQUEST as u16;
const ACK: u16 = libc::NLM_F_ACK as u16;
const LIST: u16 = libc::NLM_F_DUMP as u16;
const ERROR: u16 = libc::NLMSG_ERROR as u16;
const DONE: u16 = libc::NLMSG_DONE as u16;

pub struct Netlink {
    socket: OwnedFd,
    sequence: u32,
}

impl Netlink {
    /// `protocol` is one of the NETLINK_ values. The socket belongs to the network namespace of the thread that opens
    /// it.
    pub fn open(protocol: i32) -> Sys<Self> {
        Ok(Netlink { socket: sockets::new(libc::AF_NETLINK, libc::SOCK_RAW, protocol)?, sequence: 0 })
    }

    /// Asks for a list, and hands over the content of each message.
    pub fn list(&mut self, kind: u16, content: &[u8], each: impl FnMut(&[u8])) -> Sys<()> {
        self.ask(kind, LIST, content, each)
    }

    /// Asks for something to be done.
    pub fn act(&mut self, kind: u16, content: &[u8]) -> Sys<()> {
        self.ask(kind, ACK, content, |_| {})
    }

    fn ask(&mut self, kind: u16, flags: u16, content: &[u8], mut each: impl FnMut(&[u8])) -> Sys<()> {
        self.sequence += 1;
        let mut request = ((HEADER + content.len()) as u32).to_ne_bytes().to_vec();
        request.extend_from_slice(&kind.to_ne_bytes());
        request.extend_from_slice(&(REQUEST | flags).to_ne_bytes());
        request.extend_from_slice(&self.sequence.to_ne_bytes());
        request.extend_from_slice(&[0; 4]);
        request.extend_from_slice(content);
        write(self.socket.as_raw_fd(), &request)?;
        // The kernel has its answer ready when the request has been written, so that no read waits.
        let mut piece = vec![0; PIECE];
        loop {
            let count = self.receive(&mut piece)?;
            let mut messages = &piece[..count];
            while let Some(message) = Message::take(&mut messages) {
                if message.sequence != self.sequence {
                    continue;
                }
                match message.kind {
                    // Both begin with an error, which is negative, or 0. At the end of a list older kernels leave it
                    // out.
                    ERROR | DONE => {
                        return match message.content.first_chunk().map_or(0, |word| i32::from_ne_bytes(*word)) {
                            0.. => Ok(()),
                            error => Err(Errno(-error)),
                        }
                    }
                    _ => each(message.content),
                }
            }
        }
    }

    fn receive(&self, piece: &mut [u8]) -> Sys<usize> {
        let (start, length) = (piece.as_mut_ptr().cast(), piece.len());
        // SAFETY: The buffer is valid for its length. With MSG_TRUNC the call gives the length that was needed.
        let count = check_size(unsafe { libc::recv(self.socket.as_raw_fd(), start, length, libc::MSG_TRUNC) })?;
        if count == 0 || count > length {
            return Err(Errno(libc::EIO));
        }
        Ok(count)
    }
}

struct Message<'a> {
    kind: u16,
    sequence: u32,
    content: &'a [u8],
}

impl<'a> Message<'a> {
    fn take(messages: &mut &'a [u8]) -> Option<Self> {
        let header = messages.first_chunk::<HEADER>()?;
        let length = u32::from_ne_bytes([header[0], header[1], header[2], header[3]]) as usize;
        let kind = u16::from_ne_bytes([header[4], header[5]]);
        let sequence = u32::from_ne_bytes([header[8], header[9], header[10], header[11]]);
        let content = messages.get(HEADER..length)?;
        *messages = messages.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some(Message { kind, sequence, content })
    }
}

/// Takes the first attribute off a list of them: its kind and its value.
pub fn take_attribute<'a>(attributes: &mut &'a [u8]) -> Option<(u16, &'a [u8])> {
    let header = attributes.first_chunk::<ATTRIBUTE>()?;
    let length = u16::from_ne_bytes([header[0], header[1]]) as usize;
    let value = attributes.get(ATTRIBUTE..length)?;
    let kind = u16::from_ne_bytes([header[2], header[3]]);
    *attributes = attributes.get(length.next_multiple_of(4)..).unwrap_or_default();
    Some((kind, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_the_addresses_of_this_machine() {
        const GET_ADDRESSES: u16 = libc::RTM_GETADDR;
        let mut found = 0;
        let mut netlink = Netlink::open(libc::NETLINK_ROUTE).unwrap();
        netlink.list(GET_ADDRESSES, &[0; 8], |content| found += usize::from(content.len() > 8)).unwrap();
        assert!(found > 0);
        // The socket serves another request, and tells of an error.
        assert_eq!(netlink.act(0x7FFF, &[0; 8]), Err(Errno(libc::EOPNOTSUPP)));
    }

    #[test]
    fn stops_at_attributes_that_are_cut_short() {
        let mut attributes: &[u8] = &[5, 0, 2, 0, 7, 0, 0, 0, 9, 0, 1, 0, 1];
        assert_eq!(take_attribute(&mut attributes), Some((2, &[7][..])));
        assert_eq!(take_attribute(&mut attributes), None);
        let mut none: &[u8] = &[0, 0, 0, 0];
        assert_eq!(take_attribute(&mut none), None);
    }
}
