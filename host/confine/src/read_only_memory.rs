//! Preloaded into QEMU before 8.2, which opens the memory of a snapshot for writing although it maps it privately. QEMU
//! may not write to the file. It gets it open for reading, which is enough for a private mapping. This grants nothing:
//! without it QEMU would only fail.
#![no_std]

use core::ffi::{c_char, c_int, c_uint};
use libc::{AT_FDCWD, EACCES, EROFS, O_RDONLY, O_RDWR};

/// The C library's, as QEMU calls it.
///
/// # Safety
/// As open(2).
#[no_mangle]
pub unsafe extern "C" fn open64(path: *const c_char, flags: c_int, mode: c_uint) -> c_int {
    let open = |flags: c_int| libc::syscall(libc::SYS_openat, AT_FDCWD, path, flags, mode) as c_int;
    let opened = open(flags);
    // Memory alone is opened with just this flag: disks are never opened otherwise than was asked for.
    if opened < 0 && flags == O_RDWR && matches!(*libc::__errno_location(), EACCES | EROFS) {
        return open(O_RDONLY);
    }
    opened
}

/// # Safety
/// As open(2).
#[no_mangle]
pub unsafe extern "C" fn open(path: *const c_char, flags: c_int, mode: c_uint) -> c_int {
    open64(path, flags, mode)
}

/// `open64` without a mode, where the C library checks its arguments.
///
/// # Safety
/// As open(2).
#[no_mangle]
pub unsafe extern "C" fn __open64_2(path: *const c_char, flags: c_int) -> c_int {
    open64(path, flags, 0)
}

/// # Safety
/// As open(2).
#[no_mangle]
pub unsafe extern "C" fn __open_2(path: *const c_char, flags: c_int) -> c_int {
    open64(path, flags, 0)
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo) -> ! {
    unsafe { libc::abort() }
}
