import type { DatabaseSync } from 'node:sqlite';
import {
  journalPages,
  migrate,
  newerVersionHint,
  openDatabase,
  reserved,
  parseJson,
  tellInBackground,
  withReserve,
} from '@novasandbox/engine';
import { NovaError, parse } from '@novasandbox/protocol';
import type { z } from 'zod';
import { keyRowSchema, userRowSchema, type KeyRow, type UserRow } from './rows.ts';

export interface StoredAnswer {
  /** The principal that received the answer. */
  readonly principal: string;
  readonly bodyHash: string;
  readonly status: number;
  readonly body: string;
}

/** A port of the host that leads into a VM. */
export interface ForwardRow {
  readonly id: string;
  readonly vmId: string;
  readonly hostPort: number;
  readonly guestPort: number;
}

/** An address that opens a port of a VM to whoever has its token. */
export interface PreviewRow {
  readonly id: string;
  readonly vmId: string;
  readonly port: number;
  /** SHA-256 of the token. */
  readonly hash: string;
  readonly expiresAtMs: number;
  readonly rewriteHost: boolean;
}

/** Wrong passwords given for a name. */
export interface LoginFailures {
  readonly count: number;
  readonly lastMs: number;
}

/**
 * The data of the daemon itself: keys, users, answers to repeat, idle limits, forwarded ports and preview addresses.
 * Sandboxes are in the store of the engine.
 */
export interface ServerStore extends Disposable {
  keys(): KeyRow[];
  putKey(key: KeyRow): void;
  users(): UserRow[];
  findUser(username: string): UserRow | null;
  /** Returns false when the name is taken. */
  addUser(user: UserRow): boolean;
  removeUser(username: string): boolean;
  revokeToken(tokenId: string, expiresAtMs: number): void;
  isTokenRevoked(tokenId: string): boolean;
  findLoginFailures(name: string): LoginFailures | null;
  putLoginFailures(name: string, failures: LoginFailures): void;
  clearLoginFailures(name: string): void;
  findAnswer(scope: string, sinceMs: number): StoredAnswer | null;
  putAnswer(scope: string, answer: StoredAnswer, nowMs: number): void;
  forgetAnswer(scope: string): void;
  /** Forgets the answers of a removed principal, so that a later one of the same name does not get them. */
  forgetAnswers(principal: string): void;
  /** Idle limits of VMs that have one of their own. */
  idleTimeouts(): ReadonlyMap<string, number>;
  setIdleTimeout(vmId: string, ms: number | null): void;
  forwards(): ForwardRow[];
  putForward(forward: ForwardRow): void;
  removeForward(id: string): void;
  previews(): PreviewRow[];
  putPreview(preview: PreviewRow): void;
  removePreview(id: string): void;
  /** Removes expired rows, and the oldest answers and failures beyond the limit. */
  trim(nowMs: number): void;
  /** Checks with a query that the store works. Throws when it does not. */
  check(): void;
}

type Row = Readonly<Record<string, unknown>>;

export const answerLifeMs = 24 * 3_600_000;
const maxAnswers = 10_000;
/** The longest lock of a name: the maximum of security.lockout_seconds. */
const failureLifeMs = 24 * 3_600_000;
const maxFailures = 10_000;
/** Layouts of the daemon's database (see migrate). */
const steps = [
  `
  CREATE TABLE keys (id TEXT PRIMARY KEY, hash TEXT NOT NULL UNIQUE, row TEXT NOT NULL) STRICT;
  CREATE TABLE users (username TEXT PRIMARY KEY, row TEXT NOT NULL) STRICT;
  CREATE TABLE revoked_tokens (id TEXT PRIMARY KEY, expires_at INTEGER NOT NULL) STRICT;
  CREATE TABLE answers (
    scope TEXT PRIMARY KEY, body_hash TEXT NOT NULL, status INTEGER NOT NULL, body TEXT NOT NULL, made_at INTEGER NOT NULL
  ) STRICT;
  CREATE INDEX answers_by_age ON answers (made_at);
  CREATE TABLE idle_timeouts (vm_id TEXT PRIMARY KEY, ms INTEGER NOT NULL) STRICT;
`,
  `
  CREATE TABLE login_failures (name TEXT PRIMARY KEY, count INTEGER NOT NULL, last_at INTEGER NOT NULL) STRICT;
  CREATE INDEX login_failures_by_age ON login_failures (last_at);
`,
  `
  CREATE TABLE forwards (id TEXT PRIMARY KEY, vm_id TEXT NOT NULL, host_port INTEGER NOT NULL, guest_port INTEGER NOT NULL) STRICT;
`,
  // Users have teams, and keys belong to users or to themselves. Answers are forgotten with their principals.
  `
  UPDATE users SET row = json_set(row, '$.team', 'user:' || username) WHERE json_valid(row);
  UPDATE keys SET row = json_set(row, '$.username', NULL, '$.team', CASE id WHEN 'admin' THEN NULL ELSE 'key:' || id END)
    WHERE json_valid(row);
  ALTER TABLE answers ADD COLUMN principal TEXT NOT NULL DEFAULT '';
`,
  `
  CREATE TABLE previews (
    id TEXT PRIMARY KEY, vm_id TEXT NOT NULL, port INTEGER NOT NULL, hash TEXT NOT NULL, expires_at INTEGER NOT NULL,
    rewrite_host INTEGER NOT NULL
  ) STRICT;
`,
];

