//! Parses the target of a tunnel, and begins the connection.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::OwnedFd;

use crate::error::{Failure, Outcome};
use crate::sys::sockets::{self, Address};
use crate::sys::Sys;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    Internet(IpAddr, u16),
    Unix(Vec<u8>),
}

/// Lists the targets; the last one is tried first.
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

/// Begins a connection.
pub fn connect(target: &Target) -> Sys<OwnedFd> {
    let address = match target {
        Target::Unix(path) => Address::unix(path)?,
        Target::Internet(address, port) => Address::internet(*address, *port),
    };
    sockets::begin_connection(&address)
}
