//! Just enough JSON to read the golden vectors, which are plain ASCII.
#![allow(dead_code)]

#[derive(Debug, Clone, PartialEq)]
pub enum Json {
    Null,
    Bool(bool),
    Number(f64),
    Text(String),
    List(Vec<Json>),
    Object(Vec<(String, Json)>),
}

impl Json {
    /// A file of guest/vectors.
    pub fn vectors(name: &str) -> Vec<Json> {
        let path = format!("{}/../vectors/{name}", env!("CARGO_MANIFEST_DIR"));
        let content = std::fs::read(path).unwrap();
        let mut reader = Reader { bytes: &content };
        match reader.value() {
            Json::List(list) => list,
            other => panic!("{other:?}"),
        }
    }

    pub fn get(&self, key: &str) -> &Json {
        match self {
            Json::Object(fields) => fields.iter().find(|field| field.0 == key).map_or(&Json::Null, |field| &field.1),
            other => panic!("{other:?}"),
        }
    }

    pub fn text(&self, key: &str) -> &str {
        match self.get(key) {
            Json::Text(text) => text,
            other => panic!("{key}: {other:?}"),
        }
    }

    pub fn number(&self, key: &str) -> u64 {
        match self.get(key) {
            Json::Number(number) => *number as u64,
            other => panic!("{key}: {other:?}"),
        }
    }

    pub fn list(&self, key: &str) -> &[Json] {
        match self.get(key) {
            Json::List(list) => list,
            other => panic!("{key}: {other:?}"),
        }
    }

    pub fn hex(&self, key: &str) -> Vec<u8> {
        let digits = self.text(key).as_bytes();
        let digit = |byte: u8| (byte as char).to_digit(16).unwrap() as u8;
        digits.chunks(2).map(|pair| digit(pair[0]) << 4 | digit(pair[1])).collect()
    }
}

struct Reader<'a> {
    bytes: &'a [u8],
}

impl Reader<'_> {
    fn peek(&mut self) -> u8 {
        while self.bytes[0].is_ascii_whitespace() {
            self.bytes = &self.bytes[1..];
        }
        self.bytes[0]
    }

    fn take(&mut self, expected: u8) {
        assert_eq!(self.peek(), expected);
        self.bytes = &self.bytes[1..];
    }

    fn word(&mut self, word: &str, value: Json) -> Json {
        self.bytes = self.bytes.strip_prefix(word.as_bytes()).unwrap();
        value
    }

    fn text(&mut self) -> String {
        self.take(b'"');
        let end = self.bytes.iter().position(|&byte| byte == b'"').unwrap();
        let (text, rest) = self.bytes.split_at(end);
        assert!(!text.contains(&b'\\'), "no escapes in vectors");
        self.bytes = &rest[1..];
        String::from_utf8(text.to_vec()).unwrap()
    }

    fn sequence<T>(&mut self, open: u8, close: u8, mut item: impl FnMut(&mut Self) -> T) -> Vec<T> {
        let mut items = Vec::new();
        self.take(open);
        while self.peek() != close {
            items.push(item(self));
            if self.peek() == b',' {
                self.take(b',');
            }
        }
        self.take(close);
        items
    }

    fn value(&mut self) -> Json {
        match self.peek() {
            b'"' => Json::Text(self.text()),
            b'[' => Json::List(self.sequence(b'[', b']', Self::value)),
            b'{' => Json::Object(self.sequence(b'{', b'}', |reader| {
                let key = reader.text();
                reader.take(b':');
                (key, reader.value())
            })),
            b't' => self.word("true", Json::Bool(true)),
            b'f' => self.word("false", Json::Bool(false)),
            b'n' => self.word("null", Json::Null),
            _ => {
                let end = self.bytes.iter().position(|byte| !b"+-.eE0123456789".contains(byte)).unwrap();
                let (number, rest) = self.bytes.split_at(end);
                self.bytes = rest;
                Json::Number(std::str::from_utf8(number).unwrap().parse().unwrap())
            }
        }
    }
}
