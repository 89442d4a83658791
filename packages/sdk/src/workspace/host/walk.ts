import { closeSync, constants, lstatSync, openSync, readdirSync, readSync, type Dirent } from 'node:fs';
import { join, posix } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { NovaError } from '@novasandbox/protocol';
import type { LeftOut } from '../types.ts';
import { entryAt, partName, type HostEntry } from './host-entry.ts';
import { IgnoreRules } from './ignore-rules.ts';
import { mayHoldSecret, secretContent, secretFolder, secretHeadBytes, secretName } from './secrets.ts';

export interface WalkOptions {
  readonly include: readonly string[];
  readonly includeSecrets: boolean;
  readonly git: boolean;
  /** Repositories that were sent before: `.git` folders that are left alone. */
  readonly sentGit: ReadonlySet<string>;
  readonly maxEntries: number;
  readonly maxBytes: number;
  /** Whether a path was sent under these rules before: then it is not tested again. */
  readonly known: (folder: string, rules: string, path: string) => boolean;
  /** Whether an entry was sent as it is: then its content is not searched for secrets again. */
  readonly isUnchanged: (entry: HostEntry) => boolean;
  readonly signal: AbortSignal | undefined;
}

export interface Walk {
  /** In order of name, a folder before what is in it; without what belongs to git. */
  readonly entries: HostEntry[];
  readonly gitEntries: HostEntry[];
  /** The rules of each folder, by its path. */
  readonly rules: Map<string, string>;
  readonly leftOut: LeftOut[];
  readonly ignoredFolders: string[];
  ignored: number;
  bytes: number;
}

const maxReported = 1000;
/** Entries that are looked at before others get their turn: a look takes some microseconds. */
const turn = 500;

/** Lists what a push sends of a folder. No link is followed. */
export async function walk(top: string, options: WalkOptions): Promise<Walk> {
  const walker = new Walker(top, options);
  await walker.folder('', IgnoreRules.ofTop(top), 'tested');
  return walker.result;
}

/**
 * How the entries of a folder are chosen: by all rules; all of them, since it was asked for; or those asked for alone.
 */
type Choice = 'tested' | 'asked for' | 'leads to what was asked for' | 'git';

class Walker {
  readonly result: Walk = {
    entries: [],
    gitEntries: [],
    rules: new Map(),
    leftOut: [],
    ignoredFolders: [],
    ignored: 0,
    bytes: 0,
  };
  readonly #top: string;
  readonly #options: WalkOptions;
  #looked = 0;

  constructor(top: string, options: WalkOptions) {
    this.#top = top;
    this.#options = options;
  }

