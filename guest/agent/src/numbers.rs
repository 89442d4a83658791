//! Generated from guest/protocol.json by build/guest-numbers/write.ts.
// Numbers that only the host uses are here too.
#![allow(dead_code)]

pub mod limit {
    /// Bytes of 0xFF before a handshake: they end a frame that an earlier session cut short.
    pub const FLUSH: usize = 32_784;
    /// Bytes that the host makes up for a handshake and the guest echoes.
    pub const NONCE: usize = 16;
    /// Most bytes of a frame's payload.
    pub const PAYLOAD: usize = 32_768;
    /// Most bytes of a payload that is sent in parts.
    pub const JOINED: usize = 1_048_576;
    /// DATA bytes that either side of a fresh stream may send before it has been granted more.
    pub const CREDIT: usize = 262_144;
    /// Streams that a session may have open at once.
    pub const STREAMS: usize = 1024;
}

pub mod byte {
    /// The oldest version of the channel that is spoken.
    pub const LOWEST_VERSION: u8 = 1;
    /// The newest version of the channel that is spoken.
    pub const HIGHEST_VERSION: u8 = 1;
    /// The last byte of every frame.
    pub const END_MARK: u8 = 90;
}

pub mod frame_kind {
    /// The host opens a stream with a request: u8 method, then a record with its arguments.
    pub const OPEN: u8 = 1;
    /// Either side sends bytes: u8 channel, then bytes.
    pub const DATA: u8 = 2;
    /// Either side says something about a stream: u8 type, then a record.
    pub const MESSAGE: u8 = 3;
    /// Either side lets the other send so many more DATA bytes on the stream: u32 bytes.
    pub const CREDIT: u8 = 4;
    /// Either side ends its DATA; the payload is empty.
    pub const FINISH: u8 = 5;
    /// The guest says that the request has succeeded: a record. The stream is closed.
    pub const RESULT: u8 = 6;
    /// The guest says that the request has failed: a record. The stream is closed.
    pub const ERROR: u8 = 7;
    /// The host has lost interest in the stream; the payload is empty.
    pub const CANCEL: u8 = 8;
    /// Either side sends the beginning of a payload that is longer than a frame: bytes.
    pub const PART: u8 = 9;
}

pub mod channel {
    /// The only channel of files, archives and tunnels.
    pub const CONTENT: u8 = 0;
    /// The input of a process: stdin, or what is typed into its terminal.
    pub const INPUT: u8 = 0;
    /// Standard output of a process.
    pub const STDOUT: u8 = 1;
    /// Standard error of a process.
    pub const STDERR: u8 = 2;
    /// Output of a process to its terminal.
    pub const PTY: u8 = 3;
}

pub mod method {
    /// Facts about the guest.
    pub const INFO: u8 = 1;
    /// The guest echoes bytes.
    pub const PING: u8 = 2;
    /// Gives a clone its own identity.
    pub const CONFIGURE: u8 = 3;
    /// Starts a process and attaches to it.
    pub const EXEC: u8 = 4;
    /// Attaches to the output of a process.
    pub const ATTACH: u8 = 5;
    /// Sends a signal to a process.
    pub const SIGNAL: u8 = 6;
    /// Lists the processes that run or have ended lately.
    pub const LIST: u8 = 7;
    /// Reads a file.
    pub const READ: u8 = 8;
    /// Writes a file.
    pub const WRITE: u8 = 9;
    /// Tells what is known about a file.
    pub const STAT: u8 = 10;
    /// Lists a directory.
    pub const LIST_DIRECTORY: u8 = 11;
    /// Makes a directory and its parents.
    pub const MKDIR: u8 = 12;
    /// Moves a file or a directory.
    pub const MOVE: u8 = 13;
    /// Removes a file or a directory.
    pub const REMOVE: u8 = 14;
    /// Tells what changes in a directory.
    pub const WATCH: u8 = 15;
    /// Unpacks an archive into a directory.
    pub const TAR_IN: u8 = 16;
    /// Packs a directory or a file into an archive.
    pub const TAR_OUT: u8 = 17;
    /// Sets mode, owner and extended attributes.
    pub const ATTRIBUTES: u8 = 18;
    /// Connects to a socket of the guest.
    pub const TUNNEL: u8 = 20;
    /// The guest's load and use.
    pub const METRICS: u8 = 21;
    /// Reads the guest's clock and sets it.
    pub const CLOCK: u8 = 22;
    /// Makes the guest fit to be snapshotted.
    pub const QUIESCE: u8 = 23;
    /// Reads when the guest powers itself off and sets it.
    pub const DEADLINE: u8 = 24;
    /// Ends the guest.
    pub const SHUTDOWN: u8 = 25;
    /// Runs programs once and reads them into memory.
    pub const WARM: u8 = 26;
    /// Grows a file system to the size of its disk.
    pub const GROW: u8 = 27;
    /// Lists a tree for comparison, with digests of its files.
    pub const MANIFEST: u8 = 28;
}

