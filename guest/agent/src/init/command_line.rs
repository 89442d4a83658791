//! Parses the `nova.` arguments of the kernel command line.

use super::step::{fatal, Fatal, Step};
use crate::sys;

#[derive(Debug, Default, PartialEq, Eq)]
pub enum WriteLayer {
    Disk(String),
    Memory,
    #[default]
    None,
}

#[derive(Debug, Default, PartialEq, Eq)]
pub enum ChannelKind {
    #[default]
    Serial,
    Vsock(u32),
}

#[derive(Debug, PartialEq, Eq)]
pub struct Drive {
    pub device: String,
    pub mount_point: String,
    pub kind: String,
    pub read_only: bool,
}

#[derive(Debug, Default, PartialEq, Eq)]
pub struct CommandLine {
    pub root: Option<String>,
    pub write: WriteLayer,
    pub drives: Vec<Drive>,
    pub volumes: Vec<String>,
    pub channel: ChannelKind,
    pub deadline_ms: Option<u64>,
}

impl CommandLine {
    pub fn read() -> Step<Self> {
        let text = sys::read_small(c"/proc/cmdline", 16 * 1024).map_err(fatal("command line"))?;
        Self::parse(&String::from_utf8_lossy(&text))
    }

    fn parse(text: &str) -> Step<Self> {
        let mut line = CommandLine::default();
        for word in text.split_ascii_whitespace() {
            let Some((key, value)) = word.strip_prefix("nova.").and_then(|word| word.split_once('=')) else { continue };
            let wrong = || Fatal { step: "command line".into(), reason: format!("cannot read {word}") };
            match key {
                "root" => line.root = Some(device(value).ok_or_else(wrong)?),
                "write" => {
                    line.write = match value {
                        "tmpfs" => WriteLayer::Memory,
                        "none" => WriteLayer::None,
                        disk => WriteLayer::Disk(device(disk).ok_or_else(wrong)?),
                    }
                }
                "volume" => line.volumes.push(device(value).ok_or_else(wrong)?),
                "drive" => line.drives.push(Drive::parse(value).ok_or_else(wrong)?),
                "channel" => {
                    line.channel = match value.split_once(':') {
                        None if value == "serial" => ChannelKind::Serial,
                        Some(("vsock", port)) => ChannelKind::Vsock(port.parse().map_err(|_| wrong())?),
                        _ => return Err(wrong()),
                    }
                }
                "deadline" => line.deadline_ms = Some(value.parse().map_err(|_| wrong())?),
                _ => {}
            }
        }
        Ok(line)
    }
}

/// Gives the path of a device below /dev.
fn device(name: &str) -> Option<String> {
    let fits = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    fits.then(|| format!("/dev/{name}"))
}

impl Drive {
    fn parse(value: &str) -> Option<Self> {
        let mut parts = value.split(':');
        let drive = Drive {
            device: device(parts.next()?)?,
            mount_point: parts.next().filter(|path| path.starts_with('/'))?.into(),
            kind: parts.next()?.into(),
            read_only: match parts.next()? {
                "ro" => true,
                "rw" => false,
                _ => return None,
            },
        };
        parts.next().is_none().then_some(drive)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Option<CommandLine> {
        CommandLine::parse(text).ok()
    }

    #[test]
    fn reads_every_word() {
        let line = parse(
            "console=ttyS0 nova.root=vda nova.write=vdb nova.drive=vdc:/data:ext4:ro nova.drive=vdd:/x:erofs:rw \
             nova.volume=vde nova.volume=vdf nova.channel=vsock:1024 nova.deadline=5000 nova.later=1 quiet",
        );
        let drive = |device: &str, mount_point: &str, kind: &str, read_only| Drive {
            device: device.into(),
            mount_point: mount_point.into(),
            kind: kind.into(),
            read_only,
        };
        let expected = CommandLine {
            root: Some("/dev/vda".into()),
            write: WriteLayer::Disk("/dev/vdb".into()),
            drives: vec![drive("/dev/vdc", "/data", "ext4", true), drive("/dev/vdd", "/x", "erofs", false)],
            volumes: vec!["/dev/vde".into(), "/dev/vdf".into()],
            channel: ChannelKind::Vsock(1024),
            deadline_ms: Some(5000),
        };
        assert_eq!(line, Some(expected));
        assert_eq!(parse("quiet"), Some(CommandLine::default()));
        assert_eq!(parse("nova.write=tmpfs").map(|line| line.write), Some(WriteLayer::Memory));
    }

    #[test]
    fn refuses_what_it_cannot_read() {
        for text in [
            "nova.root=../etc",
            "nova.root=",
            "nova.volume=",
            "nova.channel=tcp",
            "nova.deadline=soon",
            "nova.drive=vdc:/x:ext4",
            "nova.drive=vdc:x:ext4:ro",
            "nova.drive=vdc:/x:ext4:rx",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
