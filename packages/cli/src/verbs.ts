import type { Command } from 'commander';
import { notTheCommandExitCode } from './exit-codes.ts';

/** A verb as the table knows it: the rest is loaded when it is called for. */
export interface Verb {
  readonly summary: string;
  readonly load: () => Promise<{ define(command: Command): void }>;
  /** Exit code for errors of ours, so that they cannot be taken for the command's own. */
  readonly errorExitCode?: number;
  readonly hidden?: boolean;
  /** Another name, which docker has for it. */
  readonly alias?: string;
}

/** Every verb; tests hold the docs against this table. */
export const verbs: Readonly<Record<string, Verb>> = {
  run: {
    summary: 'run a command in a new sandbox and remove the sandbox',
    load: () => import('./commands/run.ts'),
    errorExitCode: notTheCommandExitCode,
  },
  create: { summary: 'make a sandbox that stays', load: () => import('./commands/create.ts') },
  start: { summary: 'boot stopped sandboxes again', load: () => import('./commands/start.ts') },
  stop: { summary: 'stop sandboxes; their disks stay', load: () => import('./commands/stop.ts') },
  kill: { summary: 'stop sandboxes without asking their guests', load: () => import('./commands/kill.ts') },
  rm: { summary: 'remove sandboxes with their disks', load: () => import('./commands/rm.ts') },
  prune: { summary: 'remove sandboxes that are stopped or have failed', load: () => import('./commands/prune.ts') },
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
  cp: { summary: 'copy files between host and sandbox', load: () => import('./commands/cp.ts') },
  logs: { summary: "show a sandbox's console or VMM log", load: () => import('./commands/logs.ts') },
  inspect: { summary: 'show all about sandboxes, as JSON', load: () => import('./commands/inspect.ts') },
  stats: { summary: 'show what sandboxes use', load: () => import('./commands/stats.ts') },
  pause: { summary: 'freeze sandboxes', load: () => import('./commands/pause.ts') },
  resume: { summary: 'let paused sandboxes go on', load: () => import('./commands/resume.ts') },
  template: { summary: 'list, build, inspect and remove templates', load: () => import('./commands/template.ts') },
  images: { summary: 'list templates', load: () => import('./commands/images.ts') },
  setup: { summary: 'set up this machine, or a hypervisor on it', load: () => import('./commands/setup.ts') },
  doctor: { summary: 'check what this host can do, and how to mend it', load: () => import('./commands/doctor.ts') },
  serve: { summary: 'run the daemon: REST and E2B-compatible API', load: () => import('./commands/serve.ts') },
  config: { summary: "show or check the daemon's configuration", load: () => import('./commands/config.ts') },
  backup: {
    summary: 'write what the state folder knows into a file',
    load: () => import('./commands/backup.ts'),
  },
  restore: { summary: 'put back what a backup holds', load: () => import('./commands/restore.ts') },
  bench: { summary: 'measure NovaSandbox on this host', load: () => import('./commands/bench.ts') },
  lab: {
    summary: 'run tests on an emulated machine with KVM',
    load: () => import('./commands/lab.ts'),
    errorExitCode: notTheCommandExitCode,
  },
  completion: { summary: 'print a completion script for your shell', load: () => import('./commands/completion.ts') },
  __complete: {
    summary: 'candidates for the word at the cursor',
    load: () => import('./commands/complete.ts'),
    hidden: true,
  },
};

/** The verb that a word names, by its name or its alias; the word itself where it names none. */
export function verbNamed(word: string): string {
  return Object.entries(verbs).find(([name, { alias }]) => word === name || word === alias)?.[0] ?? word;
}
