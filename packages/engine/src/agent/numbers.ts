/** Generated from guest/protocol.json by build/guest-numbers/write.ts. */

export const limits = {
  /** Bytes of 0xFF before a handshake: they end a frame that an earlier session cut short. */
  flush: 32_784,
  /** Bytes that the host makes up for a handshake and the guest echoes. */
  nonce: 16,
  /** Most bytes of a frame's payload. */
  payload: 32_768,
  /** Most bytes of a payload that is sent in parts. */
  joined: 1_048_576,
  /** DATA bytes that either side of a fresh stream may send before it has been granted more. */
  credit: 262_144,
  /** Streams that a session may have open at once. */
  streams: 1024,
} as const;

export const bytes = {
  /** The oldest version of the channel that is spoken. */
  lowestVersion: 1,
  /** The newest version of the channel that is spoken. */
  highestVersion: 1,
  /** The last byte of every frame. */
  endMark: 90,
} as const;

export const frameKinds = {
  /** The host opens a stream with a request: u8 method, then a record with its arguments. */
  open: 1,
  /** Either side sends bytes: u8 channel, then bytes. */
  data: 2,
  /** Either side says something about a stream: u8 type, then a record. */
  message: 3,
  /** Either side lets the other send so many more DATA bytes on the stream: u32 bytes. */
  credit: 4,
  /** Either side ends its DATA; the payload is empty. */
  finish: 5,
  /** The guest says that the request has succeeded: a record. The stream is closed. */
  result: 6,
  /** The guest says that the request has failed: a record. The stream is closed. */
  error: 7,
  /** The host has lost interest in the stream; the payload is empty. */
  cancel: 8,
  /** Either side sends the beginning of a payload that is longer than a frame: bytes. */
  part: 9,
} as const;

export const channels = {
  /** The only channel of files, archives and tunnels. */
  content: 0,
  /** The input of a process: stdin, or what is typed into its terminal. */
  input: 0,
  /** Standard output of a process. */
  stdout: 1,
  /** Standard error of a process. */
  stderr: 2,
  /** Output of a process to its terminal. */
  pty: 3,
} as const;

export const methods = {
  /** Facts about the guest. */
  info: 1,
  /** The guest echoes bytes. */
  ping: 2,
  /** Gives a clone its own identity. */
  configure: 3,
  /** Starts a process and attaches to it. */
  exec: 4,
  /** Attaches to the output of a process. */
  attach: 5,
  /** Sends a signal to a process. */
  signal: 6,
  /** Lists the processes that run or have ended lately. */
  list: 7,
  /** Reads a file. */
  read: 8,
  /** Writes a file. */
  write: 9,
  /** Tells what is known about a file. */
  stat: 10,
  /** Lists a directory. */
  listDirectory: 11,
  /** Makes a directory and its parents. */
  mkdir: 12,
  /** Moves a file or a directory. */
  move: 13,
  /** Removes a file or a directory. */
  remove: 14,
  /** Tells what changes in a directory. */
  watch: 15,
  /** Unpacks an archive into a directory. */
  tarIn: 16,
  /** Packs a directory or a file into an archive. */
  tarOut: 17,
  /** Sets mode, owner and extended attributes. */
  attributes: 18,
  /** Connects to a socket of the guest. */
  tunnel: 20,
  /** The guest's load and use. */
  metrics: 21,
  /** Reads the guest's clock and sets it. */
  clock: 22,
  /** Makes the guest fit to be snapshotted. */
  quiesce: 23,
  /** Reads when the guest powers itself off and sets it. */
  deadline: 24,
  /** Ends the guest. */
  shutdown: 25,
  /** Runs programs once and reads them into memory. */
  warm: 26,
  /** Grows a file system to the size of its disk. */
  grow: 27,
  /** Lists a tree for comparison, with digests of its files. */
  manifest: 28,
} as const;

