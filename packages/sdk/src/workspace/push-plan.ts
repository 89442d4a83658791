import { join } from 'node:path';
import type { ManifestEntry } from '@novasandbox/protocol';
import type { BaseRow } from './base/base.ts';
import { isAsPushed, sameContent, sameState, stateOfGuest, stateOfHost } from './compare/states.ts';
import type { GuestEntries, GuestTree } from './guest/guest-tree.ts';
import { lookAt, type HostEntry } from './host/host-entry.ts';
import { digestOfFile } from './host/read-file.ts';
import type { Walk } from './host/walk.ts';
import { parentsOf } from './paths.ts';
import type { PathReason } from './types.ts';

/** The steps of a push, once both sides have been looked at. */
export interface PushPlan {
  /** Whether nothing was pushed before. */
  readonly isFirst: boolean;
  /** Entries to send, a folder before what is in it. */
  readonly send: HostEntry[];
  readonly git: HostEntry[];
  /** The state that the guest has already. */
  readonly adopted: BaseRow[];
  /** Entries to remove in the guest, which are as they were pushed; what is in a folder comes before it. */
  readonly remove: BaseRow[];
  /** Entries that are of no concern any more. */
  readonly forgotten: string[];
  readonly conflicts: PathReason[];
  readonly notes: string[];
  unchanged: number;
}

/** Compares three sides: the folder as it is, as it was pushed, and the guest's. */
export async function planPush(
  folder: string,
  found: Walk,
  rows: ReadonlyMap<string, BaseRow>,
  guest: GuestTree,
  { overwrite }: { readonly overwrite: boolean },
): Promise<PushPlan> {
  const planning = new Planning(folder, rows, guest, overwrite);
  await planning.compare(found);
  return planning.plan;
}

class Planning {
  readonly plan: PushPlan;
  readonly #folder: string;
  readonly #rows: ReadonlyMap<string, BaseRow>;
  readonly #guest: GuestTree;
  readonly #overwrite: boolean;
  /** Folders whose place something else has taken in the guest, or that keep their place here: nothing goes below. */
  readonly #blocked = new Set<string>();
  #entries: GuestEntries = new Map();

  constructor(folder: string, rows: ReadonlyMap<string, BaseRow>, guest: GuestTree, overwrite: boolean) {
    this.#folder = folder;
    this.#rows = rows;
    this.#guest = guest;
    this.#overwrite = overwrite;
    this.plan = {
      isFirst: rows.size === 0,
      send: [],
      git: [],
      adopted: [],
      remove: [],
      forgotten: [],
      conflicts: [],
      notes: [],
      unchanged: 0,
    };
  }

  async compare(found: Walk): Promise<void> {
    const { plan } = this;
    const changed = await this.#changed(found.entries);
    const here = new Set(found.entries.map(({ path }) => path));
    const gone = [...this.#rows.values()].filter(({ path }) => !here.has(path));
    this.#entries = await this.#lookAtGuest(found, changed, gone);
    for (const row of gone.toSorted((a, b) => (a.path < b.path ? 1 : -1))) await this.#gone(row);
    for (const entry of changed) await this.#changedEntry(entry);
    await this.#planGit(found);
    const conflicts = plan.conflicts.filter(({ path }) => here.has(path));
    plan.unchanged = found.entries.length - plan.send.length - conflicts.length;
    if (here.has('.gitmodules')) plan.notes.push('Submodules are sent as they are checked out here.');
  }

  /** The entries that are not as they were pushed. A file that was only touched is the same. */
  async #changed(entries: readonly HostEntry[]): Promise<HostEntry[]> {
    const changed: HostEntry[] = [];
    for (const entry of entries) {
      const row = this.#rows.get(entry.path);
      if (row === undefined) {
        changed.push(entry);
        continue;
      }
      if (entry.type === 'file' && row.state.type === 'file') {
        if (entry.version === row.hostVersion) continue;
        const sha256 = entry.size === row.state.size ? await this.#digest(entry) : null;
        if (sameState(row.state, stateOfHost(entry, sha256))) {
          this.plan.adopted.push({ ...row, hostVersion: entry.lasting });
          continue;
        }
      } else if (sameState(row.state, stateOfHost(entry, null))) continue;
      changed.push(entry);
    }
    return changed;
  }

  async #lookAtGuest(found: Walk, changed: readonly HostEntry[], gone: readonly BaseRow[]): Promise<GuestEntries> {
    if (this.plan.isFirst) return (await this.#guest.all(found.ignoredFolders)) ?? new Map();
    const paths = new Set([...changed, ...gone].flatMap(({ path }) => [...parentsOf(path), path]));
    return paths.size === 0 ? new Map() : this.#guest.some([...paths], { hash: false });
  }