pub mod message {
    /// The process has started, or has been attached to.
    pub const STARTED: u8 = 1;
    /// The entry of a file whose bytes follow.
    pub const STAT: u8 = 2;
    /// One entry of a directory.
    pub const ENTRY: u8 = 3;
    /// The watch stands.
    pub const WATCHING: u8 = 4;
    /// Something has changed in a watched directory.
    pub const CHANGE: u8 = 5;
    /// The watch does not see everything.
    pub const OVERFLOW: u8 = 6;
    /// The connection stands.
    pub const CONNECTED: u8 = 7;
    /// The host gives the terminal another size.
    pub const RESIZE: u8 = 16;
    /// The host sends a signal to the process of the stream.
    pub const SIGNAL: u8 = 17;
    /// The host leaves the process, which waits for somebody to come back.
    pub const LEAVE: u8 = 18;
}

pub mod file_type {
    /// A regular file.
    pub const FILE: u64 = 1;
    /// A directory.
    pub const DIRECTORY: u64 = 2;
    /// A link that leads nowhere.
    pub const SYMLINK: u64 = 3;
    /// A device, a pipe or a socket.
    pub const OTHER: u64 = 4;
}

pub mod change_kind {
    /// Something is there that was not.
    pub const CREATE: u64 = 1;
    /// The content of a file has changed.
    pub const WRITE: u64 = 2;
    /// Something has gone.
    pub const REMOVE: u64 = 3;
    /// Something has been moved away.
    pub const RENAME: u64 = 4;
    /// The mode, owner, times or attributes of something have changed.
    pub const CHMOD: u64 = 5;
}

pub mod shortage {
    /// Changes came faster than they were read.
    pub const LOST: u64 = 0;
    /// The guest's limit of inotify watches is reached.
    pub const WATCHES: u64 = 1;
    /// The limit of folders in one watch is reached.
    pub const FOLDERS: u64 = 2;
    /// The guest's limit of inotify instances is reached.
    pub const INSTANCES: u64 = 3;
}

/// The tags of records, by record.
pub mod tag {
    pub mod error {
        /// A name of PROTOCOL.md's list.
        pub const CODE: u8 = 1;
        /// A sentence for people.
        pub const MESSAGE: u8 = 2;
        /// Linux's number, where the kernel gave one.
        pub const ERRNO: u8 = 3;
        /// The path of a program of the guest that failed, or that must not be run.
        pub const PROGRAM: u8 = 4;
        /// The end of what the program wrote, at most 2048 bytes.
        pub const OUTPUT: u8 = 5;
    }

    pub mod info_result {
        /// The version of the agent.
        pub const AGENT_VERSION: u8 = 1;
        /// As uname gives it.
        pub const KERNEL_RELEASE: u8 = 2;
        /// The machine's name.
        pub const HOSTNAME: u8 = 3;
        /// A UUID of this boot.
        pub const BOOT_ID: u8 = 4;
        /// The content of /etc/machine-id.
        pub const MACHINE_ID: u8 = 5;
        /// The agent's; 1 in a VM.
        pub const PID: u8 = 6;
        /// Time since boot.
        pub const UPTIME_MS: u8 = 7;
        /// As uname gives it.
        pub const ARCH: u8 = 8;
        /// Since 1970.
        pub const WALL_CLOCK_NS: u8 = 9;
        /// Whether nothing can be written to the root.
        pub const ROOT_READ_ONLY: u8 = 10;
    }

    pub mod ping {
        /// At most 1024 bytes; the answer has the same field.
        pub const PAYLOAD: u8 = 1;
    }

