//! Worker threads for work that may take long: walking trees, archives, syncing. A job communicates with the event loop
//! through two bounded queues; an eventfd wakes the loop.

use std::collections::VecDeque;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use crate::error::{Code, Failure, Outcome};
use crate::numbers::limit;
use crate::record::Record;
use crate::sys::{self, events, Sys};

const MAX_THREADS: usize = 16;
const MAX_QUEUED: usize = 256;
/// Walks keep their own stacks on the heap, so threads need little.
const STACK: usize = 256 * 1024;
/// A job that has this much unsent output waits.
const OUTPUT_FULL: usize = 256 * 1024;

pub enum Output {
    Data(Vec<u8>),
    Message(u8, Record),
}

#[derive(Default)]
pub struct Queues {
    pub input: VecDeque<Vec<u8>>,
    pub input_ended: bool,
    /// The bytes that the job has taken since the loop last granted credit.
    pub consumed: usize,
    pub output: VecDeque<Output>,
    output_bytes: usize,
    pub done: Option<Outcome<Record>>,
    /// Whether the loop has been told about pending output.
    announced: bool,
}

impl Queues {
    pub fn sent(&mut self, bytes: usize) {
        self.output_bytes = self.output_bytes.saturating_sub(bytes);
    }
}

pub struct Job {
    pub link: u32,
    pub stream: u32,
    queues: Mutex<Queues>,
    changed: Condvar,
    cancelled: AtomicBool,
    loop_side: Arc<LoopSide>,
}

struct LoopSide {
    wake: OwnedFd,
    ready: Mutex<Vec<Arc<Job>>>,
}

/// A panic ends the whole agent, so no lock is ever poisoned.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Job {
    pub fn queues(&self) -> MutexGuard<'_, Queues> {
        lock(&self.queues)
    }

    /// Adds input. Joins small pieces, so that their number is bounded as well as their bytes.
    pub fn feed(&self, bytes: &[u8]) {
        let mut queues = self.queues();
        match queues.input.back_mut() {
            Some(last) if last.len() + bytes.len() <= limit::PAYLOAD => last.extend_from_slice(bytes),
            _ => queues.input.push_back(bytes.to_vec()),
        }
        self.changed.notify_all();
    }

    /// Wakes the job after the loop has made room or brought input.
    pub fn notify(&self) {
        self.changed.notify_all();
    }

    pub fn cancel(&self) {
        self.cancelled.store(true, Ordering::Relaxed);
        // The lock is taken so that a job that is about to wait does not miss it.
        let _queues = self.queues();
        self.changed.notify_all();
    }

    pub fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Relaxed)
    }

    /// Fails once the job has been cancelled; every loop of a job calls this.
    pub fn go_on(&self) -> Outcome<()> {
        if self.is_cancelled() {
            return Err(Failure::new(Code::Internal, "cancelled"));
        }
        Ok(())
    }

    fn announce(self: &Arc<Self>, queues: &mut Queues) {
        if !queues.announced {
            queues.announced = true;
            lock(&self.loop_side.ready).push(self.clone());
            let _ = sys::write(self.loop_side.wake.as_raw_fd(), &1u64.to_ne_bytes());
        }
    }

    fn push(self: &Arc<Self>, output: Output, size: usize) -> Outcome<()> {
        let mut queues = self.queues();
        while queues.output_bytes >= OUTPUT_FULL {
            self.go_on()?;
            queues = self.changed.wait(queues).unwrap_or_else(PoisonError::into_inner);
        }
        self.go_on()?;
        queues.output_bytes += size;
        queues.output.push_back(output);
        self.announce(&mut queues);
        Ok(())
    }

    pub fn send_data(self: &Arc<Self>, data: Vec<u8>) -> Outcome<()> {
        let size = data.len();
        self.push(Output::Data(data), size)
    }

    pub fn send_message(self: &Arc<Self>, kind: u8, record: Record) -> Outcome<()> {
        let size = record.0.len();
        self.push(Output::Message(kind, record), size)
    }

    /// Gives the next piece of input, or `None` after FINISH.
    pub fn receive(self: &Arc<Self>) -> Outcome<Option<Vec<u8>>> {
        let mut queues = self.queues();
        loop {
            self.go_on()?;
            if let Some(piece) = queues.input.pop_front() {
                queues.consumed += piece.len();
                self.announce(&mut queues);
                return Ok(Some(piece));
            }
            if queues.input_ended {
                return Ok(None);
            }
            queues = self.changed.wait(queues).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn finish(self: &Arc<Self>, result: Outcome<Record>) {
        let mut queues = self.queues();
        queues.done = Some(result);
        self.announce(&mut queues);
    }
}

type Task = Box<dyn FnOnce(&Arc<Job>) -> Outcome<Record> + Send>;

#[derive(Default)]
struct Pool {
    waiting: VecDeque<(Arc<Job>, Task)>,
    idle: usize,
    threads: usize,
}

struct Shared {
    pool: Mutex<Pool>,
    work: Condvar,
}

pub struct Jobs {
    loop_side: Arc<LoopSide>,
    shared: Arc<Shared>,
}

impl Jobs {
    pub fn new() -> Sys<Self> {
        let wake = events::new_eventfd()?;
        let loop_side = Arc::new(LoopSide { wake, ready: Mutex::default() });
        Ok(Jobs { loop_side, shared: Arc::new(Shared { pool: Mutex::default(), work: Condvar::new() }) })
    }

    pub fn wake_fd(&self) -> RawFd {
        self.loop_side.wake.as_raw_fd()
    }

    /// Gives the jobs that have output, have taken input or are done.
    pub fn take_ready(&self) -> Vec<Arc<Job>> {
        let mut count = [0; 8];
        let _ = sys::read(self.wake_fd(), &mut count);
        let ready = std::mem::take(&mut *lock(&self.loop_side.ready));
        for job in &ready {
            job.queues().announced = false;
        }
        ready
    }

    pub fn start(
        &self,
        link: u32,
        stream: u32,
        task: impl FnOnce(&Arc<Job>) -> Outcome<Record> + Send + 'static,
    ) -> Outcome<Arc<Job>> {
        let job = Arc::new(Job {
            link,
            stream,
            queues: Mutex::default(),
            changed: Condvar::new(),
            cancelled: AtomicBool::new(false),
            loop_side: self.loop_side.clone(),
        });
        let mut pool = lock(&self.shared.pool);
        if pool.waiting.len() >= MAX_QUEUED {
            return Err(Failure::new(Code::ResourceExhausted, "too many long operations at once"));
        }
        if pool.idle <= pool.waiting.len() && pool.threads < MAX_THREADS {
            let shared = self.shared.clone();
            let thread = std::thread::Builder::new().stack_size(STACK).spawn(move || work(&shared));
            match thread {
                Ok(_) => pool.threads += 1,
                Err(_) if pool.threads == 0 => {
                    return Err(Failure::new(Code::ResourceExhausted, "no thread can be started"));
                }
                Err(_) => {}
            }
        }
        pool.waiting.push_back((job.clone(), Box::new(task)));
        self.shared.work.notify_one();
        Ok(job)
    }
}

fn work(shared: &Shared) {
    loop {
        let mut pool = lock(&shared.pool);
        let (job, task) = loop {
            if let Some(next) = pool.waiting.pop_front() {
                break next;
            }
            pool.idle += 1;
            pool = shared.work.wait(pool).unwrap_or_else(PoisonError::into_inner);
            pool.idle -= 1;
        };
        drop(pool);
        let result = job.go_on().and_then(|()| task(&job));
        job.finish(result);
    }
}