  async #gone(row: BaseRow): Promise<void> {
    const { path } = row;
    if (lookAt(this.#folder, path) !== null) {
      // It is here, but left out from now on: the guest keeps it.
      this.plan.forgotten.push(path);
      return;
    }
    const entry = this.#entries.get(path);
    if (entry === undefined) this.plan.forgotten.push(path);
    else if (row.state.type === 'directory' || this.#overwrite || (await this.#isAsPushed(row, entry))) {
      this.plan.remove.push(row);
    } else {
      this.plan.conflicts.push({ path, reason: 'it was removed here and changed in the sandbox' });
    }
  }

  async #changedEntry(entry: HostEntry): Promise<void> {
    const { path } = entry;
    if (this.#isBlocked(path)) return this.#conflict(entry, 'its folder is something else in the sandbox');
    const [row, there] = [this.#rows.get(path), this.#entries.get(path)];
    if (there === undefined) {
      if (row === undefined || this.#overwrite || entry.type === 'directory') return void this.plan.send.push(entry);
      return this.#conflict(entry, 'it was changed here and removed in the sandbox');
    }
    const mine = stateOfHost(entry, entry.type === 'file' ? null : '');
    if (entry.type === 'directory' && there.type === 'directory') {
      if (row !== undefined || sameState(stateOfGuest(there), mine)) return void this.plan.send.push(entry);
      return this.#adopt(entry, there, null);
    }
    if (row !== undefined && (await this.#isAsPushed(row, there))) {
      if (row.state.type !== entry.type) this.plan.remove.push(row);
      return void this.plan.send.push(entry);
    }
    const sha256 = entry.type === 'file' ? await this.#digest(entry) : null;
    const hashed = await this.#hashed(there);
    if (sameContent(stateOfHost(entry, sha256), stateOfGuest(hashed))) return this.#adopt(entry, hashed, sha256);
    if (this.#overwrite && there.type === entry.type) return void this.plan.send.push(entry);
    return this.#conflict(entry, row === undefined ? 'it is there already' : 'it was changed here and in the sandbox');
  }

  /** The guest has the same: nothing is sent. Of the permissions, the guest's count as pushed. */
  #adopt(entry: HostEntry, there: ManifestEntry, sha256: string | null): void {
    this.plan.adopted.push({
      path: entry.path,
      state: { ...stateOfHost(entry, sha256), mode: stateOfGuest(there).mode },
      hostVersion: entry.lasting,
      guestVersion: there.version,
      mtimeSeconds: entry.mtimeSeconds,
    });
  }

  #conflict(entry: HostEntry, reason: string): void {
    if (entry.type === 'directory') this.#blocked.add(entry.path);
    this.plan.conflicts.push({ path: entry.path, reason });
  }

  #isBlocked(path: string): boolean {
    return parentsOf(path).some((parent) => {
      const there = this.#entries.get(parent);
      return (
        this.#blocked.has(parent) || (there !== undefined && there.type !== 'directory' && !this.#replaces(parent))
      );
    });
  }

  /** Whether a removal makes room for a folder. */
  #replaces(path: string): boolean {
    return this.plan.remove.some((row) => row.path === path);
  }

  async #isAsPushed(row: BaseRow, entry: ManifestEntry): Promise<boolean> {
    const known = isAsPushed(row, entry);
    return known === 'not known' ? sameState(row.state, stateOfGuest(await this.#hashed(entry))) : known;
  }

  async #hashed(entry: ManifestEntry): Promise<ManifestEntry> {
    if (entry.type !== 'file') return entry;
    return (await this.#guest.some([entry.path], { hash: true })).get(entry.path) ?? entry;
  }

  #digest({ path }: HostEntry): Promise<string | null> {
    return digestOfFile(join(this.#folder, path));
  }

  /** A repository is sent once: afterwards the guest's commits are in its own. */
  async #planGit(found: Walk): Promise<void> {
    const tops = found.gitEntries.filter(({ path }) => path === '.git' || path.endsWith('/.git'));
    if (tops.length === 0) return;
    const paths = tops.map(({ path }) => path);
    const there =
      this.plan.isFirst && this.#entries.size === 0 ? new Map() : await this.#guest.some(paths, { hash: false });
    for (const path of paths) {
      if (there.has(path)) this.plan.notes.push(`${path} is in the sandbox already, and was left as it is.`);
    }
    this.plan.git.push(
      ...found.gitEntries.filter(
        ({ path }) => !paths.some((top) => there.has(top) && (path === top || path.startsWith(`${top}/`))),
      ),
    );
  }
}
