//! Records: sequences of `u8 tag, u32 length, bytes`. Reading never trusts a length; writing appends to a plain vector.

use crate::error::{Failure, Outcome};
use crate::numbers::tag;

/// Iterates over the fields of a record, in order. It ends early at a field that runs past the end: call
/// `is_well_formed` first where that matters.
#[derive(Clone)]
pub struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    pub fn new(record: &'a [u8]) -> Self {
        Fields { rest: record }
    }

    fn split(&self) -> Option<(u8, &'a [u8], &'a [u8])> {
        let (&tag, rest) = self.rest.split_first()?;
        let (length, rest) = rest.split_first_chunk::<4>()?;
        let length = u32::from_le_bytes(*length) as usize;
        if length > rest.len() {
            return None;
        }
        let (value, rest) = rest.split_at(length);
        Some((tag, value, rest))
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = (u8, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let (tag, value, rest) = self.split()?;
        self.rest = rest;
        Some((tag, value))
    }
}

pub fn is_well_formed(record: &[u8]) -> bool {
    let mut fields = Fields::new(record);
    while fields.next().is_some() {}
    fields.rest.is_empty()
}

pub fn int(value: &[u8]) -> Outcome<u64> {
    match value.try_into() {
        Ok(bytes) => Ok(u64::from_le_bytes(bytes)),
        Err(_) => Err(Failure::invalid("an integer field is not 8 bytes")),
    }
}

/// Reads an integer that must fit a narrower type.
pub fn narrow<T: TryFrom<u64>>(value: &[u8]) -> Outcome<T> {
    T::try_from(int(value)?).map_err(|_| Failure::invalid("an integer field is out of range"))
}

pub fn flag(value: &[u8]) -> Outcome<bool> {
    Ok(int(value)? != 0)
}

#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Record(pub Vec<u8>);

impl Record {
    pub fn new() -> Self {
        Record::default()
    }

    pub fn bytes(&mut self, tag: u8, value: &[u8]) -> &mut Self {
        self.0.push(tag);
        self.0.extend_from_slice(&(value.len() as u32).to_le_bytes());
        self.0.extend_from_slice(value);
        self
    }

    pub fn text(&mut self, tag: u8, value: &str) -> &mut Self {
        self.bytes(tag, value.as_bytes())
    }

    pub fn int(&mut self, tag: u8, value: u64) -> &mut Self {
        self.bytes(tag, &value.to_le_bytes())
    }

    /// Leaves a false flag out, because missing means false.
    pub fn flag(&mut self, tag: u8, value: bool) -> &mut Self {
        if value {
            self.int(tag, 1);
        }
        self
    }

    pub fn record(&mut self, tag: u8, value: &Record) -> &mut Self {
        self.bytes(tag, &value.0)
    }
}

impl From<&Failure> for Record {
    fn from(failure: &Failure) -> Self {
        let mut record = Record::new();
        record.text(tag::error::CODE, failure.code.name()).text(tag::error::MESSAGE, &failure.message);
        if failure.errno != 0 {
            record.int(tag::error::ERRNO, failure.errno as u64);
        }
        if let Some(program) = &failure.program {
            record.bytes(tag::error::PROGRAM, &program.path).bytes(tag::error::OUTPUT, &program.output);
        }
        record
    }
}
