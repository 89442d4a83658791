//! The record of `configure` for a guest that goes on.

use crate::error::{Failure, Outcome};
use crate::numbers::tag;
use crate::record::{self, Fields};

const LONGEST_NAME: usize = 64;

#[derive(Default)]
pub struct Continued {
    pub generation: Vec<u8>,
    pub cut_connections: bool,
    /// Empty when it is not known.
    pub parent_id: Vec<u8>,
}

/// Accepts a name that is safe in a line, in a path and in a variable of the environment.
fn check_name(value: &[u8]) -> Outcome<Vec<u8>> {
    let allowed = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
    if value.len() <= LONGEST_NAME && value.iter().all(allowed) {
        Ok(value.to_vec())
    } else {
        Err(Failure::invalid("not a name of at most 64 letters, digits, '-', '.' and '_'"))
    }
}

impl Continued {
    pub fn parse(record: &[u8]) -> Outcome<Self> {
        let mut continued = Continued::default();
        for (tag, value) in Fields::new(record) {
            match tag {
                tag::continued::GENERATION => continued.generation = check_name(value)?,
                tag::continued::CUT_CONNECTIONS => continued.cut_connections = record::flag(value)?,
                tag::continued::PARENT_ID => continued.parent_id = check_name(value)?,
                _ => {}
            }
        }
        if continued.generation.is_empty() {
            return Err(Failure::invalid("a continued guest needs a generation"));
        }
        Ok(continued)
    }

    /// Variables that hooks find in their environment. The base environment has the sandbox's own id.
    pub fn variables(&self) -> Vec<Vec<u8>> {
        let mut variables = vec![[b"NOVA_GENERATION=", self.generation.as_slice()].concat()];
        if !self.parent_id.is_empty() {
            variables.push([b"NOVA_PARENT_ID=", self.parent_id.as_slice()].concat());
        }
        variables
    }
}