  async folder(path: string, inherited: IgnoreRules, choice: Choice): Promise<void> {
    const children = this.#children(path);
    if (children === null) return;
    const names = new Set(children.map(({ name }) => name));
    const rules = path === '' ? inherited : inherited.below(this.#top, `${path}/`, names);
    if (choice !== 'git') this.result.rules.set(path, rules.digest);
    for (const child of children.toSorted((a, b) => (a.name < b.name ? -1 : 1))) {
      this.#looked += 1;
      if (this.#looked % turn === 0) {
        await setImmediate();
        this.#options.signal?.throwIfAborted();
      }
      await this.#child(path, child, rules, choice);
    }
  }

  async #child(folder: string, child: Dirent, rules: IgnoreRules, above: Choice): Promise<void> {
    const { name } = child;
    const path = folder === '' ? name : `${folder}/${name}`;
    if (partName.test(name)) return;
    if (name.includes('\ufffd')) return this.#leaveOut(path, 'special', 'its name is not UTF-8');
    const choice = name === '.git' && above !== 'git' ? this.#gitChoice(path, child) : above;
    if (choice === null) return;
    const chosen =
      choice === 'git' || choice === 'asked for' ? choice : this.#choose(folder, path, child, rules, choice);
    if (chosen === null) return;
    const onDisk = join(this.#top, path);
    const found = lstatSync(onDisk, { bigint: true, throwIfNoEntry: false });
    if (found === undefined) return;
    const entry = entryAt(path, onDisk, found);
    if (entry.type === 'other') return this.#leaveOut(path, 'special', 'it is a device, a pipe or a socket');
    if (entry.type === 'file') {
      const secret = this.#secretIn(entry, chosen);
      if (secret === undefined) return this.#leaveOut(path, 'unreadable', 'it cannot be read');
      if (secret !== null) return this.#leaveOut(path, 'secret', secret);
    }
    this.#add(entry, chosen);
    if (entry.type === 'directory') {
      await this.folder(path, chosen === 'tested' ? rules.inside(`${path}/`) : rules, chosen);
    }
  }

  /** A `.git` that is a file leads to a repository elsewhere, which is of use only inside of the folder. */
  #gitChoice(path: string, child: Dirent): Choice | null {
    if (!this.#options.git || this.#options.sentGit.has(path)) return null;
    if (child.isDirectory()) return 'git';
    if (child.isFile()) {
      const target = /^gitdir: (.+)$/m.exec(this.#head(path) ?? '')?.[1] ?? '/';
      if (!posix.isAbsolute(target) && !posix.join(posix.dirname(path), target).startsWith('..')) return 'git';
    }
    this.#leaveOut(path, 'special', 'it leads to a repository outside of the folder');
    return null;
  }

  /** Null for what is left out. */
  #choose(folder: string, path: string, child: Dirent, rules: IgnoreRules, above: Choice): Choice | null {
    const { include, includeSecrets, known } = this.#options;
    if (include.includes(path)) return 'asked for';
    const leads = include.some((asked) => asked.startsWith(`${path}/`));
    const isFolder = child.isDirectory();
    if (above === 'tested') {
      if (known(folder, rules.digest, path)) return 'tested';
      const secret = includeSecrets ? null : isFolder ? secretFolder(child.name) : secretName(child.name);
      const ignored = rules.ignores(path, isFolder);
      if (secret === null && !ignored) return 'tested';
      if (!leads) {
        if (secret === null) this.result.ignored += 1;
        else this.#leaveOut(path, 'secret', secret);
        if (isFolder) this.result.ignoredFolders.push(path);
      }
    }
    return leads && isFolder ? 'leads to what was asked for' : null;
  }

  /** Null for no secret, undefined where the file cannot be read. */
  #secretIn(entry: HostEntry, choice: Choice): string | null | undefined {
    const { includeSecrets, isUnchanged } = this.#options;
    if (includeSecrets || choice === 'asked for' || !mayHoldSecret(entry.path) || isUnchanged(entry)) return null;
    const head = this.#head(entry.path);
    return head === null ? undefined : secretContent(entry.path, head);
  }

  #head(path: string): string | null {
    try {
      const file = openSync(join(this.#top, path), constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
      try {
        const buffer = Buffer.alloc(secretHeadBytes);
        return buffer.toString('latin1', 0, readSync(file, buffer));
      } finally {
        closeSync(file);
      }
    } catch {
      return null;
    }
  }

  #children(path: string): Dirent[] | null {
    try {
      return readdirSync(join(this.#top, path), { withFileTypes: true });
    } catch (error) {
      if (path === '') throw error;
      this.#leaveOut(path, 'unreadable', 'it cannot be read');
      return null;
    }
  }

  #add(entry: HostEntry, choice: Choice): void {
    const { entries, gitEntries } = this.result;
    const { maxEntries, maxBytes } = this.#options;
    (choice === 'git' ? gitEntries : entries).push(entry);
    this.result.bytes += entry.size;
    if (entries.length + gitEntries.length > maxEntries) throw tooMuch(`more than ${maxEntries} files and folders`);
    if (this.result.bytes > maxBytes) throw tooMuch(`more than ${maxBytes} bytes`);
  }

  #leaveOut(path: string, kind: LeftOut['kind'], reason: string): void {
    if (this.result.leftOut.length < maxReported) this.result.leftOut.push({ path, kind, reason });
  }
}

function tooMuch(what: string): NovaError {
  return new NovaError('host_resource_exhausted', `The folder holds ${what}.`, {
    hint: 'Leave files out with .novaignore, leave .git out, or raise the limit.',
  });
}