export const messages = {
  /** The process has started, or has been attached to. */
  started: 1,
  /** The entry of a file whose bytes follow. */
  stat: 2,
  /** One entry of a directory. */
  entry: 3,
  /** The watch stands. */
  watching: 4,
  /** Something has changed in a watched directory. */
  change: 5,
  /** The watch does not see everything. */
  overflow: 6,
  /** The connection stands. */
  connected: 7,
  /** The host gives the terminal another size. */
  resize: 16,
  /** The host sends a signal to the process of the stream. */
  signal: 17,
  /** The host leaves the process, which waits for somebody to come back. */
  leave: 18,
} as const;

export const fileTypes = {
  /** A regular file. */
  file: 1,
  /** A directory. */
  directory: 2,
  /** A link that leads nowhere. */
  symlink: 3,
  /** A device, a pipe or a socket. */
  other: 4,
} as const;

export const changeKinds = {
  /** Something is there that was not. */
  create: 1,
  /** The content of a file has changed. */
  write: 2,
  /** Something has gone. */
  remove: 3,
  /** Something has been moved away. */
  rename: 4,
  /** The mode, owner, times or attributes of something have changed. */
  chmod: 5,
} as const;

export const shortages = {
  /** Changes came faster than they were read. */
  lost: 0,
  /** The guest's limit of inotify watches is reached. */
  watches: 1,
  /** The limit of folders in one watch is reached. */
  folders: 2,
  /** The guest's limit of inotify instances is reached. */
  instances: 3,
} as const;

