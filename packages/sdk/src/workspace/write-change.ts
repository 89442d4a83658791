import { createHash } from 'node:crypto';
import { NovaError, type ManifestEntry } from '@novasandbox/protocol';
import { maxKeptBytes, type Base, type BaseRow } from './base/base.ts';
import type { PreparedChange } from './compare/changes.ts';
import type { Difference } from './compare/compare.ts';
import { merge, withHunks } from './compare/text.ts';
import type { GuestEntries, GuestTree } from './guest/guest-tree.ts';
import type { HostEntry } from './host/host-entry.ts';
import type { HostTree } from './host/host-tree.ts';
import { sha256Of } from './host/read-file.ts';
import { parentsOf } from './paths.ts';
import type { ApplyOptions, WorkspaceState } from './types.ts';

interface Sides {
  readonly base: Base;
  readonly guest: GuestTree;
  readonly host: HostTree;
  readonly rows: ReadonlyMap<string, BaseRow>;
  readonly guestEntries: GuestEntries;
}

/** Writes chosen changes to the host, and notes what both sides have in common from then on. */
export class Writing {
  readonly #sides: Sides;
  readonly #options: ApplyOptions;
  readonly #written: string[] = [];
  readonly #removed: string[] = [];

  constructor(sides: Sides, options: ApplyOptions) {
    this.#sides = sides;
    this.#options = options;
  }

  /** @throws NovaError `conflict` where the host's side is not as it was compared */
  async write(prepared: PreparedChange): Promise<void> {
    const { difference } = prepared;
    const { path, after, before, host: mine, hostEntry } = difference;
    const { base, host } = this.#sides;
    if (this.#options.resolve?.[path] === 'host') return this.#keepHost(difference);
    if (after === null) {
      if (before?.type === 'directory') {
        if (!host.removeFolder(path)) throw conflict(`${path} is not empty on this host.`);
      } else if (hostEntry !== null) host.remove(path, hostEntry.version);
      base.remove(path);
      this.#removed.push(path);
      return;
    }
    let expected = hostEntry?.version ?? null;
    if (mine !== null && mine.type !== after.type) {
      if (mine.type === 'directory' && !host.removeFolder(path)) throw conflict(`${path} is not empty on this host.`);
      if (mine.type !== 'directory' && after.type === 'directory') host.remove(path, hostEntry?.version ?? '');
      if (mine.type === 'directory' || after.type === 'directory') expected = null;
    }
    const mode = before !== null && mine !== null && after.mode === before.mode ? mine.mode : after.mode;
    if (after.type === 'directory') this.#note(difference, after, await host.folder(path, mode), true);
    else if (after.type === 'symlink') this.#note(difference, after, host.link(path, after.link ?? '', expected), true);
    else await this.#writeFile(prepared, after, mode, expected);
    this.#written.push(path);
  }

  /** Notes the folders that came or went with what was in them. */
  async finish(): Promise<void> {
    const { base, host, rows, guestEntries } = this.#sides;
    const made = new Set(this.#written.flatMap(parentsOf).filter((path) => !rows.has(path)));
    for (const path of [...made].toSorted()) {
      const entry = guestEntries.get(path);
      if (entry?.type !== 'directory') continue;
      const mode = entry.mode & 0o777;
      const state: WorkspaceState = { type: 'directory', mode, size: 0, sha256: null, link: null };
      const found = await host.folder(path, mode);
      base.put({ path, state, hostVersion: found.lasting, guestVersion: entry.version, mtimeSeconds: 0 });
    }
    const left = new Set(this.#removed.flatMap(parentsOf).filter((path) => !guestEntries.has(path)));
    for (const path of [...left].toSorted().toReversed()) {
      if (!host.removeFolder(path)) break;
      base.remove(path);
    }
  }

  async #writeFile(
    prepared: PreparedChange,
    after: WorkspaceState,
    mode: number,
    expected: string | null,
  ): Promise<void> {
    const { difference, change } = prepared;
    const { path } = difference;
    const { base, guest, host } = this.#sides;
    if (change.kind === 'mode') return this.#note(difference, after, await host.chmod(path, mode), true);
    const takesGuest = this.#options.resolve?.[path] === 'guest';
    const numbers = takesGuest ? undefined : this.#options.hunks?.[path];
    const isWhole = numbers === undefined || change.hunks.every((_, at) => numbers.includes(at));
    if (isWhole && (takesGuest || !change.merges)) {
      const content = new GuestContent(guest, path, after);
      const found = await host.write(path, content.bytes(), mode, expected);
      if (content.kept !== null && after.sha256 !== null) base.keep(after.sha256, content.kept);
      return this.#note(difference, after, found, true);
    }
    const { common, result } = textsOf(prepared, numbers);
    const found = await host.write(path, [Buffer.from(result)], mode, expected);
    const bytes = Buffer.from(common);
    const sha256 = sha256Of(bytes);
    base.keep(sha256, bytes);
    this.#note(difference, { ...after, size: bytes.length, sha256 }, found, isWhole);
  }

  /** The host's version is what is wanted: the guest's counts as known. */
  #keepHost({ path, after, guest, hostEntry }: Difference): void {
    const { base } = this.#sides;
    if (after === null || guest === null) base.remove(path);
    else this.#put(path, after, guest, null);
    if (hostEntry === null && after === null) base.remove(path);
  }

  #note({ path, guest }: Difference, state: WorkspaceState, found: HostEntry, isGuests: boolean): void {
    this.#put(path, state, isGuests ? guest : null, found);
  }

