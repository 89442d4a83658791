//! Reads numbers and strings in the blocks of an archive.

use crate::error::{Failure, Outcome};

pub const BLOCK: usize = 512;

/// Reads octal digits, or big-endian bytes after a set first bit.
pub fn number(field: &[u8]) -> Outcome<u64> {
    let wrong = || Failure::invalid("the archive holds a number that is none");
    if field[0] & 0x80 != 0 {
        let mut value = u64::from(field[0] & 0x7F);
        for &byte in &field[1..] {
            value = value.checked_mul(256).ok_or_else(wrong)? | u64::from(byte);
        }
        return Ok(value);
    }
    let mut value: u64 = 0;
    for &byte in field.iter().skip_while(|&&byte| byte == b' ').take_while(|&&byte| !matches!(byte, b' ' | 0)) {
        let digit = Some(byte.wrapping_sub(b'0')).filter(|&digit| digit < 8).ok_or_else(wrong)?;
        value = value.checked_mul(8).ok_or_else(wrong)? | u64::from(digit);
    }
    Ok(value)
}

/// Gives the bytes before the first NUL.
pub fn text(field: &[u8]) -> &[u8] {
    field.split(|&byte| byte == 0).next().unwrap_or_default()
}

pub fn decimal<T: std::str::FromStr>(text: &[u8]) -> Option<T> {
    std::str::from_utf8(text).ok()?.parse().ok()
}
