//! The method exec: from a request to a running process with its streams connected.

use std::os::fd::{AsRawFd, OwnedFd, RawFd};

use super::errand::Errand;
use super::input::Input;
use super::launch::{Plan, Relation};
use super::process::{Attachment, Channel, Process};
use super::processes::Processes;
use super::pty;
use super::request::Request;
use super::ring::{Ring, SMALLEST_RING};
use super::spawn::Stage;
use crate::agent::Agent;
use crate::caller::Caller;
use crate::error::{Code, Failure, Outcome};
use crate::log;
use crate::numbers::{message, tag};
use crate::poll::{Poller, Token, Watched, IN};
use crate::record::{Fields, Record};
use crate::stream::{Begun, Work};
use crate::sys::{self, clock, Errno, Sys};
use crate::timers::Timer;

/// The most processes that run at once, far more than a guest of any sensible size can hold.
const MAX_RUNNING: usize = 1_024;
/// The most output that all processes keep together, beyond the `SMALLEST_RING` that each may have.
const RETAIN_TOGETHER: usize = 64 << 20;

/// Both sides of the pipes or the terminal of a process.
struct Plumbing {
    outputs: [Option<OwnedFd>; 2],
    input: Option<OwnedFd>,
    /// The process's own ends.
    ends: Vec<OwnedFd>,
    stdio: [RawFd; 3],
}

impl Plumbing {
    fn new(request: &Request, owner: u32, null: RawFd) -> Sys<Self> {
        if let Some(size) = request.pty {
            let (master, slave) = pty::open(size, owner)?;
            let stdio = [slave.as_raw_fd(); 3];
            return Ok(Plumbing { outputs: [Some(master), None], input: None, ends: vec![slave], stdio });
        }
        let (out, out_end) = sys::pipe()?;
        let mut plumbing = Plumbing {
            stdio: [null, out_end.as_raw_fd(), out_end.as_raw_fd()],
            outputs: [Some(out), None],
            input: None,
            ends: vec![out_end],
        };
        if !request.merge_stderr {
            let (error, error_end) = sys::pipe()?;
            plumbing.stdio[2] = error_end.as_raw_fd();
            plumbing.outputs[1] = Some(error);
            plumbing.ends.push(error_end);
        }
        if request.stdin {
            let (input_end, input) = sys::pipe()?;
            sys::set_nonblocking(&input)?;
            plumbing.stdio[0] = input_end.as_raw_fd();
            plumbing.input = Some(input);
            plumbing.ends.push(input_end);
        }
        Ok(plumbing)
    }
}

/// Describes a failed start to the host.
pub fn start_failure(stage: Stage, errno: Errno, plan: &Plan) -> Failure {
    let failure = Failure::from(errno);
    match (stage, errno.0) {
        (Stage::WorkingDirectory, libc::EACCES) => failure.about(&plan.cwd),
        (Stage::WorkingDirectory, _) => failure.with_code(Code::InvalidArgument).about(&plan.cwd),
        (Stage::Exec, libc::ENOENT | libc::ENOTDIR) => failure.with_code(Code::NotFound).about(plan.program()),
        (Stage::Exec, libc::ENOEXEC) => {
            failure.with_code(Code::PermissionDenied).about(b"not a program").about(plan.program())
        }
        (Stage::Exec, _) => failure.about(plan.program()),
        (Stage::Clone | Stage::Setup, _) => failure.about(b"no process can be started"),
    }
}

/// How much of a command is kept for the list. A program may get far longer arguments.
const MOST_LISTED: usize = 256 * 1024;

/// Drops the environment first, then arguments from the end.
fn trim_for_list(request: &mut Request) {
    let size = |strings: &[Vec<u8>]| strings.iter().map(|string| string.len() + size_of::<Vec<u8>>()).sum::<usize>();
    let arguments = size(&request.argv);
    if arguments + size(&request.env) > MOST_LISTED {
        request.env = Vec::new();
    }
    let mut left = MOST_LISTED;
    let fits = |argument: &Vec<u8>| match left.checked_sub(argument.len() + size_of::<Vec<u8>>()) {
        Some(rest) => {
            left = rest;
            true
        }
        None => false,
    };
    if arguments > MOST_LISTED {
        let count = request.argv.iter().map(fits).take_while(|&fits| fits).count();
        request.argv.truncate(count);
    }
}

