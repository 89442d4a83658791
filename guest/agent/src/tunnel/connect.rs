//! Where a tunnel may lead, and the beginning of a connection to there.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::{AsRawFd, OwnedFd};

use crate::channel::unix_address;
use crate::error::{Failure, Outcome};
use crate::sys::{self, check, Errno, Sys};

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    Internet(IpAddr, u16),
    Unix(Vec<u8>),
}

/// The last one is to be tried first.
pub fn targets(address: &[u8], port: u16) -> Outcome<Vec<Target>> {
    if let Some(path) = address.strip_prefix(b"unix:") {
        return Ok(vec![Target::Unix(path.to_vec())]);
    }
    if port == 0 {
        return Err(Failure::invalid("no port"));
    }
    let (v4, v6) = (IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST));
    let addresses = match address {
        b"" => vec![v4],
        b"localhost" => vec![v6, v4],
        text => {
            let address = std::str::from_utf8(text).ok().and_then(|text| text.parse().ok());
            vec![address.ok_or_else(|| Failure::invalid("not an address").about(text))?]
        }
    };
    Ok(addresses.into_iter().map(|address| Target::Internet(address, port)).collect())
}

pub fn connect(target: &Target) -> Sys<OwnedFd> {
    let open = |family| {
        // SAFETY: a new descriptor.
        sys::own(unsafe { libc::socket(family, libc::SOCK_STREAM | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK, 0) })
    };
    let begin = |socket: &OwnedFd, address: *const libc::sockaddr, length: usize| {
        // SAFETY: a valid address of that length.
        match check(unsafe { libc::connect(socket.as_raw_fd(), address, length as libc::socklen_t) }) {
            Err(Errno(libc::EINPROGRESS)) => Ok(()),
            // A Unix socket whose queue is full.
            Err(Errno(libc::EAGAIN)) => Err(Errno(libc::ECONNREFUSED)),
            result => result.map(drop),
        }
    };
    match target {
        Target::Unix(path) => {
            let address = unix_address(path)?;
            let socket = open(libc::AF_UNIX)?;
            begin(&socket, (&raw const address).cast(), size_of_val(&address))?;
            Ok(socket)
        }
        Target::Internet(IpAddr::V4(ip), port) => {
            // SAFETY: all zeroes is a valid address, completed below.
            let mut address: libc::sockaddr_in = unsafe { std::mem::zeroed() };
            address.sin_family = libc::AF_INET as libc::sa_family_t;
            address.sin_port = port.to_be();
            address.sin_addr.s_addr = u32::from_ne_bytes(ip.octets());
            let socket = open(libc::AF_INET)?;
            send_at_once(&socket);
            begin(&socket, (&raw const address).cast(), size_of_val(&address))?;
            Ok(socket)
        }
        Target::Internet(IpAddr::V6(ip), port) => {
            // SAFETY: all zeroes is a valid address, completed below.
            let mut address: libc::sockaddr_in6 = unsafe { std::mem::zeroed() };
            address.sin6_family = libc::AF_INET6 as libc::sa_family_t;
            address.sin6_port = port.to_be();
            address.sin6_addr.s6_addr = ip.octets();
            let socket = open(libc::AF_INET6)?;
            send_at_once(&socket);
            begin(&socket, (&raw const address).cast(), size_of_val(&address))?;
            Ok(socket)
        }
    }
}

/// The host has collected the bytes already; waiting for more would only add delay.
fn send_at_once(socket: &OwnedFd) {
    let on: libc::c_int = 1;
    let length = size_of_val(&on) as libc::socklen_t;
    // SAFETY: an int of that length.
    unsafe {
        libc::setsockopt(socket.as_raw_fd(), libc::IPPROTO_TCP, libc::TCP_NODELAY, (&raw const on).cast(), length)
    };
}
