//! The hooks that a guest has still to run before it may go on.

use std::collections::VecDeque;

use crate::record::Record;

pub struct Hooking {
    pub(super) programs: VecDeque<Vec<u8>>,
    /// `NAME=value`, added to the base environment.
    pub(super) env: Vec<Vec<u8>>,
    /// The answer of the request, after the last hook.
    pub(super) answer: Record,
    /// All of them have to be done by then.
    pub(super) until_ns: Option<u64>,
    /// The process of the hook that runs, and its path.
    pub(super) running: Option<(u64, Vec<u8>)>,
}

impl Hooking {
    pub fn new(programs: VecDeque<Vec<u8>>, env: Vec<Vec<u8>>, answer: Record) -> Self {
        Hooking { programs, env, answer, until_ns: None, running: None }
    }
}
