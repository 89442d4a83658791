import type { Command } from 'commander';
import { notTheCommandExitCode, sshFailedExitCode } from './exit-codes.ts';

/** Builds the whole program with the definition of one verb. */
export type BuildProgram = (verb: string) => Promise<Command>;

/** A verb in the table; its definition is loaded only when it is called. */
export interface Verb {
  readonly summary: string;
  /** `build` creates the program with the definition of a verb; completion uses it. */
  readonly load: () => Promise<{ define(command: Command, build: BuildProgram): void }>;
  /** Exit code for errors of the CLI itself, so that they are not mistaken for the command's own. */
  readonly errorExitCode?: number;
  readonly hidden?: boolean;
  /** The name that docker uses for it. */
  readonly alias?: string;
}

/** All verbs; tests compare the documents with this table. */
export const verbs: Readonly<Record<string, Verb>> = {
  run: {
    summary: 'run a command in a new sandbox and remove the sandbox',
    load: () => import('./commands/run.ts'),
    errorExitCode: notTheCommandExitCode,
  },
  create: { summary: 'create a sandbox that stays', load: () => import('./commands/create.ts') },
  start: { summary: 'boot stopped sandboxes again', load: () => import('./commands/start.ts') },
  stop: { summary: 'stop sandboxes; their disks stay', load: () => import('./commands/stop.ts') },
  kill: { summary: 'stop sandboxes without asking their guests', load: () => import('./commands/kill.ts') },
  rm: { summary: 'remove sandboxes with their disks', load: () => import('./commands/rm.ts') },
  prune: { summary: 'remove sandboxes that are stopped or have failed', load: () => import('./commands/prune.ts') },
  rename: { summary: 'give a sandbox another name', load: () => import('./commands/rename.ts') },
  resize: {
    summary: 'give a sandbox a larger disk, or other CPUs and memory',
    load: () => import('./commands/resize.ts'),
  },
  ls: { summary: 'list sandboxes', load: () => import('./commands/ls.ts'), alias: 'ps' },
  exec: {
    summary: 'run a command in a sandbox',
    load: () => import('./commands/exec.ts'),
    errorExitCode: notTheCommandExitCode,
  },
  shell: {
    summary: 'open a terminal in a sandbox',
    load: () => import('./commands/shell.ts'),
    errorExitCode: notTheCommandExitCode,
  },
  attach: {
    summary: 'join a running command',
    load: () => import('./commands/attach.ts'),
    errorExitCode: notTheCommandExitCode,
  },
  ssh: {
    summary: 'open a shell or run a command by SSH',
    load: () => import('./commands/ssh.ts'),
    errorExitCode: sshFailedExitCode,
  },
  'ssh-config': {
    summary: 'show or write the lines that let ssh and scp in',
    load: () => import('./commands/ssh-config.ts'),
  },
  port: {
    summary: 'forward ports, or open them to others by an address',
    load: () => import('./commands/port.ts'),
  },
  cp: { summary: 'copy files between host and sandbox', load: () => import('./commands/cp.ts') },
  push: {
    summary: 'send a folder of this host into a sandbox, or its changes',
    load: () => import('./commands/push.ts'),
  },
  diff: { summary: 'show what a sandbox changed in a pushed folder', load: () => import('./commands/diff.ts') },
  apply: {
    summary: "bring a sandbox's changes into the folder of this host",
    load: () => import('./commands/apply.ts'),
  },
  logs: {
    summary: "show a sandbox's console, its VMM's log, or the output of a command",
    load: () => import('./commands/logs.ts'),
  },
  inspect: { summary: 'show all about sandboxes, as JSON', load: () => import('./commands/inspect.ts') },
  events: { summary: 'show events of sandboxes', load: () => import('./commands/events.ts') },
  stats: { summary: 'show what sandboxes use', load: () => import('./commands/stats.ts') },
  pause: { summary: 'freeze sandboxes', load: () => import('./commands/pause.ts') },
  hibernate: {
    summary: 'write sandboxes to the disk and end their machines',
    load: () => import('./commands/hibernate.ts'),
  },
  resume: { summary: 'let paused and hibernated sandboxes go on', load: () => import('./commands/resume.ts') },
  fork: {
    summary: 'make running copies of a running sandbox',
    load: () => import('./commands/fork.ts'),
    errorExitCode: notTheCommandExitCode,
  },
  race: {
    summary: 'run a command in copies of a sandbox, and keep the best',
    load: () => import('./commands/race.ts'),
    errorExitCode: notTheCommandExitCode,
  },
  snapshot: {
    summary: 'take, list, restore, save, load and remove snapshots of sandboxes',
    load: () => import('./commands/snapshot.ts'),
  },
  policy: { summary: 'say what sandboxes may reach', load: () => import('./commands/policy.ts') },
  network: {
    summary: 'make, list and remove private networks, which sandboxes join',
    load: () => import('./commands/network.ts'),
  },
  secret: {
    summary: 'give sandboxes secrets that they use without having them',
    load: () => import('./commands/secret.ts'),
  },
  volume: { summary: 'create, list, fill, resize and remove volumes', load: () => import('./commands/volume.ts') },
  template: { summary: 'list, build, inspect and remove templates', load: () => import('./commands/template.ts') },
  pool: {
    summary: 'show or empty the warm pool, from which sandboxes are made at once',
    load: () => import('./commands/pool.ts'),
  },
  images: { summary: 'list templates', load: () => import('./commands/images.ts') },
  df: { summary: 'show the space that sandboxes and their images take', load: () => import('./commands/df.ts') },
  gc: { summary: 'remove images and leftovers that nobody needs', load: () => import('./commands/gc.ts') },
  mcp: {
    summary: 'give sandboxes to an AI agent by the Model Context Protocol',
    load: () => import('./commands/mcp.ts'),
  },
  key: { summary: "create, list and revoke the daemon's keys", load: () => import('./commands/key.ts') },
  user: { summary: "add, list and remove the daemon's users", load: () => import('./commands/user.ts') },
  setup: { summary: 'set up this machine, or a hypervisor on it', load: () => import('./commands/setup.ts') },
  doctor: { summary: 'check what this host can do, and how to improve it', load: () => import('./commands/doctor.ts') },
  serve: { summary: 'run the daemon: REST and E2B-compatible API', load: () => import('./commands/serve.ts') },
  config: { summary: "show or check the daemon's configuration", load: () => import('./commands/config.ts') },
  backup: {
    summary: "write the state folder's databases, keys and configuration into a file",
    load: () => import('./commands/backup.ts'),
  },
  restore: { summary: 'restore the state folder from a backup', load: () => import('./commands/restore.ts') },
  bench: { summary: 'measure NovaSandbox on this host', load: () => import('./commands/bench.ts') },
  lab: {
    summary: 'run tests on an emulated machine with KVM',
    load: () => import('./commands/lab.ts'),
    errorExitCode: notTheCommandExitCode,
  },
  completion: { summary: 'print a completion script for your shell', load: () => import('./commands/completion.ts') },
  'ssh-proxy': {
    summary: 'serves an SSH client on stdin and stdout: its ProxyCommand',
    load: () => import('./commands/ssh-proxy.ts'),
    errorExitCode: sshFailedExitCode,
    hidden: true,
  },
  __warm: {
    summary: 'makes and ends the clone that waits for the next command',
    load: () => import('./commands/warm.ts'),
    hidden: true,
  },
  __complete: {
    summary: 'candidates for the word at the cursor',
    load: () => import('./commands/complete.ts'),
    hidden: true,
  },
};

/** Resolves a name or alias to the verb's name; returns the word itself if there is no such verb. */
export function verbNamed(word: string): string {
  return Object.entries(verbs).find(([name, { alias }]) => word === name || word === alias)?.[0] ?? word;
}
