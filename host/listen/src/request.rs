//! The messages, which are lines of JSON. Requests have three forms, so no parser of JSON is needed.

use crate::sys::Failure;

/// The number of slots of a host.
const SLOTS: u32 = 8192;
/// Numbers of descriptors are smaller.
const DESCRIPTORS: u32 = 1 << 30;

/// Node's own messages begin like this. It confirms each descriptor with one.
const INTERNAL: &str = r#"{"cmd":"NODE_"#;

#[derive(Debug, PartialEq, Eq)]
pub enum Request {
    /// The listeners of one of root's slots: `{"slot":N}`.
    OpenSlot(u32),
    /// Those of a slot that is not root's: `{"user":N,"net":N}`.
    OpenAt(Place),
    /// A connection from such a slot to a port of its guest: `{"user":N,"net":N,"port":N}`.
    Connect(Place, u16),
}

/// The descriptors with which the parent holds the namespaces of a slot. No process in it need be known, because the
/// one that has made it soon ends.
#[derive(Debug, PartialEq, Eq, Clone, Copy)]
pub struct Place {
    pub user: u32,
    pub net: u32,
}

/// Reads a request. None: the message is one of Node's own.
pub fn read(line: &str) -> Result<Option<Request>, Failure> {
    if line.starts_with(INTERNAL) {
        return Ok(None);
    }
    let fields: Vec<&str> = inside(line).map(|text| text.split(',').collect()).unwrap_or_default();
    let request = match fields[..] {
        [slot] => number(slot, "slot", SLOTS).map(Request::OpenSlot),
        [user, net] => place(user, net).map(Request::OpenAt),
        [user, net, port] => place(user, net).zip(port_in(port)).map(|(place, port)| Request::Connect(place, port)),
        _ => None,
    };
    request.map(Some).ok_or_else(|| Failure::new("a message is no request"))
}

fn inside(line: &str) -> Option<&str> {
    line.strip_prefix('{')?.strip_suffix('}')
}

fn place(user: &str, net: &str) -> Option<Place> {
    Some(Place { user: number(user, "user", DESCRIPTORS)?, net: number(net, "net", DESCRIPTORS)? })
}

fn port_in(text: &str) -> Option<u16> {
    u16::try_from(number(text, "port", u32::from(u16::MAX))?).ok()
}

fn number(text: &str, name: &str, most: u32) -> Option<u32> {
    let digits = text.strip_prefix('"')?.strip_prefix(name)?.strip_prefix("\":")?;
    let number = Some(digits).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))?.parse().ok()?;
    (1..=most).contains(&number).then_some(number)
}

/// Node gives `msg`, which repeats the request, to the listeners of its event `message`, with the descriptor that came
/// along.
pub fn opened(request: &str, socket: &str) -> String {
    let kind = match socket {
        crate::sockets::DNS_UDP => "dgram.Native",
        crate::sockets::GUEST => "net.Socket",
        _ => "net.Native",
    };
    let request = inside(request).unwrap_or_default();
    format!(r#"{{"cmd":"NODE_HANDLE","type":"{kind}","msg":{{{request},"socket":"{socket}"}}}}"#)
}

pub fn failed(request: &str, failure: &Failure) -> String {
    let text: String =
        failure.to_string().chars().filter(|each| !each.is_control() && !"\"\\".contains(*each)).collect();
    format!(r#"{{{},"error":"{text}"}}"#, inside(request).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_names_a_slot_or_its_namespaces() {
        assert!(matches!(read(r#"{"slot":1}"#), Ok(Some(Request::OpenSlot(1)))));
        assert!(matches!(read(r#"{"slot":8192}"#), Ok(Some(Request::OpenSlot(8192)))));
        let place = Place { user: 21, net: 22 };
        assert_eq!(read(r#"{"user":21,"net":22}"#).ok(), Some(Some(Request::OpenAt(place))));
        assert_eq!(read(r#"{"user":21,"net":22,"port":65535}"#).ok(), Some(Some(Request::Connect(place, 65535))));
        assert!(matches!(read(r#"{"cmd":"NODE_HANDLE_ACK"}"#), Ok(None)));
    }

    #[test]
    fn anything_else_is_refused() {
        for line in [
            "",
            "{}",
            r#"{"slot":0}"#,
            r#"{"slot":8193}"#,
            r#"{"slot":65537}"#,
            r#"{"slot":4294967297}"#,
            r#"{"slot":-1}"#,
            r#"{"slot":+1}"#,
            r#"{"slot":}"#,
            r#"{"slot":"../../proc/1/ns/net"}"#,
            r#"{"slot":1,"more":1}"#,
            r#"{"slot":1,"port":1}"#,
            r#"{"user":0,"net":1}"#,
            r#"{"user":1}"#,
            r#"{"net":1,"user":1}"#,
            r#"{"user":1,"net":4294967295}"#,
            r#"{"user":1,"net":1,"port":65536}"#,
            r#"{"user":1,"net":1,"port":1,"port":1}"#,
            r#" {"slot":1}"#,
        ] {
            assert!(read(line).is_err(), "{line}");
        }
    }

    #[test]
    fn an_answer_repeats_the_request() {
        assert_eq!(
            opened(r#"{"user":7,"net":8,"port":80}"#, "guest"),
            r#"{"cmd":"NODE_HANDLE","type":"net.Socket","msg":{"user":7,"net":8,"port":80,"socket":"guest"}}"#
        );
    }

    #[test]
    fn a_failure_stays_one_line_of_json() {
        assert_eq!(failed(r#"{"slot":3}"#, &Failure::new("a \"b\"\n\\c")), r#"{"slot":3,"error":"a bc"}"#);
    }
}
