//! Confines a program, and becomes it: nova-confine OPTION... -- PROGRAM ARGUMENT...
//!
//! Root runs it with the options of `plan.rs`. If a restriction cannot be applied, it fails: nothing runs half
//! confined.

mod capabilities;
mod descriptors;
mod landlock;
mod namespaces;
mod plan;
mod root;
mod seccomp;
mod sys;

use std::ffi::CString;
use std::process::exit;

use plan::Plan;
use sys::Failure;

fn main() {
    let problem = match Plan::parse(std::env::args_os().skip(1)) {
        Ok(plan) => confine(&plan).err(),
        Err(problem) => Some(problem),
    };
    if let Some(problem) = problem {
        eprintln!("nova-confine: {problem}");
    }
    // The shell uses this code for a program that cannot be run.
    exit(126);
}

/// Returns only with a failure. Privileges are given up late, and followed only by steps that need none.
fn confine(plan: &Plan) -> Result<(), Failure> {
    namespaces::enter_network(plan.network.as_deref())?;
    if !plan.shared {
        namespaces::leave_shared()?;
    }
    if let Some(descriptor) = plan.pid_to {
        namespaces::become_first_process(descriptor)?;
    }
    descriptors::open(&plan.opened)?;
    if !plan.shared {
        root::enter(plan)?;
    }
    std::env::set_current_dir(&plan.folder).map_err(sys::failed("entering its folder"))?;
    let landlock = landlock::rules(plan)?;
    capabilities::give_up(plan)?;
    if let Some(rules) = landlock {
        rules.apply()?;
    }
    seccomp::apply()?;
    if let Some(library) = &plan.preload {
        std::env::set_var("LD_PRELOAD", library);
    }
    run(&plan.command)
}

fn run(command: &[CString]) -> Result<(), Failure> {
    let mut arguments: Vec<_> = command.iter().map(|each| each.as_ptr()).collect();
    arguments.push(std::ptr::null());
    let program = command[0].to_string_lossy();
    // SAFETY: The arguments end with a null pointer, and outlive the call. SIGPIPE gets its default back, because Rust
    // ignores it.
    let outcome = unsafe {
        libc::signal(libc::SIGPIPE, libc::SIG_DFL);
        libc::execv(arguments[0], arguments.as_ptr())
    };
    sys::check(outcome, &format!("running {program}")).map(drop)
}
