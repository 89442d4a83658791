//! The errors of requests. Each errno becomes a code of the protocol in one place.

use std::borrow::Cow;

use crate::sys::Errno;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Code {
    InvalidArgument,
    NotFound,
    AlreadyExists,
    PermissionDenied,
    Unauthenticated,
    ResourceExhausted,
    NotADirectory,
    IsADirectory,
    NotEmpty,
    Unavailable,
    DeadlineExceeded,
    Unimplemented,
    HookFailed,
    Internal,
}

impl Code {
    pub fn name(self) -> &'static str {
        match self {
            Code::InvalidArgument => "invalid_argument",
            Code::NotFound => "not_found",
            Code::AlreadyExists => "already_exists",
            Code::PermissionDenied => "permission_denied",
            Code::Unauthenticated => "unauthenticated",
            Code::ResourceExhausted => "resource_exhausted",
            Code::NotADirectory => "not_a_directory",
            Code::IsADirectory => "is_a_directory",
            Code::NotEmpty => "not_empty",
            Code::Unavailable => "unavailable",
            Code::DeadlineExceeded => "deadline_exceeded",
            Code::Unimplemented => "unimplemented",
            Code::HookFailed => "hook_failed",
            Code::Internal => "internal",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    pub code: Code,
    pub message: Cow<'static, str>,
    pub errno: i32,
    pub program: Option<Box<Program>>,
}

/// A program of the guest that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    pub path: Vec<u8>,
    /// The end of what it wrote.
    pub output: Vec<u8>,
}

pub type Outcome<T> = Result<T, Failure>;

impl Failure {
    pub fn new(code: Code, message: impl Into<Cow<'static, str>>) -> Self {
        Failure { code, message: message.into(), errno: 0, program: None }
    }

    pub fn invalid(message: impl Into<Cow<'static, str>>) -> Self {
        Failure::new(Code::InvalidArgument, message)
    }

    /// Adds what the failure was about: `/a/b: no such file or directory`.
    pub fn about(self, thing: &[u8]) -> Self {
        let mut message = String::from_utf8_lossy(&thing[..thing.len().min(1024)]).into_owned();
        message.push_str(": ");
        message.push_str(&self.message);
        Failure { message: message.into(), ..self }
    }

    /// Adds the work done before the failure: `no space left on device; 12 entries were unpacked before`.
    pub fn after(self, what: &str) -> Self {
        Failure { message: [&self.message, "; ", what].concat().into(), ..self }
    }

    pub fn of_program(self, path: &[u8], output: Vec<u8>) -> Self {
        Failure { program: Some(Box::new(Program { path: path.to_vec(), output })), ..self }
    }

    pub fn with_code(self, code: Code) -> Self {
        Failure { code, ..self }
    }
}

impl From<Errno> for Failure {
    fn from(errno: Errno) -> Self {
        let (code, text) = describe(errno.0);
        let message = match text {
            "" => {
                let mut message = String::from("errno ");
                push_decimal(&mut message, errno.0);
                message.into()
            }
            text => text.into(),
        };
        Failure { code, message, errno: errno.0, program: None }
    }
}

fn push_decimal(text: &mut String, number: i32) {
    use std::fmt::Write;
    let _ = write!(text, "{number}");
}

/// This table replaces strerror, which would pull in the locales of the C library.
fn describe(errno: i32) -> (Code, &'static str) {
    match errno {
        libc::ENOENT => (Code::NotFound, "no such file or directory"),
        libc::ESRCH => (Code::NotFound, "no such process"),
        libc::ENXIO | libc::ENODEV => (Code::NotFound, "no such device"),
        libc::EEXIST => (Code::AlreadyExists, "already exists"),
        libc::EACCES => (Code::PermissionDenied, "permission denied"),
        libc::EPERM => (Code::PermissionDenied, "operation not permitted"),
        libc::EROFS => (Code::PermissionDenied, "read-only file system"),
        libc::ETXTBSY => (Code::PermissionDenied, "the program is running"),
        libc::ENOMEM => (Code::ResourceExhausted, "out of memory"),
        libc::ENOSPC => (Code::ResourceExhausted, "no space left on device"),
        libc::EDQUOT => (Code::ResourceExhausted, "quota exceeded"),
        libc::EFBIG => (Code::ResourceExhausted, "file too large"),
        libc::EMFILE | libc::ENFILE => (Code::ResourceExhausted, "too many open files"),
        libc::EAGAIN => (Code::ResourceExhausted, "resource temporarily unavailable"),
        libc::ENOTDIR => (Code::NotADirectory, "not a directory"),
        libc::EISDIR => (Code::IsADirectory, "is a directory"),
        libc::ENOTEMPTY => (Code::NotEmpty, "directory not empty"),
        libc::ECONNREFUSED => (Code::Unavailable, "connection refused"),
        libc::ENETUNREACH | libc::EHOSTUNREACH => (Code::Unavailable, "no route to host"),
        libc::ECONNRESET | libc::EPIPE => (Code::Unavailable, "connection reset"),
        libc::ETIMEDOUT => (Code::DeadlineExceeded, "timed out"),
        libc::EINVAL => (Code::InvalidArgument, "invalid argument"),
        libc::ENAMETOOLONG => (Code::InvalidArgument, "name too long"),
        libc::ELOOP => (Code::InvalidArgument, "too many symbolic links"),
        libc::E2BIG => (Code::InvalidArgument, "argument list too long"),
        libc::EOPNOTSUPP | libc::ENOSYS => (Code::Unimplemented, "not supported here"),
        libc::EBUSY => (Code::PermissionDenied, "in use: it is mounted, or the kernel holds it"),
        libc::EXDEV => (Code::InvalidArgument, "it would lead to another file system"),
        libc::EMLINK => (Code::ResourceExhausted, "too many links"),
        libc::ENOBUFS | libc::ENOLCK => (Code::ResourceExhausted, "the kernel has no room for it"),
        libc::ENODATA => (Code::NotFound, "no such attribute"),
        libc::EOVERFLOW | libc::ERANGE => (Code::InvalidArgument, "a number is too large"),
        libc::ESPIPE | libc::ENOTTY => (Code::InvalidArgument, "not possible with this kind of file"),
        libc::ESTALE => (Code::NotFound, "it has gone meanwhile"),
        libc::EIO => (Code::Internal, "input/output error"),
        _ => (Code::Internal, ""),
    }
}
