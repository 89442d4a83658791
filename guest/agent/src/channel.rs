//! Where sessions come from: virtio-serial ports, a vsock port, or a Unix socket.

use std::collections::BTreeSet;
use std::ffi::CString;
use std::os::fd::{AsRawFd, OwnedFd};

use crate::poll::{Poller, Token, IN};
use crate::sys::sockets::{self, Address};
use crate::sys::{paths, process, Errno, Sys};

pub enum Channel {
    Listener(OwnedFd),
    /// Ports appear one by one, and each gets its name a moment later. Events of the kernel announce both.
    Serial {
        uevents: OwnedFd,
        open: BTreeSet<Vec<u8>>,
    },
}

impl Channel {
    /// Only this user may connect. A socket file that another run has left behind is replaced. This must be called
    /// before any thread runs.
    pub fn unix(path: &[u8]) -> Sys<Self> {
        let address = Address::unix(path)?;
        let name = CString::new(path).map_err(|_| Errno(libc::EINVAL))?;
        let _ = paths::unlink_at(libc::AT_FDCWD, &name, 0);
        let mask = process::set_umask(0o177);
        let listener = sockets::listen(&address);
        process::set_umask(mask);
        listener.map(Channel::Listener)
    }

    pub fn vsock(port: u32) -> Sys<Self> {
        sockets::listen_on_vsock(port).map(Channel::Listener)
    }

    pub fn serial() -> Sys<Self> {
        Ok(Channel::Serial { uevents: sockets::listen_to_kernel()?, open: BTreeSet::new() })
    }

    pub fn register(&self, poller: &Poller) -> Sys<()> {
        match self {
            Channel::Listener(fd) => poller.add(fd.as_raw_fd(), Token::Listener, IN),
            Channel::Serial { uevents, .. } => poller.add(uevents.as_raw_fd(), Token::Uevents, IN),
        }
    }
}
