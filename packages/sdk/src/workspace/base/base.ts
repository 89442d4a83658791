import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { openDatabase } from '@novasandbox/engine/database';
import type { WorkspaceEntryType, WorkspaceInfo, WorkspaceState } from '../types.ts';

/** An entry as both sides had it when they were last known to be the same. */
export interface BaseRow {
  readonly path: string;
  readonly state: WorkspaceState;
  /** The host's file had this content at this version; null where that is not known. */
  readonly hostVersion: string | null;
  /** The guest's file had this content at this version; null where only the time of the push is known. */
  readonly guestVersion: string | null;
  /** The time that the push gave the guest's file, in seconds. */
  readonly mtimeSeconds: number;
}

/** Contents of a file of more bytes are not kept: such a file is compared by its digest alone. */
export const maxKeptBytes = 8 * 1024 * 1024;
/** Limit of all contents that are kept. */
const maxAllKeptBytes = 1024 ** 3;

const layout = 1;
const tables = `
CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE entries (
  path TEXT PRIMARY KEY, type TEXT NOT NULL, mode INTEGER NOT NULL, size INTEGER NOT NULL, sha256 TEXT, link TEXT,
  host_version TEXT, guest_version TEXT, mtime INTEGER NOT NULL, rules TEXT
) WITHOUT ROWID;
CREATE TABLE contents (sha256 TEXT PRIMARY KEY, bytes BLOB NOT NULL);
PRAGMA user_version = ${layout};
`;

/** Reads which folders a file is about; null for a file that is not whole, or of another version. */
export function readInfo(file: string): WorkspaceInfo | null {
  try {
    using base = Base.open(file);
    const [folder, guestPath, pushedAt] = [base.fact('folder'), base.fact('guestPath'), base.fact('pushedAt')];
    return folder === null || guestPath === null || pushedAt === null ? null : { folder, guestPath, pushedAt };
  } catch {
    return null;
  }
}

/**
 * The state that was pushed, with the contents that a three-way comparison needs: the common ancestor of both sides.
 * One SQLite file for each folder of a guest; all that a call changes is there at once, or not at all.
 */
export class Base implements Disposable {
  readonly #db: DatabaseSync;
  readonly #put: StatementSync;
  readonly #keep: StatementSync;
  #keptBytes: number;

  private constructor(db: DatabaseSync) {
    this.#db = db;
    db.exec('PRAGMA journal_mode = DELETE');
    if (Number(db.prepare('PRAGMA user_version').get()?.['user_version']) === 0) db.exec(tables);
    this.#put = db.prepare(`INSERT OR REPLACE INTO entries VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`);
    this.#keep = db.prepare('INSERT OR IGNORE INTO contents VALUES (?, ?)');
    this.#keptBytes = Number(db.prepare('SELECT total(length(bytes)) AS bytes FROM contents').get()?.['bytes']);
  }

  static open(file: string): Base {
    return new Base(openDatabase(file, { timeout: 10_000 }));
  }

  fact(name: string): string | null {
    const value = this.#db.prepare('SELECT value FROM facts WHERE name = ?').get(name)?.['value'];
    return typeof value === 'string' ? value : null;
  }

  setFact(name: string, value: string): void {
    this.#db.prepare('INSERT OR REPLACE INTO facts VALUES (?, ?)').run(name, value);
  }

  /** All entries by path, and of each folder the digest of the ignore rules that it was walked with. */
  all(): { readonly rows: Map<string, BaseRow>; readonly rules: Map<string, string> } {
    const rows = new Map<string, BaseRow>();
    const rules = new Map<string, string>();
    for (const found of this.#db.prepare('SELECT * FROM entries').iterate()) {
      const row = rowOf(found);
      rows.set(row.path, row);
      if (typeof found['rules'] === 'string') rules.set(row.path, found['rules']);
    }
    const top = this.fact('rules');
    if (top !== null) rules.set('', top);
    return { rows, rules };
  }

  put({ path, state, hostVersion, guestVersion, mtimeSeconds }: BaseRow, rules: string | null = null): void {
    const { type, mode, size, sha256, link } = state;
    this.#put.run(path, type, mode, size, sha256, link, hostVersion, guestVersion, mtimeSeconds, rules);
  }

  remove(path: string): void {
    this.#db.prepare('DELETE FROM entries WHERE path = ?').run(path);
  }

  /** Forgets what was pushed, but not from where and how. */
  forgetEntries(): void {
    this.#db.exec(`DELETE FROM entries; DELETE FROM facts WHERE name IN ('git', 'rules', 'ignoredFolders')`);
  }

  /** Keeps a content, while there is room. */
  keep(sha256: string, bytes: Uint8Array): void {
    if (bytes.length > maxKeptBytes || this.#keptBytes + bytes.length > maxAllKeptBytes) return;
    if (Number(this.#keep.run(sha256, bytes).changes) > 0) this.#keptBytes += bytes.length;
  }

  /** A content that was kept; null where it was not. */
  content(sha256: string): Buffer | null {
    const bytes = this.#db.prepare('SELECT bytes FROM contents WHERE sha256 = ?').get(sha256)?.['bytes'];
    return bytes instanceof Uint8Array ? Buffer.from(bytes) : null;
  }

  /** Runs work whose changes are all there afterwards or, if it fails, none. */
  async change<T>(work: () => Promise<T>): Promise<T> {
    this.#db.exec('BEGIN IMMEDIATE');
    try {
      const result = await work();
      this.#db.exec('DELETE FROM contents WHERE sha256 NOT IN (SELECT sha256 FROM entries WHERE sha256 IS NOT NULL)');
      this.#db.exec('COMMIT');
      return result;
    } catch (error) {
      this.#db.exec('ROLLBACK');
      throw error;
    }
  }

  [Symbol.dispose](): void {
    this.#db.close();
  }
}

function rowOf(found: Readonly<Record<string, unknown>>): BaseRow {
  const text = (name: string): string | null => {
    const value = found[name];
    return typeof value === 'string' ? value : null;
  };
  return {
    path: text('path') ?? '',
    state: {
      type: (text('type') ?? 'other') as WorkspaceEntryType,
      mode: Number(found['mode']),
      size: Number(found['size']),
      sha256: text('sha256'),
      link: text('link'),
    },
    hostVersion: text('host_version'),
    guestVersion: text('guest_version'),
    mtimeSeconds: Number(found['mtime']),
  };
}
