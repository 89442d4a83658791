//! The connections of a network namespace, which the kernel lists and ends (sock_diag(7)).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::errno::{Errno, Sys};
use super::netlink::{take_attribute, Netlink};

const LIST_BY_FAMILY: u16 = 20;
const DESTROY: u16 = 21;
/// `struct inet_diag_sockid` of linux/inet_diag.h.
const ID: usize = 48;
/// Where the parts of `struct inet_diag_msg` lie, after family, state, timer and retransmissions.
const TIMER_AT: usize = 2;
const ID_AT: usize = 4;
/// Where the address of the peer lies in the identity.
const PEER_AT: usize = 20;
/// The timer of a connection that has ended, and whose number only rests.
const RESTING: u8 = 3;

const ESTABLISHED: u32 = 1;
const CLOSED: u32 = 7;
const LISTENING: u32 = 10;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Tcp,
    /// Only the sockets that are connected.
    Udp,
}

impl Kind {
    fn protocol(self) -> u8 {
        match self {
            Kind::Tcp => libc::IPPROTO_TCP as u8,
            Kind::Udp => libc::IPPROTO_UDP as u8,
        }
    }

    /// The states whose sockets have a peer, as bits.
    fn states(self) -> u32 {
        match self {
            Kind::Tcp => !(1 << CLOSED | 1 << LISTENING),
            Kind::Udp => 1 << ESTABLISHED,
        }
    }
}

/// A connection, with the bytes by which the kernel knows it.
pub struct Connection {
    family: u8,
    pub peer: IpAddr,
    id: [u8; ID],
}

/// `struct inet_diag_req_v2` of linux/inet_diag.h.
fn request(family: u8, kind: Kind, id: &[u8; ID]) -> Vec<u8> {
    let mut bytes = vec![family, kind.protocol(), 0, 0];
    bytes.extend_from_slice(&kind.states().to_ne_bytes());
    bytes.extend_from_slice(id);
    bytes
}

fn address(family: u8, bytes: &[u8]) -> Option<IpAddr> {
    match i32::from(family) {
        libc::AF_INET => bytes.first_chunk::<4>().map(|octets| IpAddr::V4(Ipv4Addr::from(*octets))),
        libc::AF_INET6 => bytes.first_chunk::<16>().map(|octets| Ipv6Addr::from(*octets).to_canonical()),
        _ => None,
    }
}

impl Connection {
    fn parse(message: &[u8]) -> Option<Self> {
        let family = *message.first()?;
        let id: [u8; ID] = *message.get(ID_AT..)?.first_chunk()?;
        let resting = message.get(TIMER_AT) == Some(&RESTING);
        (!resting).then_some(Connection { family, peer: address(family, &id[PEER_AT..])?, id })
    }
}

pub struct Diagnosis(Netlink);

impl Diagnosis {
    pub fn open() -> Sys<Self> {
        Netlink::open(libc::NETLINK_SOCK_DIAG).map(Diagnosis)
    }

    /// Lists the connections of a kind. `ENOENT` means that the kernel cannot.
    pub fn list(&mut self, kind: Kind) -> Sys<Vec<Connection>> {
        let mut found = Vec::new();
        for family in [libc::AF_INET, libc::AF_INET6] {
            let content = request(family as u8, kind, &[0; ID]);
            self.0.list(LIST_BY_FAMILY, &content, |message| found.extend(Connection::parse(message)))?;
        }
        Ok(found)
    }

    /// Ends a connection, so that its programs get ECONNABORTED. One that has gone meanwhile is no failure.
    pub fn end(&mut self, kind: Kind, connection: &Connection) -> Sys<()> {
        match self.0.act(DESTROY, &request(connection.family, kind, &connection.id)) {
            Err(Errno(libc::ENOENT | libc::ESTALE)) => Ok(()),
            result => result,
        }
    }
}

/// Lists the addresses of all interfaces.
pub fn own_addresses() -> Sys<Vec<IpAddr>> {
    const ALL_FAMILIES: [u8; CONTENT] = [0; CONTENT];
    /// `struct ifaddrmsg` of linux/if_addr.h, which begins with the family.
    const CONTENT: usize = 8;
    let mut found = Vec::new();
    Netlink::open(libc::NETLINK_ROUTE)?.list(libc::RTM_GETADDR, &ALL_FAMILIES, |message| {
        let (Some(&family), Some(mut attributes)) = (message.first(), message.get(CONTENT..)) else { return };
        // On a link with two ends IFA_ADDRESS is the other end's.
        let (mut local, mut other) = (None, None);
        while let Some((kind, value)) = take_attribute(&mut attributes) {
            match kind {
                libc::IFA_LOCAL => local = address(family, value),
                libc::IFA_ADDRESS => other = address(family, value),
                _ => {}
            }
        }
        found.extend(local.or(other));
    })?;
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{TcpListener, TcpStream};

    #[test]
    fn finds_a_connection_and_the_addresses_of_this_machine() {
        assert!(own_addresses().unwrap().contains(&IpAddr::V4(Ipv4Addr::LOCALHOST)));
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        // A kernel of the host may lack the module; that of a guest is tested in a guest.
        let Ok(found) = Diagnosis::open().and_then(|mut diagnosis| diagnosis.list(Kind::Tcp)) else { return };
        let port = stream.local_addr().unwrap().port().to_be_bytes();
        assert!(found.iter().any(|connection| connection.id[..2] == port && connection.peer.is_loopback()));
    }

    #[test]
    fn reads_the_peer_of_a_connection() {
        let mut message = [0; ID_AT + ID + 20];
        message[0] = libc::AF_INET as u8;
        message[ID_AT + PEER_AT..][..4].copy_from_slice(&[10, 1, 2, 3]);
        let peer = |message: &[u8]| Connection::parse(message).map(|connection| connection.peer);
        assert_eq!(peer(&message), Some(IpAddr::V4(Ipv4Addr::new(10, 1, 2, 3))));
        message[0] = libc::AF_INET6 as u8;
        message[ID_AT + PEER_AT..][..16].copy_from_slice(&Ipv4Addr::new(10, 1, 2, 3).to_ipv6_mapped().octets());
        assert_eq!(peer(&message), Some(IpAddr::V4(Ipv4Addr::new(10, 1, 2, 3))));
        message[TIMER_AT] = RESTING;
        assert_eq!(peer(&message), None);
        assert_eq!(peer(&message[..20]), None);
    }
}
