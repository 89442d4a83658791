//! QEMU before 8.2 opens the memory of a snapshot for writing although it maps it privately, and may not write to it.
//! It gets the file open for reading, which is enough for a private mapping.

use core::ffi::{c_char, c_int, c_uint};
use libc::{AT_FDCWD, EACCES, EROFS, O_RDONLY, O_RDWR};

/// Replaces the C library's function, which QEMU calls.
///
/// # Safety
/// The requirements are those of open(2).
#[no_mangle]
pub unsafe extern "C" fn open64(path: *const c_char, flags: c_int, mode: c_uint) -> c_int {
    // SAFETY: The path is as open(2) wants it.
    let open = |flags: c_int| unsafe { libc::syscall(libc::SYS_openat, AT_FDCWD, path, flags, mode) } as c_int;
    let opened = open(flags);
    // Only memory is opened with exactly this flag, so disks are always opened as requested.
    // SAFETY: The location is this thread's own.
    if opened < 0 && flags == O_RDWR && matches!(unsafe { *libc::__errno_location() }, EACCES | EROFS) {
        return open(O_RDONLY);
    }
    opened
}

/// # Safety
/// The requirements are those of open(2).
#[no_mangle]
pub unsafe extern "C" fn open(path: *const c_char, flags: c_int, mode: c_uint) -> c_int {
    // SAFETY: The path is as open(2) wants it.
    unsafe { open64(path, flags, mode) }
}

/// `open64` without a mode, where the C library checks its arguments.
///
/// # Safety
/// The requirements are those of open(2).
#[no_mangle]
pub unsafe extern "C" fn __open64_2(path: *const c_char, flags: c_int) -> c_int {
    // SAFETY: The path is as open(2) wants it.
    unsafe { open64(path, flags, 0) }
}

/// # Safety
/// The requirements are those of open(2).
#[no_mangle]
pub unsafe extern "C" fn __open_2(path: *const c_char, flags: c_int) -> c_int {
    // SAFETY: The path is as open(2) wants it.
    unsafe { open64(path, flags, 0) }
}
