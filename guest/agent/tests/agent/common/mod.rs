//! A small host: it starts the real agent on a Unix socket and speaks the protocol. It is written from PROTOCOL.md, and
//! shares with the agent nothing but the numbers.
// Arguments are put together where they are passed.
#![allow(clippy::needless_pass_by_value)]

pub mod agent;
pub mod calls;
pub mod client;
pub mod host;
pub mod json;
#[path = "../../../src/numbers.rs"]
pub mod numbers;
pub mod random;
pub mod record;

pub use agent::{Agent, Folder};
pub use calls::{extract, Output};
pub use client::{frame, Client, Event, MAGIC, WINDOW};
pub use host::{exists, is_running, is_superuser, make_deep_tree, make_fifo, until};
pub use numbers::{frame_kind as kind, method};
pub use random::noise;
pub use record::{command, record, shell, Record};
