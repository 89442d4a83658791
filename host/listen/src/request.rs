//! The messages, which are lines of JSON. Requests have one form, so no parser of JSON is needed.

use crate::sys::Failure;

/// The number of slots of a host.
const SLOTS: u16 = 8192;

/// Node's own messages begin like this. It confirms each descriptor with one.
const INTERNAL: &str = r#"{"cmd":"NODE_"#;

/// Gives the number of the slot that a request names. None: the message is one of Node's own.
pub fn slot_of(line: &str) -> Result<Option<u16>, Failure> {
    if line.starts_with(INTERNAL) {
        return Ok(None);
    }
    let digits = line.strip_prefix(r#"{"slot":"#).and_then(|rest| rest.strip_suffix('}'));
    let number = digits.filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()));
    match number.and_then(|digits| digits.parse().ok()) {
        Some(slot @ 1..=SLOTS) => Ok(Some(slot)),
        _ => Err(Failure::new("a request is not {\"slot\":N} with a number from 1 to 8192")),
    }
}

/// Node gives `msg` to the listeners of its event `message`, with the descriptor that came along.
pub fn opened(slot: u16, socket: &str) -> String {
    let kind = if socket == crate::sockets::DNS_UDP { "dgram.Native" } else { "net.Native" };
    format!(r#"{{"cmd":"NODE_HANDLE","type":"{kind}","msg":{{"slot":{slot},"socket":"{socket}"}}}}"#)
}

pub fn failed(slot: u16, failure: &Failure) -> String {
    let text: String =
        failure.to_string().chars().filter(|each| !each.is_control() && !"\"\\".contains(*each)).collect();
    format!(r#"{{"slot":{slot},"error":"{text}"}}"#)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_names_a_slot() {
        assert!(matches!(slot_of(r#"{"slot":1}"#), Ok(Some(1))));
        assert!(matches!(slot_of(r#"{"slot":8192}"#), Ok(Some(8192))));
        assert!(matches!(slot_of(r#"{"cmd":"NODE_HANDLE_ACK"}"#), Ok(None)));
    }

    #[test]
    fn anything_else_is_refused() {
        for line in [
            "",
            "{}",
            r#"{"slot":0}"#,
            r#"{"slot":8193}"#,
            r#"{"slot":65537}"#,
            r#"{"slot":-1}"#,
            r#"{"slot":+1}"#,
            r#"{"slot":}"#,
            r#"{"slot":"../../proc/1/ns/net"}"#,
            r#"{"slot":1,"more":1}"#,
            r#" {"slot":1}"#,
        ] {
            assert!(slot_of(line).is_err(), "{line}");
        }
    }

    #[test]
    fn a_failure_stays_one_line_of_json() {
        assert_eq!(failed(3, &Failure::new("a \"b\"\n\\c")), r#"{"slot":3,"error":"a bc"}"#);
    }
}
