//! The guest's network: one address, one gateway, name servers, hosts. Plain ioctls: IPv4 is all the engine gives.

use std::net::Ipv4Addr;
use std::os::fd::{AsRawFd, OwnedFd};

use crate::error::{Failure, Outcome};
use crate::etc;
use crate::record::Fields;
use crate::sys::{self, check, Sys};

#[derive(Clone, PartialEq, Eq)]
pub struct Network {
    interface: Vec<u8>,
    address: Option<(Ipv4Addr, u32)>,
    gateway: Option<Ipv4Addr>,
    dns: Vec<Vec<u8>>,
}

fn parse_address(value: &[u8]) -> Option<Ipv4Addr> {
    std::str::from_utf8(value).ok()?.parse().ok()
}

fn parse_prefix(value: &[u8]) -> Option<(Ipv4Addr, u32)> {
    let (address, length) = std::str::from_utf8(value).ok()?.split_once('/')?;
    let length: u32 = length.parse().ok().filter(|&length| length <= 32)?;
    let mask = u32::MAX.checked_shl(32 - length).unwrap_or(0);
    Some((address.parse().ok()?, mask))
}

impl Network {
    pub fn parse(record: &[u8]) -> Outcome<Self> {
        let mut network = Network { interface: b"eth0".to_vec(), address: None, gateway: None, dns: Vec::new() };
        let wrong = |what| move || Failure::invalid(what);
        for (tag, value) in Fields::new(record) {
            match tag {
                1 => network.interface = value.to_vec(),
                2 => network.address = Some(parse_prefix(value).ok_or_else(wrong("not an address/length"))?),
                3 => network.gateway = Some(parse_address(value).ok_or_else(wrong("not a gateway address"))?),
                4 => network.dns.push(value.to_vec()),
                _ => {}
            }
        }
        if network.interface.len() >= libc::IFNAMSIZ || network.interface.contains(&0) {
            return Err(Failure::invalid("not an interface name"));
        }
        Ok(network)
    }

    pub fn apply(&self) -> Outcome<()> {
        let socket = control_socket()?;
        let failed = |errno| Failure::from(errno).about(&self.interface);
        if let Some((address, mask)) = self.address {
            set_address(&socket, &self.interface, libc::SIOCSIFADDR as u32, address.into()).map_err(failed)?;
            set_address(&socket, &self.interface, libc::SIOCSIFNETMASK as u32, mask).map_err(failed)?;
            bring_up(&socket, &self.interface).map_err(failed)?;
        }
        if let Some(gateway) = self.gateway {
            set_gateway(&socket, gateway).map_err(|errno| Failure::from(errno).about(b"gateway"))?;
        }
        if !self.dns.is_empty() {
            etc::set_name_servers(&self.dns);
        }
        Ok(())
    }

    /// Whether the interface has the address.
    pub fn is_there(&self) -> bool {
        let Some((address, _)) = self.address else { return true };
        control_socket().and_then(|socket| address_of(&socket, &self.interface)) == Ok(address)
    }
}

fn control_socket() -> Sys<OwnedFd> {
    // SAFETY: a new descriptor.
    sys::own(unsafe { libc::socket(libc::AF_INET, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC, 0) })
}

fn request(interface: &[u8]) -> libc::ifreq {
    // SAFETY: all zeroes is a valid request; the name was checked to fit with its NUL.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(interface) {
        *to = *from as libc::c_char;
    }
    request
}

fn internet_address(address: u32) -> libc::sockaddr {
    // SAFETY: sockaddr_in and sockaddr have the same size and are plain data.
    unsafe {
        let mut internet: libc::sockaddr_in = std::mem::zeroed();
        internet.sin_family = libc::AF_INET as libc::sa_family_t;
        internet.sin_addr.s_addr = address.to_be();
        std::mem::transmute(internet)
    }
}

fn set_address(socket: &OwnedFd, interface: &[u8], what: u32, address: u32) -> Sys<()> {
    let mut request = request(interface);
    request.ifr_ifru.ifru_addr = internet_address(address);
    // SAFETY: the kernel reads one request.
    check(unsafe { libc::ioctl(socket.as_raw_fd(), what as _, &raw mut request) }).map(drop)
}

fn address_of(socket: &OwnedFd, interface: &[u8]) -> Sys<Ipv4Addr> {
    let mut request = request(interface);
    // SAFETY: the kernel reads and writes one request, whose address is then an internet address: sockaddr_in and sockaddr have the same size.
    unsafe {
        check(libc::ioctl(socket.as_raw_fd(), libc::SIOCGIFADDR as _, &raw mut request))?;
        let internet: libc::sockaddr_in = std::mem::transmute(request.ifr_ifru.ifru_addr);
        Ok(u32::from_be(internet.sin_addr.s_addr).into())
    }
}

fn bring_up(socket: &OwnedFd, interface: &[u8]) -> Sys<()> {
    let mut request = request(interface);
    // SAFETY: the kernel reads and writes one request.
    unsafe {
        check(libc::ioctl(socket.as_raw_fd(), libc::SIOCGIFFLAGS as _, &raw mut request))?;
        request.ifr_ifru.ifru_flags |= (libc::IFF_UP | libc::IFF_RUNNING) as libc::c_short;
        check(libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFFLAGS as _, &raw mut request)).map(drop)
    }
}

/// At boot: programs expect it, and tunnels end there. A kernel without a network has none, which is no failure.
pub fn bring_up_loopback() {
    if let Ok(socket) = control_socket() {
        let _ = bring_up(&socket, b"lo");
    }
}

fn set_gateway(socket: &OwnedFd, gateway: Ipv4Addr) -> Sys<()> {
    // SAFETY: all zeroes is a valid route, completed below; the kernel reads one route.
    unsafe {
        let mut route: libc::rtentry = std::mem::zeroed();
        route.rt_dst = internet_address(0);
        route.rt_genmask = internet_address(0);
        route.rt_flags = libc::RTF_UP;
        // The route of an earlier configuration, if any.
        libc::ioctl(socket.as_raw_fd(), libc::SIOCDELRT as _, &raw mut route);
        route.rt_gateway = internet_address(gateway.into());
        route.rt_flags = libc::RTF_UP | libc::RTF_GATEWAY;
        check(libc::ioctl(socket.as_raw_fd(), libc::SIOCADDRT as _, &raw mut route)).map(drop)
    }
}
