//! Accepts the hosts that connect, and opens the ports that appear.

use std::ffi::CString;
use std::os::fd::AsRawFd;

use crate::agent::Agent;
use crate::channel::Channel;
use crate::link::LinkKind;
use crate::log;
use crate::poll::{Token, IN};
use crate::sys::{self, paths, sockets, Errno};
use crate::timers::Timer;

const PORTS: &str = "/sys/class/virtio-ports";
/// How long a machine waits for its channel; it is of no use without one.
const PATIENCE_MS: u64 = 10_000;
const ACCEPT_AGAIN_MS: u64 = 100;

impl Agent {
    /// Begins to serve, and says so once a host can connect.
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
            match sockets::accept(listener) {
                // A connection beyond the limit is closed at once.
                Ok(fd) => drop(self.add_link(fd, LinkKind::Socket)),
                Err(Errno(libc::EINTR | libc::ECONNABORTED)) => {}
                Err(Errno(libc::EAGAIN)) => return,
                // No descriptor is free, so the waiting connections are accepted a little later.
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
                // Some events were lost, and one of them may have been about a port.
                Err(Errno(libc::ENOBUFS)) => about_ports = true,
                Err(_) => break,
            }
        }
        if about_ports {
            self.find_ports();
        }
    }

    /// Opens the ports named `nova.*` that are not open yet. They are never closed, because the kernel would tell the
    /// host of that.
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
            let opened = paths::open(&path, libc::O_RDWR | libc::O_NONBLOCK, 0);
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
