//! Opens the listeners of a slot, in the namespace in which this process is.

use std::io::Error;
use std::mem::size_of;
use std::net::Ipv4Addr;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use crate::sys::{check, Failure};

/// The names by which the parent knows the sockets.
const TCP: &str = "tcp";
pub const DNS_UDP: &str = "dns-udp";
const DNS_TCP: &str = "dns-tcp";
pub const GUEST: &str = "guest";

/// The rules of a slot hand all TCP to this address. No packet from the guest is for a loopback address.
const PROXY: (Ipv4Addr, u16) = (Ipv4Addr::LOCALHOST, 1);
/// The slot's end of its link to the guest. A VMM, which runs in the slot too, may not bind ports below 1024.
const NAMES: (Ipv4Addr, u16) = (Ipv4Addr::new(172, 16, 255, 1), 53);

/// The guest's end of that link.
const GUEST_ADDRESS: Ipv4Addr = Ipv4Addr::new(172, 16, 255, 2);

const BACKLOG: libc::c_int = 511;

pub fn open_all() -> Result<[(&'static str, OwnedFd); 3], Failure> {
    let tcp = socket(libc::SOCK_STREAM)?;
    set(&tcp, libc::IPPROTO_IP, libc::IP_TRANSPARENT, "accepting connections to any address")?;
    bind(&tcp, PROXY)?;
    listen(&tcp)?;
    let dns_udp = socket(libc::SOCK_DGRAM)?;
    bind(&dns_udp, NAMES)?;
    let dns_tcp = socket(libc::SOCK_STREAM)?;
    bind(&dns_tcp, NAMES)?;
    listen(&dns_tcp)?;
    Ok([(TCP, tcp), (DNS_UDP, dns_udp), (DNS_TCP, dns_tcp)])
}

/// Begins to connect to a port of the guest. Whoever uses the socket sees whether it succeeds.
pub fn connect_to_guest(port: u16) -> Result<[(&'static str, OwnedFd); 1], Failure> {
    let socket = socket(libc::SOCK_STREAM)?;
    let (name, length) = named((GUEST_ADDRESS, port));
    // SAFETY: The pointer is to an address of that length.
    let begun = unsafe { libc::connect(socket.as_raw_fd(), (&raw const name).cast(), length) };
    match check(begun, "connecting to the guest") {
        Err(failure) if Error::last_os_error().raw_os_error() != Some(libc::EINPROGRESS) => Err(failure),
        _ => Ok([(GUEST, socket)]),
    }
}

fn socket(kind: libc::c_int) -> Result<OwnedFd, Failure> {
    // SAFETY: The call takes no pointers.
    let made = unsafe { libc::socket(libc::AF_INET, kind | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK, 0) };
    let made = check(made, "making a socket")?;
    // SAFETY: The descriptor was just made, and nobody else owns it.
    let socket = unsafe { OwnedFd::from_raw_fd(made) };
    if kind == libc::SOCK_STREAM {
        // Connections of a process that has ended may still hold the port.
        set(&socket, libc::SOL_SOCKET, libc::SO_REUSEADDR, "reusing an address")?;
    }
    Ok(socket)
}

fn set(socket: &OwnedFd, level: libc::c_int, option: libc::c_int, doing: &str) -> Result<(), Failure> {
    let on: libc::c_int = 1;
    let length = size_of::<libc::c_int>() as libc::socklen_t;
    // SAFETY: The pointer is to an integer of that length.
    let outcome = unsafe { libc::setsockopt(socket.as_raw_fd(), level, option, (&raw const on).cast(), length) };
    check(outcome, doing).map(drop)
}

fn bind(socket: &OwnedFd, to: (Ipv4Addr, u16)) -> Result<(), Failure> {
    let (name, length) = named(to);
    // SAFETY: The pointer is to an address of that length.
    let outcome = unsafe { libc::bind(socket.as_raw_fd(), (&raw const name).cast(), length) };
    check(outcome, &format!("binding {}:{}", to.0, to.1)).map(drop)
}

fn named((address, port): (Ipv4Addr, u16)) -> (libc::sockaddr_in, libc::socklen_t) {
    let name = libc::sockaddr_in {
        sin_family: libc::AF_INET as libc::sa_family_t,
        sin_port: port.to_be(),
        sin_addr: libc::in_addr { s_addr: u32::from(address).to_be() },
        sin_zero: [0; 8],
    };
    (name, size_of::<libc::sockaddr_in>() as libc::socklen_t)
}

fn listen(socket: &OwnedFd) -> Result<(), Failure> {
    // SAFETY: The call takes no pointers.
    check(unsafe { libc::listen(socket.as_raw_fd(), BACKLOG) }, "listening").map(drop)
}
