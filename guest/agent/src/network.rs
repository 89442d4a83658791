//! The guest's network: one address, one gateway, name servers, hosts.

use std::net::Ipv4Addr;

use crate::error::{Failure, Outcome};
use crate::etc;
use crate::numbers::tag;
use crate::record::Fields;
use crate::sys::interface::Control;

#[derive(Clone, PartialEq, Eq)]
pub struct Network {
    interface: Vec<u8>,
    address: Option<(Ipv4Addr, Ipv4Addr)>,
    gateway: Option<Ipv4Addr>,
    dns: Vec<Vec<u8>>,
}

fn parse_address(value: &[u8]) -> Option<Ipv4Addr> {
    std::str::from_utf8(value).ok()?.parse().ok()
}

fn parse_prefix(value: &[u8]) -> Option<(Ipv4Addr, Ipv4Addr)> {
    let (address, length) = std::str::from_utf8(value).ok()?.split_once('/')?;
    let length: u32 = length.parse().ok().filter(|&length| length <= 32)?;
    let mask = u32::MAX.checked_shl(32 - length).unwrap_or(0);
    Some((address.parse().ok()?, mask.into()))
}

impl Network {
    pub fn parse(record: &[u8]) -> Outcome<Self> {
        let mut network = Network { interface: b"eth0".to_vec(), address: None, gateway: None, dns: Vec::new() };
        let wrong = |what| move || Failure::invalid(what);
        for (tag, value) in Fields::new(record) {
            match tag {
                tag::network::INTERFACE => network.interface = value.to_vec(),
                tag::network::ADDRESS => {
                    network.address = Some(parse_prefix(value).ok_or_else(wrong("not an address/length"))?);
                }
                tag::network::GATEWAY => {
                    network.gateway = Some(parse_address(value).ok_or_else(wrong("not a gateway address"))?);
                }
                tag::network::DNS => network.dns.push(value.to_vec()),
                _ => {}
            }
        }
        if network.interface.len() >= libc::IFNAMSIZ || network.interface.contains(&0) {
            return Err(Failure::invalid("not an interface name"));
        }
        Ok(network)
    }

    pub fn apply(&self) -> Outcome<()> {
        let control = Control::new()?;
        let failed = |errno| Failure::from(errno).about(&self.interface);
        if let Some((address, mask)) = self.address {
            control.set_address(&self.interface, address, mask).map_err(failed)?;
            control.bring_up(&self.interface).map_err(failed)?;
        }
        if let Some(gateway) = self.gateway {
            control.set_gateway(gateway).map_err(|errno| Failure::from(errno).about(b"gateway"))?;
        }
        if !self.dns.is_empty() {
            etc::set_name_servers(&self.dns);
        }
        Ok(())
    }

    /// Whether the interface has the address.
    pub fn is_there(&self) -> bool {
        let Some((address, _)) = self.address else { return true };
        Control::new().and_then(|control| control.address_of(&self.interface)) == Ok(address)
    }
}

/// Brings up the loopback at boot, because programs expect it and tunnels end there. A kernel without networking has no
/// loopback, which is no failure.
pub fn bring_up_loopback() {
    if let Ok(control) = Control::new() {
        let _ = control.bring_up(b"lo");
    }
}