    pub mod configure {
        /// Bytes for the kernel's random number generator.
        pub const ENTROPY: u8 = 1;
        /// The time, since 1970.
        pub const WALL_CLOCK_NS: u8 = 2;
        /// The machine's name.
        pub const HOSTNAME: u8 = 3;
        /// 32 hex digits.
        pub const MACHINE_ID: u8 = 4;
        /// List of NAME=value: the base environment of every process.
        pub const ENV: u8 = 5;
        /// The machine powers off that long from now; all ones for never.
        pub const DEADLINE_MS: u8 = 6;
        /// A network record.
        pub const NETWORK: u8 = 7;
        /// List of lines for /etc/hosts.
        pub const HOSTS: u8 = 8;
        /// Most processes at once; 0 for no limit.
        pub const PROCESS_LIMIT: u8 = 9;
        /// Memory that processes must leave free.
        pub const MEMORY_RESERVE_MB: u8 = 10;
        /// Who runs a process whose call names no user.
        pub const DEFAULT_USER: u8 = 11;
        /// Where a process runs whose call names no folder.
        pub const DEFAULT_CWD: u8 = 12;
        /// A UUID.
        pub const BOOT_ID: u8 = 13;
        /// A continued record: the guest goes on from a snapshot of a guest that ran.
        pub const CONTINUED: u8 = 14;
        /// List of volume records, in the order in which they are mounted.
        pub const VOLUME: u8 = 15;
    }

    pub mod continued {
        /// A name that distinguishes this run of the memory from all others.
        pub const GENERATION: u8 = 1;
        /// Connections to others than the guest itself are ended.
        pub const CUT_CONNECTIONS: u8 = 2;
        /// The sandbox that the snapshot was taken of.
        pub const PARENT_ID: u8 = 3;
    }

    pub mod configure_result {
        /// That of the continued record, once all that it asks for is done.
        pub const GENERATION: u8 = 1;
    }

    pub mod volume {
        /// The name of its disk at boot, such as vdc.
        pub const DEVICE: u8 = 1;
        /// Where it is mounted. Absolute.
        pub const PATH: u8 = 2;
        /// Whether nothing can be written to it.
        pub const READ_ONLY: u8 = 3;
    }

    pub mod network {
        /// Its name, such as eth0.
        pub const INTERFACE: u8 = 1;
        /// a.b.c.d/len.
        pub const ADDRESS: u8 = 2;
        /// a.b.c.d.
        pub const GATEWAY: u8 = 3;
        /// List of addresses of name servers.
        pub const DNS: u8 = 4;
    }

    pub mod exec {
        /// List: the program and its arguments.
        pub const ARGV: u8 = 1;
        /// The folder that it runs in.
        pub const CWD: u8 = 2;
        /// List of NAME=value, added to the base environment.
        pub const ENV: u8 = 3;
        /// Who runs it: a name or a number.
        pub const USER: u8 = 4;
        /// A size record: it gets a terminal of that size.
        pub const PTY: u8 = 5;
        /// Its time limit; 0 for none.
        pub const TIMEOUT_MS: u8 = 6;
        /// Whether input will be sent.
        pub const STDIN: u8 = 7;
        /// Bytes of output that are kept for later.
        pub const RETAIN: u8 = 8;
        /// A string of the host's, shown by list.
        pub const TAG: u8 = 9;
        /// The stream ends as soon as the process has started.
        pub const DETACHED: u8 = 10;
        /// stderr goes where stdout goes.
        pub const MERGE_STDERR: u8 = 11;
        /// Reserved.
        pub const CGROUPLESS: u8 = 12;
        /// The request of the host that it serves, for the log.
        pub const REQUEST_ID: u8 = 13;
        /// How long it waits for a host that was lost, before it is ended.
        pub const WAIT_MS: u8 = 14;
    }

    pub mod size {
        /// Columns of a terminal.
        pub const COLS: u8 = 1;
        /// Rows of a terminal.
        pub const ROWS: u8 = 2;
    }

    pub mod started {
        /// The agent's number of the process.
        pub const EXEC_ID: u8 = 1;
        /// The kernel's number of the process.
        pub const PID: u8 = 2;
        /// Where the replay of stdout begins.
        pub const STDOUT_OFFSET: u8 = 3;
        /// Where the replay of stderr begins.
        pub const STDERR_OFFSET: u8 = 4;
    }

