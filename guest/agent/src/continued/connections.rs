//! Ends the connections that the guest shares with the one whose memory it has. Their peers know only one of the two.

use std::net::IpAddr;
use std::os::fd::OwnedFd;

use crate::error::{Code, Failure, Outcome};
use crate::sys::connections::{own_addresses, Diagnosis, Kind};
use crate::sys::namespaces::{enter_network, other_networks};
use crate::sys::{Errno, Sys};

/// Ends every TCP connection, and every connected UDP socket, whose peer is not the guest itself.
pub fn cut() -> Outcome<()> {
    let failed = |errno: Errno| Failure::from(errno).about(b"connections");
    let others = other_networks().map_err(failed)?;
    if others.is_empty() {
        return cut_in(&[None]);
    }
    // Only the thread that enters a namespace is in it, and nothing else happens on this one.
    let all: Vec<Option<OwnedFd>> = std::iter::once(None).chain(others.into_iter().map(Some)).collect();
    match std::thread::Builder::new().spawn(move || cut_in(&all)).map(std::thread::JoinHandle::join) {
        Ok(Ok(outcome)) => outcome,
        Ok(Err(_)) => Err(Failure::new(Code::Internal, "connections: the thread has failed")),
        Err(error) => Err(failed(Errno::from(error))),
    }
}

/// `None` is the namespace that the thread is in at first, and comes first.
fn cut_in(namespaces: &[Option<OwnedFd>]) -> Outcome<()> {
    let failed = |errno: Errno| Failure::from(errno).about(b"connections");
    let enter = |namespace: &Option<OwnedFd>| namespace.as_ref().map_or(Ok(()), enter_network);
    let mut within = Vec::new();
    let mut diagnoses = Vec::new();
    for namespace in namespaces {
        enter(namespace).map_err(failed)?;
        within.extend(own_addresses().map_err(failed)?);
        diagnoses.push(Diagnosis::open().map_err(failed)?);
    }
    for mut diagnosis in diagnoses {
        for kind in [Kind::Tcp, Kind::Udp] {
            match end_all(&mut diagnosis, kind, &within) {
                // A kernel may lack the module for UDP.
                Err(Errno(libc::ENOENT | libc::EOPNOTSUPP)) if kind == Kind::Udp => {}
                Err(errno @ Errno(libc::ENOENT | libc::EOPNOTSUPP)) => {
                    let lacking = "this guest's kernel cannot end connections: it lacks tcp_diag or INET_DIAG_DESTROY";
                    return Err(Failure { errno: errno.0, ..Failure::new(Code::Unimplemented, lacking) });
                }
                result => result.map_err(failed)?,
            }
        }
    }
    Ok(())
}

fn end_all(diagnosis: &mut Diagnosis, kind: Kind, within: &[IpAddr]) -> Sys<()> {
    for connection in diagnosis.list(kind)? {
        if !is_within(connection.peer, within) {
            diagnosis.end(kind, &connection)?;
        }
    }
    Ok(())
}

/// Whether an address is one of the guest's own.
fn is_within(peer: IpAddr, within: &[IpAddr]) -> bool {
    peer.is_loopback() || peer.is_unspecified() || within.contains(&peer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_the_guests_own_addresses() {
        let own = ["10.0.0.2".parse().unwrap(), "172.17.0.1".parse().unwrap()];
        let within = |address: &str| is_within(address.parse().unwrap(), &own);
        assert!(within("127.0.0.1") && within("127.1.2.3") && within("::1") && within("10.0.0.2"));
        assert!(!within("10.0.0.1") && !within("1.1.1.1") && !within("fe80::1"));
    }
}
