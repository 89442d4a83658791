//! Kernel modules, in the order the engine has worked out.

use std::ffi::CString;
use std::os::fd::AsRawFd;

use super::{fatal, Step};
use crate::sys::{self, check, Errno};

const FOLDER: &str = "/modules/";

pub fn load_all() -> Step<()> {
    let Ok(order) = std::fs::read_to_string("/modules/order") else { return Ok(()) };
    for module in order.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let path = CString::new([FOLDER, module].concat()).unwrap_or_default();
        let file = sys::open(&path, libc::O_RDONLY, 0).map_err(fatal(format!("module {module}")))?;
        // SAFETY: no parameters, no flags.
        let result =
            check(unsafe { libc::syscall(libc::SYS_finit_module, file.as_raw_fd(), c"".as_ptr(), 0) } as libc::c_int);
        match result {
            // Loaded or built in already; or made for a device that this machine does not have.
            Ok(_) | Err(Errno(libc::EEXIST | libc::ENODEV)) => {}
            Err(errno) => return Err(fatal(format!("module {module}"))(errno)),
        }
    }
    Ok(())
}
