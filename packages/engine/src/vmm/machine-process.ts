import type { MachineRecord, MachineStats } from '../ports/vmm-driver.ts';
import { allOf } from './all-of.ts';
import { removeCgroup } from './cgroup.ts';
import { hostUsage } from './host-usage.ts';
import { removeFolder } from './remove-folder.ts';
import { terminate } from './terminate.ts';
import { watchForEnd } from './watch-for-end.ts';

/**
 * The common part of all machines that are one process of the host: watching its end, reading its usage, stopping it.
 */
export abstract class MachineProcess implements AsyncDisposable {
  readonly record: MachineRecord;
  readonly #watcher = new AbortController();
  #exited: Promise<void> | undefined;

  constructor(record: MachineRecord) {
    this.record = record;
  }

  /** The process is watched only once somebody asks for its end. */
  get exited(): Promise<void> {
    this.#exited ??= watchForEnd(this.record, this.#watcher.signal);
    return this.#exited;
  }

  stats(): Promise<MachineStats> {
    return hostUsage(this.record.pid);
  }

  async stop({ graceMs = 0 }: { readonly graceMs?: number } = {}): Promise<void> {
    // SIGTERM makes a VMM flush its disks and exit. The engine has already asked the guest to stop.
    await terminate(this.record, graceMs);
    this.#watcher.abort();
    const { cgroup, socketDirectory } = this.record;
    // Processes that the VMM has started end with its group, and can do no harm in a folder that is being removed.
    await allOf([removeFolder(socketDirectory), ...(cgroup === null ? [] : [removeCgroup(cgroup)])]);
  }

  release(): void {
    this.#watcher.abort();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }
}
