//! System calls as safe functions with checked results. All unsafe code of the agent is here, except the code of a
//! child before it becomes its program (`exec/spawn.rs`).
#![allow(unsafe_code)]

pub mod clock;
pub mod connections;
pub mod directory;
mod errno;
pub mod events;
pub mod interface;
mod io;
pub mod machine;
pub mod namespaces;
mod netlink;
pub mod paths;
pub mod process;
pub mod signals;
pub mod sockets;
pub mod terminal;
pub mod xattrs;

pub use errno::{check, Errno, Sys};
pub use io::*;
