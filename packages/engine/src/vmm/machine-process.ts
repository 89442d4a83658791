import type { MachineRecord, MachineStats } from '../ports/vmm-driver.ts';
import { allOf } from './all-of.ts';
import { removeCgroup } from './cgroup.ts';
import { hostUsage } from './host-usage.ts';
import { removeFolder } from './remove-folder.ts';
import { terminate } from './terminate.ts';
import { watchForEnd } from './watch-for-end.ts';

/** What every machine has in common that is one process of the host: its end, its usage, its being stopped. */
export abstract class MachineProcess implements AsyncDisposable {
  readonly record: MachineRecord;
  readonly #watcher = new AbortController();
  #exited: Promise<void> | undefined;

  constructor(record: MachineRecord) {
    this.record = record;
  }

  /** Looked for only once somebody wants to know. */
  get exited(): Promise<void> {
    this.#exited ??= watchForEnd(this.record, this.#watcher.signal);
    return this.#exited;
  }

  stats(): Promise<MachineStats> {
    return hostUsage(this.record.pid);
  }

  async stop({ graceMs = 0 }: { readonly graceMs?: number } = {}): Promise<void> {
    // SIGTERM makes a VMM flush its disks and leave; the guest was asked before, by the engine.
    await terminate(this.record, graceMs);
    this.#watcher.abort();
    const { cgroup, socketDirectory } = this.record;
    // What the VMM may have started ends with the group, and can do nothing in a folder that is being removed.
    await allOf([removeFolder(socketDirectory), ...(cgroup === null ? [] : [removeCgroup(cgroup)])]);
  }

  release(): void {
    this.#watcher.abort();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }
}
