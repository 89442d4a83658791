//! Refuses system calls that no VMM needs, whatever filter the VMM installs itself, and before it does. Many of them
//! are useful only to root, but a process that cannot make a call cannot exploit a hole in it either.

use libc::{
    c_long, sock_filter, sock_fprog, BPF_ABS, BPF_JEQ, BPF_JGE, BPF_JMP, BPF_JSET, BPF_K, BPF_LD, BPF_RET, BPF_W,
    SECCOMP_RET_ALLOW, SECCOMP_RET_ERRNO,
};

use crate::sys::{check, Failure};

const REFUSED: &[c_long] = &[
    // Namespaces, mounts, roots.
    libc::SYS_unshare,
    libc::SYS_setns,
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_open_tree,
    libc::SYS_move_mount,
    libc::SYS_fsopen,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fspick,
    libc::SYS_mount_setattr,
    // Files by means other than their paths.
    libc::SYS_name_to_handle_at,
    libc::SYS_open_by_handle_at,
    // Other processes.
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_kcmp,
    libc::SYS_pidfd_getfd,
    // The kernel itself.
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_keyctl,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_kexec_load,
    libc::SYS_kexec_file_load,
    libc::SYS_reboot,
    libc::SYS_syslog,
    libc::SYS_acct,
    libc::SYS_quotactl,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_vhangup,
    // The host's clock and names.
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_clock_adjtime,
    libc::SYS_adjtimex,
    libc::SYS_sethostname,
    libc::SYS_setdomainname,
];

const NUMBER: u32 = 0;
const ARCHITECTURE: u32 = 4;
/// The offset of the lower half of the first argument, the same on both processors.
const FIRST_ARGUMENT: u32 = 16;

#[cfg(target_arch = "x86_64")]
const OWN_ARCHITECTURE: u32 = 0xc000_003e;
#[cfg(target_arch = "aarch64")]
const OWN_ARCHITECTURE: u32 = 0xc000_00b7;
/// Numbers of x32, another way to make the same calls.
const X32: u32 = 0x4000_0000;

/// Applies the filter to this process and all its children. The kernel requires that they cannot get new privileges.
pub fn apply() -> Result<(), Failure> {
    let mut filter = filter();
    let program = sock_fprog { len: filter.len() as u16, filter: filter.as_mut_ptr() };
    // SAFETY: The program has as many instructions as its length states, and outlives the call.
    let outcome = unsafe { libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const program) };
    check(outcome, "applying the system call filter").map(drop)
}

fn filter() -> Vec<sock_filter> {
    let load = |offset: u32| instruction(BPF_LD | BPF_W | BPF_ABS, offset, 0, 0);
    let skip_unless = |test: u32, value: u32| instruction(BPF_JMP | test | BPF_K, value, 0, 1);
    let refuse = |error: i32| instruction(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | error as u32, 0, 0);
    let mut program = vec![
        load(ARCHITECTURE),
        instruction(BPF_JMP | BPF_JEQ | BPF_K, OWN_ARCHITECTURE, 1, 0),
        refuse(libc::ENOSYS),
        load(NUMBER),
        skip_unless(BPF_JGE, X32),
        refuse(libc::ENOSYS),
        // The flags of clone3 are in memory, which a filter cannot read. The C library calls `clone` when clone3 is
        // refused.
        skip_unless(BPF_JEQ, libc::SYS_clone3 as u32),
        refuse(libc::ENOSYS),
    ];
    for &number in REFUSED {
        program.extend([skip_unless(BPF_JEQ, number as u32), refuse(libc::EPERM)]);
    }
    let namespaces = libc::CLONE_NEWUSER
        | libc::CLONE_NEWNS
        | libc::CLONE_NEWPID
        | libc::CLONE_NEWNET
        | libc::CLONE_NEWIPC
        | libc::CLONE_NEWUTS
        | libc::CLONE_NEWCGROUP;
    program.extend([
        instruction(BPF_JMP | BPF_JEQ | BPF_K, libc::SYS_clone as u32, 0, 3),
        load(FIRST_ARGUMENT),
        skip_unless(BPF_JSET, namespaces as u32),
        refuse(libc::EPERM),
        instruction(BPF_RET | BPF_K, SECCOMP_RET_ALLOW, 0, 0),
    ]);
    program
}

fn instruction(code: u32, k: u32, jt: u8, jf: u8) -> sock_filter {
    sock_filter { code: code as u16, jt, jf, k }
}
