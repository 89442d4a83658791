//! Tests of the real agent on a Unix socket. They are one program, because several would take as many times to compile.

mod common;
mod continued;

mod attachment;
mod directories;
mod endings;
mod exec;
mod files;
mod guest;
mod lost_sessions;
mod manifest;
mod session;
mod sparse;
mod tar;
mod terminals;
mod tunnel;
mod watch;
