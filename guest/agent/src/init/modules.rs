//! Loads kernel modules, in the order that the engine has determined.

use std::ffi::CString;

use super::step::{fatal, Step};
use crate::sys::{machine, paths, Errno};

const FOLDER: &str = "/modules/";

pub fn load_all() -> Step<()> {
    let Ok(order) = std::fs::read_to_string("/modules/order") else { return Ok(()) };
    for module in order.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let path = CString::new([FOLDER, module].concat()).unwrap_or_default();
        let file = paths::open(&path, libc::O_RDONLY, 0).map_err(fatal(format!("module {module}")))?;
        match machine::load_module(&file) {
            // The module is loaded or built in already, or is for a device that this machine lacks.
            Ok(()) | Err(Errno(libc::EEXIST | libc::ENODEV)) => {}
            Err(errno) => return Err(fatal(format!("module {module}"))(errno)),
        }
    }
    Ok(())
}
