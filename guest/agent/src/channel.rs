//! Where sessions come from: virtio-serial ports, a vsock port, or a Unix socket.

use std::collections::BTreeSet;
use std::ffi::CString;
use std::os::fd::{AsRawFd, OwnedFd};

use crate::agent::Agent;
use crate::link::LinkKind;
use crate::log;
use crate::poll::{Poller, Token, IN};
use crate::sys::{self, check, Errno, Sys};
use crate::timers::Timer;

const PORTS: &str = "/sys/class/virtio-ports";
/// A machine whose channel does not show up is of no use to anyone.
const PATIENCE_MS: u64 = 10_000;
const ACCEPT_AGAIN_MS: u64 = 100;

pub enum Channel {
    Listener(OwnedFd),
    /// Ports appear one by one, each named a moment after it was added: the kernel's events tell.
    Serial {
        uevents: OwnedFd,
        open: BTreeSet<Vec<u8>>,
    },
}

fn listen(family: i32, address: *const libc::sockaddr, length: usize) -> Sys<OwnedFd> {
    // SAFETY: the caller passes a valid address of that length.
    unsafe {
        let socket = sys::own(libc::socket(family, libc::SOCK_STREAM | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK, 0))?;
        check(libc::bind(socket.as_raw_fd(), address, length as libc::socklen_t))?;
        check(libc::listen(socket.as_raw_fd(), 64))?;
        Ok(socket)
    }
}

impl Channel {
    /// Only this user may connect. A socket file left behind by another run is replaced.
    pub fn unix(path: &[u8]) -> Sys<Self> {
        let address = unix_address(path)?;
        let name = CString::new(path).map_err(|_| Errno(libc::EINVAL))?;
        // SAFETY: valid strings and addresses; the umask is set back at once and no other thread runs yet.
        unsafe {
            libc::unlink(name.as_ptr());
            let umask = libc::umask(0o177);
            let listener = listen(libc::AF_UNIX, (&raw const address).cast(), std::mem::size_of_val(&address));
            libc::umask(umask);
            Ok(Channel::Listener(listener?))
        }
    }

    pub fn vsock(port: u32) -> Sys<Self> {
        // SAFETY: all zeroes is a valid address, completed below.
        let mut address: libc::sockaddr_vm = unsafe { std::mem::zeroed() };
        address.svm_family = libc::AF_VSOCK as libc::sa_family_t;
        address.svm_cid = libc::VMADDR_CID_ANY;
        address.svm_port = port;
        listen(libc::AF_VSOCK, (&raw const address).cast(), std::mem::size_of_val(&address)).map(Channel::Listener)
    }

    pub fn serial() -> Sys<Self> {
        // SAFETY: all zeroes is a valid address, completed below; the descriptor is new.
        unsafe {
            let uevents = sys::own(libc::socket(
                libc::AF_NETLINK,
                libc::SOCK_DGRAM | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK,
                libc::NETLINK_KOBJECT_UEVENT,
            ))?;
            let mut address: libc::sockaddr_nl = std::mem::zeroed();
            address.nl_family = libc::AF_NETLINK as libc::sa_family_t;
            address.nl_groups = 1;
            let length = std::mem::size_of_val(&address) as libc::socklen_t;
            check(libc::bind(uevents.as_raw_fd(), (&raw const address).cast(), length))?;
            Ok(Channel::Serial { uevents, open: BTreeSet::new() })
        }
    }

    pub fn register(&self, poller: &Poller) -> Sys<()> {
        match self {
            Channel::Listener(fd) => poller.add(fd.as_raw_fd(), Token::Listener, IN),
            Channel::Serial { uevents, .. } => poller.add(uevents.as_raw_fd(), Token::Uevents, IN),
        }
    }
}

pub fn unix_address(path: &[u8]) -> Sys<libc::sockaddr_un> {
    // SAFETY: all zeroes is a valid address, completed below.
    let mut address: libc::sockaddr_un = unsafe { std::mem::zeroed() };
    address.sun_family = libc::AF_UNIX as libc::sa_family_t;
    if path.is_empty() || path.len() >= address.sun_path.len() || path.contains(&0) {
        return Err(Errno(libc::ENAMETOOLONG));
    }
    for (to, from) in address.sun_path.iter_mut().zip(path) {
        *to = *from as libc::c_char;
    }
    Ok(address)
}

impl Agent {
    /// Begins to serve; says so once a host can connect.
    pub fn open_channel(&mut self) {
        match self.channel {
            Channel::Listener(_) => log::line("ready"),
            Channel::Serial { .. } => {
                self.timers.after_ms(PATIENCE_MS, Timer::NoChannel);
                self.find_ports();
            }
        }
    }

    pub fn accept_all(&mut self) {
        let Channel::Listener(listener) = &self.channel else { return };
        let listener = listener.as_raw_fd();
        loop {
            // SAFETY: the peer's address is not asked for.
            let accepted = sys::own(unsafe {
                let none = std::ptr::null_mut();
                libc::accept4(listener, none, none.cast(), libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK)
            });
            match accepted {
                // A connection beyond the limit is closed at once.
                Ok(fd) => drop(self.add_link(fd, LinkKind::Socket)),
                Err(Errno(libc::EINTR | libc::ECONNABORTED)) => {}
                Err(Errno(libc::EAGAIN)) => return,
                // No descriptor is free: those who wait are looked at again a little later.
                Err(_) => {
                    let _ = self.poller.modify(listener, Token::Listener, 0);
                    self.timers.after_ms(ACCEPT_AGAIN_MS, Timer::AcceptAgain);
                    return;
                }
            }
        }
    }

    pub fn accept_again(&mut self) {
        if let Channel::Listener(listener) = &self.channel {
            let _ = self.poller.modify(listener.as_raw_fd(), Token::Listener, IN);
        }
    }

    pub fn on_uevents(&mut self) {
        let Channel::Serial { uevents, .. } = &self.channel else { return };
        let mut about_ports = false;
        let mut event = [0; 4096];
        loop {
            match sys::read(uevents.as_raw_fd(), &mut event) {
                Ok(count) => about_ports |= event[..count].windows(12).any(|word| word == b"virtio-ports"),
                // Events were lost: one of them may have been about a port.
                Err(Errno(libc::ENOBUFS)) => about_ports = true,
                Err(_) => break,
            }
        }
        if about_ports {
            self.find_ports();
        }
    }

    /// Opens the ports named `nova.*` that are not open yet. They are never closed: the kernel tells the host of that.
    fn find_ports(&mut self) {
        let Ok(ports) = std::fs::read_dir(PORTS) else { return };
        for port in ports.flatten() {
            let device = port.file_name().into_encoded_bytes();
            let named = std::fs::read(port.path().join("name")).is_ok_and(|name| name.starts_with(b"nova."));
            let Channel::Serial { open, .. } = &mut self.channel else { return };
            if !named || open.contains(&device) {
                continue;
            }
            let Ok(path) = CString::new([b"/dev/", device.as_slice()].concat()) else { continue };
            let opened = sys::open(&path, libc::O_RDWR | libc::O_NONBLOCK, 0);
            let first = open.is_empty();
            open.insert(device);
            match opened.and_then(|fd| self.add_link(fd, LinkKind::Port)) {
                Ok(()) if first => log::line("ready"),
                Ok(()) => {}
                Err(errno) => log::failure("port", errno),
            }
        }
    }

    pub fn on_no_channel(&mut self) {
        if self.links.is_empty() {
            log::line("fatal: channel: no virtio-serial port named nova.* has appeared");
            self.end(0);
        }
    }
}