  #put(path: string, state: WorkspaceState, guest: ManifestEntry | null, found: HostEntry | null): void {
    const [hostVersion, guestVersion] = [found?.lasting ?? null, guest?.version ?? null];
    this.#sides.base.put({ path, state, hostVersion, guestVersion, mtimeSeconds: 0 });
  }
}

/** The text that both sides have in common afterwards, and what the host's file becomes. */
function textsOf(
  { change, baseText, guestText, hostText }: PreparedChange,
  numbers: readonly number[] | undefined,
): { readonly common: string; readonly result: string } {
  const chosen = numbers === undefined ? change.hunks : change.hunks.filter((_, at) => numbers.includes(at));
  const whole = numbers === undefined ? guestText : null;
  const common = whole ?? withHunks(baseText ?? '', chosen);
  if (common === null || baseText === null) throw conflict(`The chosen changes of ${change.path} do not fit.`);
  const result = change.merges && hostText !== null ? merge(hostText, baseText, common).text : common;
  if (result === null) throw conflict(`The chosen changes of ${change.path} do not go with those of the host.`);
  return { common, result };
}

/** The content of a file of the guest, as long as it is the one that was compared. */
class GuestContent {
  /** The content, where it is small enough to be kept. */
  kept: Buffer | null = null;
  readonly #guest: GuestTree;
  readonly #path: string;
  readonly #after: WorkspaceState;

  constructor(guest: GuestTree, path: string, after: WorkspaceState) {
    this.#guest = guest;
    this.#path = path;
    this.#after = after;
  }

  async *bytes(): AsyncGenerator<Uint8Array, void, undefined> {
    const { size, sha256 } = this.#after;
    const sum = createHash('sha256');
    const parts: Uint8Array[] = [];
    let length = 0;
    for await (const part of this.#guest.stream(this.#path)) {
      length += part.length;
      if (length > size) throw conflict(`${this.#path} has changed in the sandbox meanwhile.`);
      sum.update(part);
      if (size <= maxKeptBytes) parts.push(part);
      yield part;
    }
    if (length !== size || sum.digest('hex') !== sha256) {
      throw conflict(`${this.#path} has changed in the sandbox meanwhile.`);
    }
    if (size <= maxKeptBytes) this.kept = Buffer.concat(parts, length);
  }
}

const conflict = (message: string): NovaError => new NovaError('conflict', message);
