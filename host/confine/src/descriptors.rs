//! Files that the program gets open, as it could not open them itself.

use std::fs::OpenOptions;
use std::os::fd::{AsRawFd, RawFd};

use crate::plan::Opened;
use crate::sys::{check, failed, Failure};

const FIRST: RawFd = 3;

/// Nothing else is open above standard error: each file takes the place that is its own, or is put there.
pub fn open(files: &[Opened]) -> Result<(), Failure> {
    for (wanted, Opened { path, writable }) in (FIRST..).zip(files) {
        let doing = format!("opening {}", path.display());
        let file = OpenOptions::new().read(true).write(*writable).open(path).map_err(failed(&doing))?;
        let found = file.as_raw_fd();
        // SAFETY: take no pointers. A descriptor put over itself would stay one that is closed on execution.
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