    pub mod exit {
        /// As the process gave it; 128 + signal when a signal ended it.
        pub const EXIT_CODE: u8 = 1;
        /// The signal that ended it; 0 for none.
        pub const SIGNAL: u8 = 2;
        /// Whether its time limit was over.
        pub const TIMED_OUT: u8 = 3;
        /// The agent's number of the process; of a detached start the only field.
        pub const EXEC_ID: u8 = 4;
        /// All that it ever wrote to stdout.
        pub const STDOUT_BYTES: u8 = 5;
        /// All that it ever wrote to stderr.
        pub const STDERR_BYTES: u8 = 6;
        /// Processor time of its own.
        pub const USER_US: u8 = 7;
        /// Processor time of the kernel for it.
        pub const SYSTEM_US: u8 = 8;
        /// Most memory that it held at once.
        pub const MAX_RSS_KB: u8 = 9;
        /// How long it ran.
        pub const WALL_US: u8 = 10;
        /// Whether the kernel killed it for memory.
        pub const OOM_KILLED: u8 = 11;
    }

    pub mod leave {
        /// How long the process waits; 0 for the time that it was started with.
        pub const WAIT_MS: u8 = 1;
    }

    pub mod signal_message {
        /// Linux's number.
        pub const SIGNAL: u8 = 1;
    }

    pub mod attach {
        /// The agent's number of the process.
        pub const EXEC_ID: u8 = 1;
        /// Where to begin; all ones for only what is new.
        pub const STDOUT_OFFSET: u8 = 2;
        /// Where to begin; all ones for only what is new.
        pub const STDERR_OFFSET: u8 = 3;
        /// Whether input may be sent.
        pub const CONTROL: u8 = 4;
    }

    pub mod signal {
        /// The agent's number of the process.
        pub const EXEC_ID: u8 = 1;
        /// Linux's number.
        pub const SIGNAL: u8 = 2;
    }

    pub mod list_result {
        /// List of process records.
        pub const PROCESS: u8 = 1;
    }

    pub mod process {
        /// The agent's number of the process.
        pub const EXEC_ID: u8 = 1;
        /// The kernel's number of the process.
        pub const PID: u8 = 2;
        /// List: the program and its arguments.
        pub const ARGV: u8 = 3;
        /// The folder that it was started in.
        pub const CWD: u8 = 4;
        /// Who runs it.
        pub const USER: u8 = 5;
        /// The string that the host gave it.
        pub const TAG: u8 = 6;
        /// When it was started, since 1970.
        pub const STARTED_NS: u8 = 7;
        /// Whether it runs.
        pub const RUNNING: u8 = 8;
        /// An exit record, once it has ended.
        pub const EXIT: u8 = 9;
        /// Whether it has a terminal.
        pub const PTY: u8 = 10;
        /// List of NAME=value: those of the call.
        pub const ENV: u8 = 11;
    }

    pub mod read {
        /// Absolute.
        pub const PATH: u8 = 1;
        /// Where to begin.
        pub const OFFSET: u8 = 2;
        /// Most bytes; 0 for all to the end.
        pub const LENGTH: u8 = 3;
        /// Who asks.
        pub const USER: u8 = 4;
    }

    pub mod read_result {
        /// How many were sent.
        pub const BYTES: u8 = 1;
    }

    pub mod write {
        /// Absolute.
        pub const PATH: u8 = 1;
        /// Of a new file; 0 for 0644.
        pub const MODE: u8 = 2;
        /// Owner of what is created.
        pub const USER: u8 = 3;
        /// Whether it is written to the end.
        pub const APPEND: u8 = 4;
        /// Whether it must not exist yet.
        pub const EXCLUSIVE: u8 = 5;
        /// Where to write; absent, the file is truncated.
        pub const OFFSET: u8 = 6;
    }

    pub mod write_result {
        /// How many were written.
        pub const BYTES: u8 = 1;
        /// An entry record of the file.
        pub const ENTRY: u8 = 2;
    }

    pub mod stat {
        /// Absolute.
        pub const PATH: u8 = 1;
        /// Who asks.
        pub const USER: u8 = 2;
    }

    pub mod entry {
        /// The last part of the path.
        pub const NAME: u8 = 1;
        /// Absolute.
        pub const PATH: u8 = 2;
        /// A file type, of what a link leads to.
        pub const TYPE: u8 = 3;
        /// In bytes.
        pub const SIZE: u8 = 4;
        /// Permission bits with setuid, setgid and sticky, of what a link leads to.
        pub const MODE: u8 = 5;
        /// Number of its owner.
        pub const UID: u8 = 6;
        /// Number of its group.
        pub const GID: u8 = 7;
        /// Name of its owner.
        pub const OWNER: u8 = 8;
        /// Name of its group.
        pub const GROUP: u8 = 9;
        /// Since 1970, signed.
        pub const MODIFIED_NS: u8 = 10;
        /// As stored in a link.
        pub const SYMLINK_TARGET: u8 = 11;
        /// Whether it is a link.
        pub const LINK: u8 = 12;
        /// The real path of a link that leads somewhere.
        pub const RESOLVED: u8 = 13;
        /// List of xattr records: those of the user namespace.
        pub const XATTR: u8 = 14;
    }

