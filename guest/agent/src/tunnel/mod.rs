//! Tunnels: from a stream to a port or a Unix socket in the guest.

mod connect;
pub mod connection;
mod relay;