/** The tags of records, by record. */
export const tags = {
  error: {
    /** A name of PROTOCOL.md's list. */
    code: 1,
    /** A sentence for people. */
    message: 2,
    /** Linux's number, where the kernel gave one. */
    errno: 3,
    /** The path of a program of the guest that failed, or that must not be run. */
    program: 4,
    /** The end of what the program wrote, at most 2048 bytes. */
    output: 5,
  },
  infoResult: {
    /** The version of the agent. */
    agentVersion: 1,
    /** As uname gives it. */
    kernelRelease: 2,
    /** The machine's name. */
    hostname: 3,
    /** A UUID of this boot. */
    bootId: 4,
    /** The content of /etc/machine-id. */
    machineId: 5,
    /** The agent's; 1 in a VM. */
    pid: 6,
    /** Time since boot. */
    uptimeMs: 7,
    /** As uname gives it. */
    arch: 8,
    /** Since 1970. */
    wallClockNs: 9,
    /** Whether nothing can be written to the root. */
    rootReadOnly: 10,
  },
  ping: {
    /** At most 1024 bytes; the answer has the same field. */
    payload: 1,
  },
  configure: {
    /** Bytes for the kernel's random number generator. */
    entropy: 1,
    /** The time, since 1970. */
    wallClockNs: 2,
    /** The machine's name. */
    hostname: 3,
    /** 32 hex digits. */
    machineId: 4,
    /** List of NAME=value: the base environment of every process. */
    env: 5,
    /** The machine powers off that long from now; all ones for never. */
    deadlineMs: 6,
    /** A network record. */
    network: 7,
    /** List of lines for /etc/hosts. */
    hosts: 8,
    /** Most processes at once; 0 for no limit. */
    processLimit: 9,
    /** Memory that processes must leave free. */
    memoryReserveMb: 10,
    /** Who runs a process whose call names no user. */
    defaultUser: 11,
    /** Where a process runs whose call names no folder. */
    defaultCwd: 12,
    /** A UUID. */
    bootId: 13,
    /** A continued record: the guest goes on from a snapshot of a guest that ran. */
    continued: 14,
    /** List of volume records, in the order in which they are mounted. */
    volume: 15,
  },
  continued: {
    /** A name that distinguishes this run of the memory from all others. */
    generation: 1,
    /** Connections to others than the guest itself are ended. */
    cutConnections: 2,
    /** The sandbox that the snapshot was taken of. */
    parentId: 3,
  },
  configureResult: {
    /** That of the continued record, once all that it asks for is done. */
    generation: 1,
  },
  volume: {
    /** The name of its disk at boot, such as vdc. */
    device: 1,
    /** Where it is mounted. Absolute. */
    path: 2,
    /** Whether nothing can be written to it. */
    readOnly: 3,
  },
  network: {
    /** Its name, such as eth0. */
    interface: 1,
    /** a.b.c.d/len. */
    address: 2,
    /** a.b.c.d. */
    gateway: 3,
    /** List of addresses of name servers. */
    dns: 4,
  },
  exec: {
    /** List: the program and its arguments. */
    argv: 1,
    /** The folder that it runs in. */
    cwd: 2,
    /** List of NAME=value, added to the base environment. */
    env: 3,
    /** Who runs it: a name or a number. */
    user: 4,
    /** A size record: it gets a terminal of that size. */
    pty: 5,
    /** Its time limit; 0 for none. */
    timeoutMs: 6,
    /** Whether input will be sent. */
    stdin: 7,
    /** Bytes of output that are kept for later. */
    retain: 8,
    /** A string of the host's, shown by list. */
    tag: 9,
    /** The stream ends as soon as the process has started. */
    detached: 10,
    /** stderr goes where stdout goes. */
    mergeStderr: 11,
    /** Reserved. */
    cgroupless: 12,
    /** The request of the host that it serves, for the log. */
    requestId: 13,
    /** How long it waits for a host that was lost, before it is ended. */
    waitMs: 14,
  },
  size: {
    /** Columns of a terminal. */
    cols: 1,
    /** Rows of a terminal. */
    rows: 2,
  },
  started: {
    /** The agent's number of the process. */
    execId: 1,
    /** The kernel's number of the process. */
    pid: 2,
    /** Where the replay of stdout begins. */
    stdoutOffset: 3,
    /** Where the replay of stderr begins. */
    stderrOffset: 4,
  },
  exit: {
    /** As the process gave it; 128 + signal when a signal ended it. */
    exitCode: 1,
    /** The signal that ended it; 0 for none. */
    signal: 2,
    /** Whether its time limit was over. */
    timedOut: 3,
    /** The agent's number of the process; of a detached start the only field. */
    execId: 4,
    /** All that it ever wrote to stdout. */
    stdoutBytes: 5,
    /** All that it ever wrote to stderr. */
    stderrBytes: 6,
    /** Processor time of its own. */
    userUs: 7,
    /** Processor time of the kernel for it. */
    systemUs: 8,
    /** Most memory that it held at once. */
    maxRssKb: 9,
    /** How long it ran. */
    wallUs: 10,
    /** Whether the kernel killed it for memory. */
    oomKilled: 11,
  },
  leave: {
    /** How long the process waits; 0 for the time that it was started with. */
    waitMs: 1,
  },
  signalMessage: {
    /** Linux's number. */
    signal: 1,
  },
  attach: {
    /** The agent's number of the process. */
    execId: 1,
    /** Where to begin; all ones for only what is new. */
    stdoutOffset: 2,
    /** Where to begin; all ones for only what is new. */
    stderrOffset: 3,
    /** Whether input may be sent. */
    control: 4,
  },
  signal: {
    /** The agent's number of the process. */
    execId: 1,
    /** Linux's number. */
    signal: 2,
  },
  listResult: {
    /** List of process records. */
    process: 1,
  },
  process: {
    /** The agent's number of the process. */
    execId: 1,
    /** The kernel's number of the process. */
    pid: 2,
    /** List: the program and its arguments. */
    argv: 3,
    /** The folder that it was started in. */
    cwd: 4,
    /** Who runs it. */
    user: 5,
    /** The string that the host gave it. */
    tag: 6,
    /** When it was started, since 1970. */
    startedNs: 7,
    /** Whether it runs. */
    running: 8,
    /** An exit record, once it has ended. */
    exit: 9,
    /** Whether it has a terminal. */
    pty: 10,
    /** List of NAME=value: those of the call. */
    env: 11,
  },
  read: {
    /** Absolute. */
    path: 1,
    /** Where to begin. */
    offset: 2,
    /** Most bytes; 0 for all to the end. */
    length: 3,
    /** Who asks. */
    user: 4,
  },
  readResult: {
    /** How many were sent. */
    bytes: 1,
  },
  write: {
    /** Absolute. */
    path: 1,
    /** Of a new file; 0 for 0644. */
    mode: 2,
    /** Owner of what is created. */
    user: 3,
    /** Whether it is written to the end. */
    append: 4,
    /** Whether it must not exist yet. */
    exclusive: 5,
    /** Where to write; absent, the file is truncated. */
    offset: 6,
  },
  writeResult: {
    /** How many were written. */
    bytes: 1,
    /** An entry record of the file. */
    entry: 2,
  },
  stat: {
    /** Absolute. */
    path: 1,
    /** Who asks. */
    user: 2,
  },
  entry: {
    /** The last part of the path. */
    name: 1,
    /** Absolute. */
    path: 2,
    /** A file type, of what a link leads to. */
    type: 3,
    /** In bytes. */
    size: 4,
    /** Permission bits with setuid, setgid and sticky, of what a link leads to. */
    mode: 5,
    /** Number of its owner. */
    uid: 6,
    /** Number of its group. */
    gid: 7,
    /** Name of its owner. */
    owner: 8,
    /** Name of its group. */
    group: 9,
    /** Since 1970, signed. */
    modifiedNs: 10,
    /** As stored in a link. */
    symlinkTarget: 11,
    /** Whether it is a link. */
    link: 12,
    /** The real path of a link that leads somewhere. */
    resolved: 13,
    /** List of xattr records: those of the user namespace. */
    xattr: 14,
  },
  xattr: {
    /** With its namespace. */
    name: 1,
    /** Bytes. */
    value: 2,
    /** Only of attributes: it is taken away. */
    remove: 3,
  },
  listDirectory: {
    /** Absolute. */
    path: 1,
    /** Levels; 0 for 1. */
    depth: 2,
    /** Who asks. */
    user: 3,
    /** Most entries; 0 for 100000. */
    limit: 4,
    /** Whether entries have field xattr. */
    xattrs: 5,
  },
  listDirectoryResult: {
    /** Entries that were sent. */
    count: 1,
    /** Whether there are more. */
    truncated: 2,
  },
  mkdir: {
    /** Absolute. */
    path: 1,
    /** Of the new directory; 0 for 0755. */
    mode: 2,
    /** Owner of what is created. */
    user: 3,
  },
  mkdirResult: {
    /** Whether it was not there before. */
    created: 1,
  },
  move: {
    /** Absolute. */
    source: 1,
    /** Absolute. */
    destination: 2,
    /** Owner of parents that are created. */
    user: 3,
  },
  remove: {
    /** Absolute. */
    path: 1,
    /** Who asks. */
    user: 2,
  },
  removeResult: {
    /** Whether there was anything. */
    existed: 1,
  },
  watch: {
    /** Absolute. */
    path: 1,
    /** Whether all directories below are watched too. */
    recursive: 2,
    /** Who asks. */
    user: 3,
  },
  change: {
    /** A change kind. */
    kind: 1,
    /** Relative to the path. */
    name: 2,
  },
  overflow: {
    /** A shortage. */
    cause: 1,
    /** The limit that is reached. */
    limit: 2,
  },
  tarIn: {
    /** Absolute: a directory, created when missing. */
    path: 1,
    /** Owner of all entries; empty for the archive's. */
    user: 2,
  },
  tarOut: {
    /** Absolute. */
    path: 1,
    /** Who asks. */
    user: 2,
  },
  tarResult: {
    /** How many there were. */
    entries: 1,
    /** Data of files, without holes. */
    bytes: 2,
  },
  attributes: {
    /** Absolute. */
    path: 1,
    /** Permission bits; absent, they are left alone. */
    mode: 2,
    /** A name or a number; absent, it is left alone. */
    owner: 3,
    /** Who asks. */
    user: 4,
    /** List of xattr records. */
    xattr: 5,
  },
  tunnel: {
    /** An IP address, localhost, or unix:/path. */
    address: 1,
    /** A TCP port. */
    port: 2,
  },
  metricsResult: {
    /** Processors. */
    cpuCount: 1,
    /** Sum over processors since boot. */
    cpuUserUs: 2,
    /** Sum over processors since boot. */
    cpuSystemUs: 3,
    /** Sum over processors since boot. */
    cpuIdleUs: 4,
    /** All memory. */
    memTotalBytes: 5,
    /** Memory that processes could have. */
    memAvailableBytes: 6,
    /** Memory that holds parts of files. */
    memCacheBytes: 7,
    /** Size of the root file system. */
    diskTotalBytes: 8,
    /** Bytes of it in use. */
    diskUsedBytes: 9,
    /** Processes in the guest, without the agent. */
    processes: 10,
    /** Received on all interfaces but the loopback. */
    netRxBytes: 11,
    /** Sent on all interfaces but the loopback. */
    netTxBytes: 12,
    /** Time since boot. */
    uptimeMs: 13,
    /** Load average of a minute, times 1000. */
    load1Milli: 14,
    /** Memory of the agent. */
    agentRssBytes: 15,
    /** Since 1970. */
    wallClockNs: 16,
    /** Processes that the kernel has killed for memory since boot. */
    oomKills: 17,
    /** List of disk records: the writable file systems on disks. */
    disk: 18,
  },
  disk: {
    /** Where it is mounted; / for the writable layer. */
    path: 1,
    /** Its size. */
    totalBytes: 2,
    /** The bytes that any user may still write to it. */
    freeBytes: 3,
    /** How many files it still has room for. */
    freeInodes: 4,
  },
  grow: {
    /** A mount point of a volume; / for the writable layer. */
    path: 1,
    /** The size that the disk has, or is about to have. */
    bytes: 2,
  },
  growResult: {
    /** The size of the file system now. */
    totalBytes: 1,
  },
  clock: {
    /** Since 1970; absent, the clock is only read. The answer has the time before. */
    wallClockNs: 1,
  },
  quiesce: {
    /** Whether memory that holds parts of files is freed. */
    dropCaches: 1,
    /** Whether free blocks are given back. */
    trim: 2,
  },
  deadline: {
    /** From now; all ones for never; absent, it is only read. */
    deadlineMs: 1,
  },
  deadlineResult: {
    /** All ones for never. */
    remainingMs: 1,
  },
  shutdown: {
    /** Time between SIGTERM and SIGKILL. */
    graceMs: 1,
  },
  warm: {
    /** List of command records. */
    argv: 1,
  },
  command: {
    /** List: the program and its arguments. */
    argv: 1,
  },
  warmResult: {
    /** Programs that were run. */
    ran: 1,
    /** Bytes of files that were read. */
    bytesRead: 2,
  },
  manifest: {
    /** Absolute: a directory. */
    path: 1,
    /** Who asks. */
    user: 2,
    /** List of relative paths that are left out, with what is below them. */
    skipPath: 3,
    /** List of names that are left out at every level, with what is below them. */
    skipName: 4,
    /** List of relative paths: nothing else is listed, and the tree is not walked. */
    only: 5,
    /** Files of at most that many bytes get a digest; 0 for none. */
    hashBytes: 6,
    /** Most entries; 0 for 1000000. */
    limit: 7,
  },
  manifestEntry: {
    /** Relative to the directory. */
    path: 1,
    /** A file type; a link is one, wherever it leads. */
    type: 2,
    /** Permission bits with setuid, setgid and sticky. */
    mode: 3,
    /** In bytes. */
    size: 4,
    /** When the content changed last, since 1970, signed. */
    modifiedNs: 5,
    /** When content or attributes changed last, since 1970, signed. */
    changedNs: 6,
    /** The number of the file in its file system. */
    inode: 7,
    /** As stored in a link. */
    link: 8,
    /** 32 bytes: the digest of a file's content. */
    sha256: 9,
  },
  manifestResult: {
    /** How many were sent. */
    bytes: 1,
  },
} as const;