    pub mod xattr {
        /// With its namespace.
        pub const NAME: u8 = 1;
        /// Bytes.
        pub const VALUE: u8 = 2;
        /// Only of attributes: it is taken away.
        pub const REMOVE: u8 = 3;
    }

    pub mod list_directory {
        /// Absolute.
        pub const PATH: u8 = 1;
        /// Levels; 0 for 1.
        pub const DEPTH: u8 = 2;
        /// Who asks.
        pub const USER: u8 = 3;
        /// Most entries; 0 for 100000.
        pub const LIMIT: u8 = 4;
        /// Whether entries have field xattr.
        pub const XATTRS: u8 = 5;
    }

    pub mod list_directory_result {
        /// Entries that were sent.
        pub const COUNT: u8 = 1;
        /// Whether there are more.
        pub const TRUNCATED: u8 = 2;
    }

    pub mod mkdir {
        /// Absolute.
        pub const PATH: u8 = 1;
        /// Of the new directory; 0 for 0755.
        pub const MODE: u8 = 2;
        /// Owner of what is created.
        pub const USER: u8 = 3;
    }

    pub mod mkdir_result {
        /// Whether it was not there before.
        pub const CREATED: u8 = 1;
    }

    pub mod r#move {
        /// Absolute.
        pub const SOURCE: u8 = 1;
        /// Absolute.
        pub const DESTINATION: u8 = 2;
        /// Owner of parents that are created.
        pub const USER: u8 = 3;
    }

    pub mod remove {
        /// Absolute.
        pub const PATH: u8 = 1;
        /// Who asks.
        pub const USER: u8 = 2;
    }

    pub mod remove_result {
        /// Whether there was anything.
        pub const EXISTED: u8 = 1;
    }

    pub mod watch {
        /// Absolute.
        pub const PATH: u8 = 1;
        /// Whether all directories below are watched too.
        pub const RECURSIVE: u8 = 2;
        /// Who asks.
        pub const USER: u8 = 3;
    }

    pub mod change {
        /// A change kind.
        pub const KIND: u8 = 1;
        /// Relative to the path.
        pub const NAME: u8 = 2;
    }

    pub mod overflow {
        /// A shortage.
        pub const CAUSE: u8 = 1;
        /// The limit that is reached.
        pub const LIMIT: u8 = 2;
    }

    pub mod tar_in {
        /// Absolute: a directory, created when missing.
        pub const PATH: u8 = 1;
        /// Owner of all entries; empty for the archive's.
        pub const USER: u8 = 2;
    }

    pub mod tar_out {
        /// Absolute.
        pub const PATH: u8 = 1;
        /// Who asks.
        pub const USER: u8 = 2;
    }

    pub mod tar_result {
        /// How many there were.
        pub const ENTRIES: u8 = 1;
        /// Data of files, without holes.
        pub const BYTES: u8 = 2;
    }

    pub mod attributes {
        /// Absolute.
        pub const PATH: u8 = 1;
        /// Permission bits; absent, they are left alone.
        pub const MODE: u8 = 2;
        /// A name or a number; absent, it is left alone.
        pub const OWNER: u8 = 3;
        /// Who asks.
        pub const USER: u8 = 4;
        /// List of xattr records.
        pub const XATTR: u8 = 5;
    }

    pub mod tunnel {
        /// An IP address, localhost, or unix:/path.
        pub const ADDRESS: u8 = 1;
        /// A TCP port.
        pub const PORT: u8 = 2;
    }

    pub mod metrics_result {
        /// Processors.
        pub const CPU_COUNT: u8 = 1;
        /// Sum over processors since boot.
        pub const CPU_USER_US: u8 = 2;
        /// Sum over processors since boot.
        pub const CPU_SYSTEM_US: u8 = 3;
        /// Sum over processors since boot.
        pub const CPU_IDLE_US: u8 = 4;
        /// All memory.
        pub const MEM_TOTAL_BYTES: u8 = 5;
        /// Memory that processes could have.
        pub const MEM_AVAILABLE_BYTES: u8 = 6;
        /// Memory that holds parts of files.
        pub const MEM_CACHE_BYTES: u8 = 7;
        /// Size of the root file system.
        pub const DISK_TOTAL_BYTES: u8 = 8;
        /// Bytes of it in use.
        pub const DISK_USED_BYTES: u8 = 9;
        /// Processes in the guest, without the agent.
        pub const PROCESSES: u8 = 10;
        /// Received on all interfaces but the loopback.
        pub const NET_RX_BYTES: u8 = 11;
        /// Sent on all interfaces but the loopback.
        pub const NET_TX_BYTES: u8 = 12;
        /// Time since boot.
        pub const UPTIME_MS: u8 = 13;
        /// Load average of a minute, times 1000.
        pub const LOAD1_MILLI: u8 = 14;
        /// Memory of the agent.
        pub const AGENT_RSS_BYTES: u8 = 15;
        /// Since 1970.
        pub const WALL_CLOCK_NS: u8 = 16;
        /// Processes that the kernel has killed for memory since boot.
        pub const OOM_KILLS: u8 = 17;
        /// List of disk records: the writable file systems on disks.
        pub const DISK: u8 = 18;
    }

    pub mod disk {
        /// Where it is mounted; / for the writable layer.
        pub const PATH: u8 = 1;
        /// Its size.
        pub const TOTAL_BYTES: u8 = 2;
        /// The bytes that any user may still write to it.
        pub const FREE_BYTES: u8 = 3;
        /// How many files it still has room for.
        pub const FREE_INODES: u8 = 4;
    }

    pub mod grow {
        /// A mount point of a volume; / for the writable layer.
        pub const PATH: u8 = 1;
        /// The size that the disk has, or is about to have.
        pub const BYTES: u8 = 2;
    }

    pub mod grow_result {
        /// The size of the file system now.
        pub const TOTAL_BYTES: u8 = 1;
    }

    pub mod clock {
        /// Since 1970; absent, the clock is only read. The answer has the time before.
        pub const WALL_CLOCK_NS: u8 = 1;
    }

    pub mod quiesce {
        /// Whether memory that holds parts of files is freed.
        pub const DROP_CACHES: u8 = 1;
        /// Whether free blocks are given back.
        pub const TRIM: u8 = 2;
    }

    pub mod deadline {
        /// From now; all ones for never; absent, it is only read.
        pub const DEADLINE_MS: u8 = 1;
    }

    pub mod deadline_result {
        /// All ones for never.
        pub const REMAINING_MS: u8 = 1;
    }

    pub mod shutdown {
        /// Time between SIGTERM and SIGKILL.
        pub const GRACE_MS: u8 = 1;
    }

    pub mod warm {
        /// List of command records.
        pub const ARGV: u8 = 1;
    }

    pub mod command {
        /// List: the program and its arguments.
        pub const ARGV: u8 = 1;
    }

    pub mod warm_result {
        /// Programs that were run.
        pub const RAN: u8 = 1;
        /// Bytes of files that were read.
        pub const BYTES_READ: u8 = 2;
    }

    pub mod manifest {
        /// Absolute: a directory.
        pub const PATH: u8 = 1;
        /// Who asks.
        pub const USER: u8 = 2;
        /// List of relative paths that are left out, with what is below them.
        pub const SKIP_PATH: u8 = 3;
        /// List of names that are left out at every level, with what is below them.
        pub const SKIP_NAME: u8 = 4;
        /// List of relative paths: nothing else is listed, and the tree is not walked.
        pub const ONLY: u8 = 5;
        /// Files of at most that many bytes get a digest; 0 for none.
        pub const HASH_BYTES: u8 = 6;
        /// Most entries; 0 for 1000000.
        pub const LIMIT: u8 = 7;
    }

    pub mod manifest_entry {
        /// Relative to the directory.
        pub const PATH: u8 = 1;
        /// A file type; a link is one, wherever it leads.
        pub const TYPE: u8 = 2;
        /// Permission bits with setuid, setgid and sticky.
        pub const MODE: u8 = 3;
        /// In bytes.
        pub const SIZE: u8 = 4;
        /// When the content changed last, since 1970, signed.
        pub const MODIFIED_NS: u8 = 5;
        /// When content or attributes changed last, since 1970, signed.
        pub const CHANGED_NS: u8 = 6;
        /// The number of the file in its file system.
        pub const INODE: u8 = 7;
        /// As stored in a link.
        pub const LINK: u8 = 8;
        /// 32 bytes: the digest of a file's content.
        pub const SHA256: u8 = 9;
    }

    pub mod manifest_result {
        /// How many were sent.
        pub const BYTES: u8 = 1;
    }
}
