//! Configures network interfaces by plain ioctls, because the engine gives a guest only IPv4.

use std::net::Ipv4Addr;
use std::os::fd::{AsRawFd, OwnedFd};

use super::errno::{check, Sys};
use super::sockets;

/// A socket for requests to the kernel.
pub struct Control(OwnedFd);

/// Builds an address in the form of the kernel's older calls: family, port, then the address.
fn socket_address(address: Ipv4Addr) -> libc::sockaddr {
    let mut data = [0; 14];
    for (to, from) in data[2..6].iter_mut().zip(address.octets()) {
        *to = from as libc::c_char;
    }
    libc::sockaddr { sa_family: libc::AF_INET as libc::sa_family_t, sa_data: data }
}

/// Builds a request. The name must be shorter than IFNAMSIZ, so that its NUL fits.
fn request(interface: &[u8], content: libc::__c_anonymous_ifr_ifru) -> libc::ifreq {
    let mut name = [0; libc::IFNAMSIZ];
    for (to, from) in name[..libc::IFNAMSIZ - 1].iter_mut().zip(interface) {
        *to = *from as libc::c_char;
    }
    libc::ifreq { ifr_name: name, ifr_ifru: content }
}

const NO_FLAGS: libc::__c_anonymous_ifr_ifru = libc::__c_anonymous_ifr_ifru { ifru_flags: 0 };

impl Control {
    pub fn new() -> Sys<Self> {
        sockets::new(libc::AF_INET, libc::SOCK_DGRAM, 0).map(Control)
    }

    fn set(&self, interface: &[u8], what: libc::c_ulong, address: Ipv4Addr) -> Sys<()> {
        let content = libc::__c_anonymous_ifr_ifru { ifru_addr: socket_address(address) };
        let mut request = request(interface, content);
        // SAFETY: The kernel reads one request.
        check(unsafe { libc::ioctl(self.0.as_raw_fd(), what as _, &raw mut request) }).map(drop)
    }

    pub fn set_address(&self, interface: &[u8], address: Ipv4Addr, mask: Ipv4Addr) -> Sys<()> {
        self.set(interface, libc::SIOCSIFADDR, address)?;
        self.set(interface, libc::SIOCSIFNETMASK, mask)
    }

    pub fn address_of(&self, interface: &[u8]) -> Sys<Ipv4Addr> {
        let mut request = request(interface, NO_FLAGS);
        // SAFETY: The kernel reads one request and writes an address into it.
        let address = unsafe {
            check(libc::ioctl(self.0.as_raw_fd(), libc::SIOCGIFADDR as _, &raw mut request))?;
            request.ifr_ifru.ifru_addr.sa_data
        };
        let [_, _, one, two, three, four, ..] = address.map(|byte| byte as u8);
        Ok(Ipv4Addr::new(one, two, three, four))
    }

    pub fn bring_up(&self, interface: &[u8]) -> Sys<()> {
        let mut request = request(interface, NO_FLAGS);
        // SAFETY: The kernel reads and writes one request, whose content is flags before and after.
        unsafe {
            check(libc::ioctl(self.0.as_raw_fd(), libc::SIOCGIFFLAGS as _, &raw mut request))?;
            request.ifr_ifru.ifru_flags |= (libc::IFF_UP | libc::IFF_RUNNING) as libc::c_short;
            check(libc::ioctl(self.0.as_raw_fd(), libc::SIOCSIFFLAGS as _, &raw mut request)).map(drop)
        }
    }

    /// Sets the gateway in place of that of an earlier configuration, if there is one.
    pub fn set_gateway(&self, gateway: Ipv4Addr) -> Sys<()> {
        // SAFETY: A route of zeroes is valid, and completed here; the kernel reads one route.
        unsafe {
            let mut route: libc::rtentry = std::mem::zeroed();
            route.rt_dst = socket_address(Ipv4Addr::UNSPECIFIED);
            route.rt_genmask = socket_address(Ipv4Addr::UNSPECIFIED);
            route.rt_flags = libc::RTF_UP;
            libc::ioctl(self.0.as_raw_fd(), libc::SIOCDELRT as _, &raw mut route);
            route.rt_gateway = socket_address(gateway);
            route.rt_flags = libc::RTF_UP | libc::RTF_GATEWAY;
            check(libc::ioctl(self.0.as_raw_fd(), libc::SIOCADDRT as _, &raw mut route)).map(drop)
        }
    }
}
