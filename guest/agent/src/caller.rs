//! Identifies who has sent a request.

/// The address of every answer: a stream of a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Caller {
    pub link: u32,
    pub stream: u32,
}
