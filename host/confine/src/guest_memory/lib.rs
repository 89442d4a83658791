//! Preloaded into QEMU, for what it cannot do by itself with the memory of a snapshot that it maps privately: opening
//! the file for reading alone (QEMU before 8.2), and mapping pages over it in which a later snapshot differs. It grants
//! no rights: without it QEMU would only fail.
#![no_std]

mod open;
mod pages;

#[panic_handler]
fn panic(_: &core::panic::PanicInfo) -> ! {
    // SAFETY: abort(3) takes nothing.
    unsafe { libc::abort() }
}