/**
 * Opens or creates the database of the daemon, for one daemon at a time. The lock ends with the process, however the
 * process ends. Other processes may read the database meanwhile, to copy it. On a full disk all calls may use
 * `reserve`, except those that only store more.
 */
export function openServerStore(file: string, reserve: string): ServerStore {
  const store = withReserve(reserve, () => {
    const lock = lockForOneDaemon(file);
    try {
      return openLocked(file, lock);
    } catch (error) {
      lock.close();
      throw error;
    }
  });
  return reserved(reserve, store, ['addUser', 'putForward', 'putPreview']);
}

/**
 * Locks a database against other daemons until the result is closed. The lock is on an empty file beside the database.
 */
export function lockForOneDaemon(file: string): DatabaseSync {
  const lock = openDatabase(`${file}.lock`, { timeout: 300 });
  try {
    lock.exec('BEGIN EXCLUSIVE');
    return lock;
  } catch (error) {
    lock.close();
    throw inUse(error);
  }
}

function openLocked(file: string, lock: DatabaseSync): ServerStore {
  const db = openDatabase(file, { timeout: 1000 });
  try {
    migrate(db, {
      file,
      steps,
      pragmas: `PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA wal_autocheckpoint = ${journalPages};`,
      keepCopy: true,
      hint: newerVersionHint,
    });
    return storeIn(db, lock);
  } catch (error) {
    db.close();
    throw inUse(error);
  }
}

/** Returns the error for a lock that another process holds; any other error is returned as it is. */
function inUse(error: unknown): unknown {
  if (!(error instanceof Error && /locked|busy/.test(error.message))) return error;
  return new NovaError('set_up_failed', 'Another daemon uses this state folder.', {
    hint: 'Use that one, stop it, or give this one a folder of its own with NOVA_HOME.',
    cause: error,
  });
}

/**
 * Parses a stored row. A damaged row is reported and gives null: its key or user is not accepted, and all other rows
 * work as before.
 */
function readRow<S extends z.ZodType>(schema: S, what: string, text: unknown): z.output<S> | null {
  try {
    return parse(schema, parseJson(String(text)), what);
  } catch (error) {
    tellInBackground(`reading the ${what}, which is damaged and ignored`, error);
    return null;
  }
}

