//! Processes: they belong to the agent, not to a session. Streams attach to their output and come and go.

mod attach;
mod end;
mod environment;
mod errand;
mod feed;
pub mod hooking;
mod hooks;
mod input;
mod launch;
mod list;
mod orphan;
mod output;
mod process;
pub mod processes;
mod pty;
mod request;
mod ring;
mod spawn;
mod start;
mod warm;
pub mod warming;
