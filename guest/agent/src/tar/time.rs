//! The modification time of a file.

use super::field::decimal;

/// A modification time, in seconds since 1970 and additional nanoseconds.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Time {
    pub seconds: i64,
    pub nanoseconds: u32,
}

impl Time {
    /// Parses a time; `-1.5` is a second and a half before 1970.
    pub fn parse(text: &[u8]) -> Option<Self> {
        let (digits, fraction) = match text.iter().position(|&byte| byte == b'.') {
            Some(at) => (&text[..at], &text[at + 1..]),
            None => (text, b"".as_slice()),
        };
        if !fraction.iter().all(u8::is_ascii_digit) {
            return None;
        }
        let seconds: i64 = decimal(digits)?;
        let padded: Vec<u8> = fraction.iter().copied().chain(std::iter::repeat(b'0')).take(9).collect();
        let nanoseconds: u32 = decimal(&padded)?;
        if digits.first() == Some(&b'-') && nanoseconds > 0 {
            return Some(Time { seconds: seconds.checked_sub(1)?, nanoseconds: 1_000_000_000 - nanoseconds });
        }
        Some(Time { seconds, nanoseconds })
    }

    pub fn text(self) -> String {
        match (self.seconds, self.nanoseconds) {
            (seconds, 0) => seconds.to_string(),
            (seconds, rest) if seconds < 0 => format!("-{}.{:09}", -(seconds + 1), 1_000_000_000 - rest),
            (seconds, rest) => format!("{seconds}.{rest:09}"),
        }
    }
}

impl From<Time> for libc::timespec {
    fn from(time: Time) -> Self {
        libc::timespec { tv_sec: time.seconds as libc::time_t, tv_nsec: time.nanoseconds as libc::c_long }
    }
}