function storeIn(db: DatabaseSync, lock: DatabaseSync): ServerStore {
  const readKey = ({ id, row }: Row): KeyRow | null => readRow(keyRowSchema, `key ${String(id)}`, row);
  const readUser = ({ username, row }: Row): UserRow | null => readRow(userRowSchema, `user ${String(username)}`, row);
  const putKey = db.prepare('INSERT OR REPLACE INTO keys (id, hash, row) VALUES (?, ?, ?)');
  const revoked = db.prepare('SELECT 1 FROM revoked_tokens WHERE id = ?');
  const findUser = db.prepare('SELECT username, row FROM users WHERE username = ?');
  const findAnswer = db.prepare(
    'SELECT principal, body_hash, status, body FROM answers WHERE scope = ? AND made_at >= ?',
  );
  const putAnswer = db.prepare(
    'INSERT OR REPLACE INTO answers (scope, principal, body_hash, status, body, made_at) VALUES (?, ?, ?, ?, ?, ?)',
  );

  const findFailures = db.prepare('SELECT count, last_at FROM login_failures WHERE name = ?');
  const putFailures = db.prepare('INSERT OR REPLACE INTO login_failures (name, count, last_at) VALUES (?, ?, ?)');
  const clearFailures = db.prepare('DELETE FROM login_failures WHERE name = ?');

  return {
    keys: () =>
      db
        .prepare('SELECT id, row FROM keys')
        .all()
        .map(readKey)
        .filter((key) => key !== null),
    putKey: (key) => void putKey.run(key.id, key.hash, JSON.stringify(key)),
    users: () =>
      db
        .prepare('SELECT username, row FROM users ORDER BY username')
        .all()
        .map(readUser)
        .filter((user) => user !== null),
    findUser(username) {
      const row = findUser.get(username);
      return row === undefined ? null : readUser(row);
    },
    addUser: (user) =>
      db.prepare('INSERT OR IGNORE INTO users (username, row) VALUES (?, ?)').run(user.username, JSON.stringify(user))
        .changes > 0,
    removeUser: (username) => db.prepare('DELETE FROM users WHERE username = ?').run(username).changes > 0,
    revokeToken: (tokenId, expiresAtMs) =>
      void db
        .prepare('INSERT OR IGNORE INTO revoked_tokens (id, expires_at) VALUES (?, ?)')
        .run(tokenId, Math.ceil(expiresAtMs)),
    isTokenRevoked: (tokenId) => revoked.get(tokenId) !== undefined,
    findLoginFailures(name) {
      const row = findFailures.get(name);
      return row === undefined ? null : { count: Number(row['count']), lastMs: Number(row['last_at']) };
    },
    putLoginFailures: (name, { count, lastMs }) => void putFailures.run(name, count, Math.floor(lastMs)),
    clearLoginFailures: (name) => void clearFailures.run(name),
    findAnswer(scope, sinceMs) {
      const row = findAnswer.get(scope, sinceMs);
      if (row === undefined) return null;
      return {
        principal: String(row['principal']),
        bodyHash: String(row['body_hash']),
        status: Number(row['status']),
        body: String(row['body']),
      };
    },
    putAnswer: (scope, { principal, bodyHash, status, body }, nowMs) =>
      void putAnswer.run(scope, principal, bodyHash, status, body, nowMs),
    forgetAnswer: (scope) => void db.prepare('DELETE FROM answers WHERE scope = ?').run(scope),
    forgetAnswers: (principal) => void db.prepare('DELETE FROM answers WHERE principal = ?').run(principal),
    idleTimeouts: () =>
      new Map(
        db
          .prepare('SELECT vm_id, ms FROM idle_timeouts')
          .all()
          .map((row) => [String(row['vm_id']), Number(row['ms'])]),
      ),
    setIdleTimeout(vmId, ms) {
      if (ms === null) db.prepare('DELETE FROM idle_timeouts WHERE vm_id = ?').run(vmId);
      else db.prepare('INSERT OR REPLACE INTO idle_timeouts (vm_id, ms) VALUES (?, ?)').run(vmId, Math.round(ms));
    },
    forwards: () =>
      db
        .prepare('SELECT id, vm_id, host_port, guest_port FROM forwards ORDER BY rowid')
        .all()
        .map((row) => ({
          id: String(row['id']),
          vmId: String(row['vm_id']),
          hostPort: Number(row['host_port']),
          guestPort: Number(row['guest_port']),
        })),
    putForward: ({ id, vmId, hostPort, guestPort }) =>
      void db.prepare('INSERT INTO forwards VALUES (?, ?, ?, ?)').run(id, vmId, hostPort, guestPort),
    removeForward: (id) => void db.prepare('DELETE FROM forwards WHERE id = ?').run(id),
    previews: () =>
      db
        .prepare('SELECT id, vm_id, port, hash, expires_at, rewrite_host FROM previews ORDER BY rowid')
        .all()
        .map((row) => ({
          id: String(row['id']),
          vmId: String(row['vm_id']),
          port: Number(row['port']),
          hash: String(row['hash']),
          expiresAtMs: Number(row['expires_at']),
          rewriteHost: row['rewrite_host'] === 1,
        })),
    putPreview: ({ id, vmId, port, hash, expiresAtMs, rewriteHost }) =>
      void db
        .prepare('INSERT INTO previews VALUES (?, ?, ?, ?, ?, ?)')
        .run(id, vmId, port, hash, Math.ceil(expiresAtMs), rewriteHost ? 1 : 0),
    removePreview: (id) => void db.prepare('DELETE FROM previews WHERE id = ?').run(id),
    trim(nowMs) {
      db.prepare('DELETE FROM revoked_tokens WHERE expires_at < ?').run(nowMs);
      db.prepare('DELETE FROM answers WHERE made_at < ?').run(nowMs - answerLifeMs);
      db.prepare(
        'DELETE FROM answers WHERE scope IN (SELECT scope FROM answers ORDER BY made_at DESC LIMIT -1 OFFSET ?)',
      ).run(maxAnswers);
      db.prepare('DELETE FROM login_failures WHERE last_at < ?').run(nowMs - failureLifeMs);
      db.prepare(
        'DELETE FROM login_failures WHERE name IN (SELECT name FROM login_failures ORDER BY last_at DESC LIMIT -1 OFFSET ?)',
      ).run(maxFailures);
    },
    check: () => void db.prepare('SELECT 1').get(),
    [Symbol.dispose]() {
      db.close();
      lock.close();
    },
  };
}
