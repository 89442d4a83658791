//! Makes sockets, none of which blocks.

use std::net::IpAddr;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};

use libc::{c_int, sa_family_t, socklen_t};

use super::errno::{check, own, Errno, Sys};

/// The address of a socket or its peer: one of the sockaddr structures, as bytes.
pub struct Address(Vec<u8>);

impl Address {
    fn new(family: c_int, parts: &[&[u8]], length: usize) -> Self {
        let mut bytes = (family as sa_family_t).to_ne_bytes().to_vec();
        for part in parts {
            bytes.extend_from_slice(part);
        }
        bytes.resize(length, 0);
        Address(bytes)
    }

    pub fn unix(path: &[u8]) -> Sys<Self> {
        const LENGTH: usize = size_of::<libc::sockaddr_un>();
        // The NUL has to fit too.
        if path.is_empty() || path.len() + size_of::<sa_family_t>() >= LENGTH || path.contains(&0) {
            return Err(Errno(libc::ENAMETOOLONG));
        }
        Ok(Self::new(libc::AF_UNIX, &[path], LENGTH))
    }

    pub fn internet(address: IpAddr, port: u16) -> Self {
        let port = port.to_be_bytes();
        match address {
            IpAddr::V4(ip) => Self::new(libc::AF_INET, &[&port, &ip.octets()], size_of::<libc::sockaddr_in>()),
            IpAddr::V6(ip) => {
                Self::new(libc::AF_INET6, &[&port, &[0; 4], &ip.octets()], size_of::<libc::sockaddr_in6>())
            }
        }
    }

    /// Gives the address of a vsock port of this machine.
    fn own_vsock(port: u32) -> Self {
        let (port, any) = (port.to_ne_bytes(), libc::VMADDR_CID_ANY.to_ne_bytes());
        Self::new(libc::AF_VSOCK, &[&[0; 2], &port, &any], size_of::<libc::sockaddr_vm>())
    }

    /// Gives the address of the first group of kernel events.
    fn kernel_events() -> Self {
        Self::new(libc::AF_NETLINK, &[&[0; 6], &1u32.to_ne_bytes()], size_of::<libc::sockaddr_nl>())
    }

    fn family(&self) -> c_int {
        match self.0.first_chunk() {
            Some(family) => sa_family_t::from_ne_bytes(*family).into(),
            None => libc::AF_UNSPEC,
        }
    }
}

pub fn new(family: c_int, kind: c_int, protocol: c_int) -> Sys<OwnedFd> {
    // SAFETY: The call takes no pointers.
    own(unsafe { libc::socket(family, kind | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK, protocol) })
}

fn bind(socket: &OwnedFd, address: &Address) -> Sys<()> {
    // SAFETY: The address is valid for its length.
    let result = unsafe { libc::bind(socket.as_raw_fd(), address.0.as_ptr().cast(), address.0.len() as socklen_t) };
    check(result).map(drop)
}

pub fn listen(address: &Address) -> Sys<OwnedFd> {
    let socket = new(address.family(), libc::SOCK_STREAM, 0)?;
    bind(&socket, address)?;
    // SAFETY: The call takes no pointers.
    check(unsafe { libc::listen(socket.as_raw_fd(), 64) })?;
    Ok(socket)
}

pub fn listen_on_vsock(port: u32) -> Sys<OwnedFd> {
    listen(&Address::own_vsock(port))
}

/// Listens to the kernel's events about devices that come and go.
pub fn listen_to_kernel() -> Sys<OwnedFd> {
    let socket = new(libc::AF_NETLINK, libc::SOCK_DGRAM, libc::NETLINK_KOBJECT_UEVENT)?;
    bind(&socket, &Address::kernel_events())?;
    Ok(socket)
}

/// Accepts the next connection; `EAGAIN` when none waits.
pub fn accept(listener: RawFd) -> Sys<OwnedFd> {
    let none = std::ptr::null_mut();
    // SAFETY: The peer's address is not requested.
    own(unsafe { libc::accept4(listener, none, none.cast(), libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK) })
}

/// Begins a connection. `connection_error` reports whether it was established once the socket is writable.
pub fn begin_connection(address: &Address) -> Sys<OwnedFd> {
    let socket = new(address.family(), libc::SOCK_STREAM, 0)?;
    if address.family() != libc::AF_UNIX {
        send_at_once(&socket);
    }
    let (start, length) = (address.0.as_ptr().cast(), address.0.len() as socklen_t);
    // SAFETY: The address is valid for its length.
    match check(unsafe { libc::connect(socket.as_raw_fd(), start, length) }) {
        Ok(_) | Err(Errno(libc::EINPROGRESS)) => Ok(socket),
        // The queue of the Unix socket is full.
        Err(Errno(libc::EAGAIN)) => Err(Errno(libc::ECONNREFUSED)),
        Err(errno) => Err(errno),
    }
}

/// Sends small writes at once: the host has already collected the bytes, and waiting for more would only add delay.
fn send_at_once(socket: &OwnedFd) {
    let on: c_int = 1;
    let (start, length) = ((&raw const on).cast(), size_of_val(&on) as socklen_t);
    // SAFETY: The option is an int of that length.
    unsafe { libc::setsockopt(socket.as_raw_fd(), libc::IPPROTO_TCP, libc::TCP_NODELAY, start, length) };
}

/// Reports why a connection was not established.
pub fn connection_error(socket: RawFd) -> Sys<()> {
    let (mut error, mut length): (c_int, _) = (0, size_of::<c_int>() as socklen_t);
    // SAFETY: The option is an int of that length.
    check(unsafe {
        libc::getsockopt(socket, libc::SOL_SOCKET, libc::SO_ERROR, (&raw mut error).cast(), &raw mut length)
    })?;
    if error == 0 {
        Ok(())
    } else {
        Err(Errno(error))
    }
}

/// Ends the writing direction, so that the other side finds the end.
pub fn end_writing(socket: RawFd) {
    // SAFETY: The call takes no pointers.
    unsafe { libc::shutdown(socket, libc::SHUT_WR) };
}
