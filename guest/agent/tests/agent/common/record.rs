//! Records as lists of fields.

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Record(pub Vec<(u8, Vec<u8>)>);

impl Record {
    pub fn parse(mut bytes: &[u8]) -> Self {
        let mut fields = Vec::new();
        while !bytes.is_empty() {
            let length = u32::from_le_bytes(bytes[1..5].try_into().unwrap()) as usize;
            fields.push((bytes[0], bytes[5..5 + length].to_vec()));
            bytes = &bytes[5 + length..];
        }
        Record(fields)
    }

    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (tag, value) in &self.0 {
            bytes.push(*tag);
            bytes.extend((value.len() as u32).to_le_bytes());
            bytes.extend(value);
        }
        bytes
    }

    pub fn all(&self, tag: u8) -> Vec<&[u8]> {
        self.0.iter().filter(|field| field.0 == tag).map(|field| field.1.as_slice()).collect()
    }

    pub fn get(&self, tag: u8) -> Option<&[u8]> {
        self.all(tag).first().copied()
    }

    pub fn int(&self, tag: u8) -> u64 {
        self.get(tag).map_or(0, |value| u64::from_le_bytes(value.try_into().unwrap()))
    }

    pub fn text(&self, tag: u8) -> String {
        String::from_utf8_lossy(self.get(tag).unwrap_or_default()).into_owned()
    }

    pub fn record(&self, tag: u8) -> Record {
        Record::parse(self.get(tag).unwrap_or_default())
    }

    pub fn with(mut self, tag: u8, value: impl Value) -> Self {
        self.0.push((tag, value.bytes()));
        self
    }
}

pub trait Value {
    fn bytes(self) -> Vec<u8>;
}

impl Value for u64 {
    fn bytes(self) -> Vec<u8> {
        self.to_le_bytes().to_vec()
    }
}

impl Value for bool {
    fn bytes(self) -> Vec<u8> {
        u64::from(self).bytes()
    }
}

impl Value for &str {
    fn bytes(self) -> Vec<u8> {
        self.as_bytes().to_vec()
    }
}

impl Value for &String {
    fn bytes(self) -> Vec<u8> {
        self.as_bytes().to_vec()
    }
}

impl Value for &[u8] {
    fn bytes(self) -> Vec<u8> {
        self.to_vec()
    }
}

impl Value for Record {
    fn bytes(self) -> Vec<u8> {
        self.encode()
    }
}

pub fn record() -> Record {
    Record::default()
}

pub fn command(argv: &[&str]) -> Record {
    argv.iter().fold(record(), |record, argument| record.with(1, *argument))
}

pub fn shell(script: &str) -> Record {
    command(&["/bin/sh", "-c", script])
}
