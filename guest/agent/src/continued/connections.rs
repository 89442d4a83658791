//! Ends the connections that the guest shares with the one whose memory it has. Their peers know only one of the two.

use std::net::IpAddr;
use std::os::fd::OwnedFd;

use crate::error::{Code, Failure, Outcome};
use crate::sys::connections::{own_addresses, Connection, Diagnosis, Kind};
use crate::sys::namespaces::{enter_network, other_networks, own_network};
use crate::sys::{Errno, Sys};

/// Ends every TCP connection, and every connected UDP socket, whose peer is not the guest itself.
pub fn cut() -> Outcome<()> {
    let failed = |errno: Errno| Failure::from(errno).about(b"connections");
    let others = other_networks().map_err(failed)?;
    if others.is_empty() {
        return cut_in(&[None]);
    }
    // Only the thread that enters a namespace is in it, and nothing else happens on this one.
    let own = own_network().map_err(failed)?;
    let all: Vec<Option<OwnedFd>> = std::iter::once(own).chain(others).map(Some).collect();
    match std::thread::Builder::new().spawn(move || cut_in(&all)).map(std::thread::JoinHandle::join) {
        Ok(Ok(outcome)) => outcome,
        Ok(Err(_)) => Err(Failure::new(Code::Internal, "connections: the thread has failed")),
        Err(error) => Err(failed(Errno::from(error))),
    }
}

/// `None` is the namespace that the thread is in, where there is no other.
fn cut_in(namespaces: &[Option<OwnedFd>]) -> Outcome<()> {
    let failed = |errno: Errno| Failure::from(errno).about(b"connections");
    let enter = |namespace: &Option<OwnedFd>| namespace.as_ref().map_or(Ok(()), enter_network);
    let mut found = Vec::new();
    for namespace in namespaces {
        enter(namespace).map_err(failed)?;
        let mut diagnosis = Diagnosis::open().map_err(failed)?;
        let connections = leaving(&mut diagnosis)?;
        if !connections.is_empty() {
            found.push((diagnosis, connections));
        }
    }
    // Most guests have no such connection, and listing addresses takes time.
    if found.is_empty() {
        return Ok(());
    }
    let mut own = Vec::new();
    for namespace in namespaces {
        enter(namespace).map_err(failed)?;
        own.extend(own_addresses().map_err(failed)?);
    }
    for (mut diagnosis, connections) in found {
        for (kind, connection) in connections.iter().filter(|(_, each)| !own.contains(&each.peer)) {
            unless_lacking(*kind, diagnosis.end(*kind, connection))?;
        }
    }
    Ok(())
}

/// Lists the connections whose peer does not have a local address.
fn leaving(diagnosis: &mut Diagnosis) -> Outcome<Vec<(Kind, Connection)>> {
    let mut found = Vec::new();
    for kind in [Kind::Tcp, Kind::Udp] {
        let connections = unless_lacking(kind, diagnosis.list(kind))?;
        found.extend(connections.into_iter().filter(|each| !is_local(each.peer)).map(|each| (kind, each)));
    }
    Ok(found)
}

fn unless_lacking<T: Default>(kind: Kind, result: Sys<T>) -> Outcome<T> {
    match result {
        // A kernel may lack the module for UDP.
        Err(Errno(libc::ENOENT | libc::EOPNOTSUPP)) if kind == Kind::Udp => Ok(T::default()),
        Err(Errno(errno @ (libc::ENOENT | libc::EOPNOTSUPP))) => {
            let lacking = "this guest's kernel cannot end connections: it lacks tcp_diag or INET_DIAG_DESTROY";
            Err(Failure { errno, ..Failure::new(Code::Unimplemented, lacking) })
        }
        result => result.map_err(|errno| Failure::from(errno).about(b"connections")),
    }
}

/// Whether a peer is in the guest whatever addresses the guest has.
fn is_local(peer: IpAddr) -> bool {
    peer.is_loopback() || peer.is_unspecified()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_local_peers() {
        let local = |address: &str| is_local(address.parse().unwrap());
        assert!(local("127.0.0.1") && local("127.1.2.3") && local("::1") && local("0.0.0.0"));
        assert!(!local("10.0.0.1") && !local("1.1.1.1") && !local("fe80::1"));
    }
}
