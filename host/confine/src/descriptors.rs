//! Opens files for the program, which could not open them itself.

use std::fs::OpenOptions;
use std::os::fd::{AsRawFd, RawFd};

use crate::plan::Opened;
use crate::sys::{check, failed, Failure};

const FIRST: RawFd = 3;

/// Opens the files in order from descriptor 3 on. Nothing else is open above standard error, so each file either gets
/// its own number at once or is moved there.
pub fn open(files: &[Opened]) -> Result<(), Failure> {
    for (wanted, Opened { path, writable }) in (FIRST..).zip(files) {
        let doing = format!("opening {}", path.display());
        let file = OpenOptions::new().read(true).write(*writable).open(path).map_err(failed(&doing))?;
        let found = file.as_raw_fd();
        // SAFETY: The calls take no pointers. A descriptor duplicated onto itself would keep its close-on-exec flag.
        let outcome = unsafe {
            if found == wanted {
                libc::fcntl(found, libc::F_SETFD, 0)
            } else {
                libc::dup2(found, wanted)
            }
        };
        check(outcome, &doing)?;
        if found == wanted {
            std::mem::forget(file);
        }
    }
    Ok(())
}
