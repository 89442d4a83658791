//! Operations on files with the rights of the agent. Created files belong to the user that the call names.

mod attributes;
mod copy;
pub mod create;
pub mod digests;
pub mod entry;
mod list;
mod make_directory;
mod manifest;
pub mod path;
mod read;
mod relocate;
mod remove;
mod stat;
pub mod transfer;
mod watch;
pub mod watching;
mod write;