impl Agent {
    pub fn exec(&mut self, caller: Caller, fields: Fields) -> Outcome<Begun> {
        let request = Request::parse(fields)?;
        if self.processes.by_pid.len() >= MAX_RUNNING {
            return Err(Failure::new(Code::ResourceExhausted, "too many processes"));
        }
        let control = request.stdin || request.pty.is_some();
        let detached = request.detached;
        let request_id = request.id();
        let (exec, pid) = self.start_process(request, None)?;
        if let Some(id) = request_id {
            log::note(&format!("exec {exec}, pid {pid}, request {id}"));
        }
        let mut started = Record::new();
        started.int(tag::started::EXEC_ID, exec).int(tag::started::PID, pid as u64);
        if let Some(link) = self.links.get_mut(&caller.link) {
            link.outbox.message(caller.stream, message::STARTED, &started);
        }
        if detached {
            let mut record = Record::new();
            record.int(tag::exit::EXEC_ID, exec);
            return Ok(Begun::Done(record));
        }
        if let Some(process) = self.processes.all.get_mut(&exec) {
            process.attachments.push(Attachment { caller, position: [0, 0] });
        }
        Ok(Begun::Running(Work::Exec { exec, control }))
    }

    pub(super) fn start_process(&mut self, mut request: Request, errand: Option<Errand>) -> Outcome<(u64, i32)> {
        let mut plan = Plan::new(&mut self.users, &self.settings, &request)?;
        let plumbing = Plumbing::new(&request, plan.account.uid, self.processes.spawner.null())?;
        let started_wall_ns = clock::wall_clock_ns();
        let started_ns = clock::now_ns();
        let relation = Relation {
            terminal: request.pty.is_some(),
            bound: self.machine.is_none(),
            traced: matches!(errand, Some(Errand::Warm(_))),
        };
        let pid = plan
            .launch(&mut self.processes.spawner, plumbing.stdio, relation)
            .map_err(|(stage, errno)| start_failure(stage, errno, &plan))?;
        drop(plumbing.ends);
        trim_for_list(&mut request);

        let exec = self.processes.last_id + 1;
        self.processes.last_id = exec;
        self.processes.by_pid.insert(pid, exec);
        let capacity = self.processes.ring_capacity(request.retain);
        let [out, error] = plumbing.outputs;
        let channels =
            [Channel::new(out, exec, 1, capacity, &self.poller), Channel::new(error, exec, 2, capacity, &self.poller)];
        let timeout = match request.timeout_ms {
            0 => None,
            ms => Some(self.timers.after_ms(ms, Timer::ExecLimit(exec))),
        };
        let process = Process {
            pid,
            argv: request.argv,
            env: request.env,
            cwd: plan.cwd,
            account: plan.account,
            tag: request.tag,
            started_wall_ns,
            started_ns,
            is_pty: request.pty.is_some(),
            channels,
            input: Input::new(plumbing.input.map(|fd| Watched::new(fd, Token::Process(exec, 0)))),
            attachments: Vec::new(),
            timeout,
            output_overdue: None,
            terminal: None,
            timed_out: false,
            wait_ms: if request.detached { 0 } else { request.wait_ms },
            orphaned: None,
            killed: false,
            ended: None,
            errand,
            retired: false,
            forgotten: false,
        };
        self.processes.all.insert(exec, process);
        Ok((exec, pid))
    }
}

impl Channel {
    fn new(fd: Option<OwnedFd>, exec: u64, number: u8, capacity: usize, poller: &Poller) -> Self {
        let source = fd.map(|fd| {
            let mut source = Watched::new(fd, Token::Process(exec, number));
            source.watch(poller, IN);
            source
        });
        Channel { source, ring: Ring::new(capacity), last_bytes: None }
    }
}

impl Processes {
    /// Gives how much a new process may keep of each channel. Ended processes give up theirs for it, oldest first.
    fn ring_capacity(&mut self, retain: usize) -> usize {
        let extra = 2 * retain.saturating_sub(SMALLEST_RING);
        if extra == 0 {
            return SMALLEST_RING;
        }
        let mut left = RETAIN_TOGETHER.saturating_sub(self.retained());
        for at in 0..self.ended.len() {
            if extra <= left {
                break;
            }
            let Some(process) = self.all.get_mut(&self.ended[at].1) else { continue };
            if process.attachments.is_empty() {
                for channel in &mut process.channels {
                    left += channel.ring.extra();
                    channel.ring.forget();
                    channel.ring.seal();
                }
            }
        }
        if extra <= left {
            retain
        } else {
            SMALLEST_RING
        }
    }
}
