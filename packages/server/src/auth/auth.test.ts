import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { DatabaseSync } from 'node:sqlite';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { isNovaError } from '@novasandbox/protocol';
import { openServerStore } from '../store/server-store.ts';
import { createAuth, localPrincipal } from './auth.ts';
import { createKeys } from './keys.ts';
import { createLockout } from './lockout.ts';
import { hashPassword, verifyPassword } from './passwords.ts';
import { matches, newSecret, secretFile } from './secrets.ts';
import { createTickets } from './tickets.ts';
import { createTurns } from './turns.ts';
import { createUsers } from './users.ts';

const folder = mkdtempSync(join(tmpdir(), 'nova-auth-'));
after(() => rmSync(folder, { recursive: true, force: true }));
const digits = 'ab'.repeat(20);

test('keys: both forms are one, the hash alone is kept, a store opened anew knows them', async () => {
  const file = join(folder, 'keys.sqlite');
  {
    using store = openServerStore(file, join(folder, 'reserve'));
    const keys = createKeys(store);
    keys.setAdmin(`e2b_${digits}`);
    assert.equal(keys.find(`nova_${digits}`)?.role, 'admin');
    assert.equal(keys.find(`nova_${digits.toUpperCase()}`), null);
    assert.equal(keys.find('nova_'), null);
    const { row, key } = keys.make({
      name: 'a',
      role: 'power_user',
      scopes: ['vm:read', 'system:admin'],
      expiresAtMs: null,
    });
    // A scope never widens the role.
    assert.deepEqual([...(keys.find(key)?.permissions ?? [])], ['vm:read']);
    assert.ok(!JSON.stringify(store.keys()).includes(key.slice(5)));
    keys.setAdmin(`nova_${'cd'.repeat(20)}`);
    assert.equal(keys.find(`nova_${digits}`), null);
    assert.equal(statSync(file).mode & 0o777, 0o600);
    keys.revoke(row.id);
    assert.throws(
      () => keys.revoke('admin'),
      (error) => isNovaError(error, 'conflict'),
    );
  }
  using store = openServerStore(file, join(folder, 'reserve'));
  const keys = createKeys(store);
  assert.equal(keys.find(`e2b_${'cd'.repeat(20)}`)?.name, 'key:admin');
  assert.equal(keys.list().find(({ id }) => id !== 'admin')?.revoked, true);
});

test('passwords verify, and tokens of a user who was removed do not', async () => {
  const stored = await hashPassword('secret words');
  assert.equal(await verifyPassword('secret words', stored), true);
  assert.equal(await verifyPassword('secret word', stored), false);
  using store = openServerStore(join(folder, 'users.sqlite'), join(folder, 'reserve'));
  const users = createUsers(store, newSecret(), createLockout(store, 3, 1000), 60);
  await users.add('ann', 'a long password', 'user');
  const { token } = await users.logIn('ann', 'a long password', 'here');
  assert.equal((await users.find(token))?.role, 'user');
  assert.equal(await users.find(`${token}x`), null);
  users.remove('ann');
  assert.equal(await users.find(token), null);
});

test('a name is locked for a while after wrong passwords, and a new start does not free it', () => {
  const file = join(folder, 'lockout.sqlite');
  let now = 0;
  {
    using store = openServerStore(file, join(folder, 'reserve'));
    const lockout = createLockout(store, 2, 1000, () => now);
    lockout.failed('a', 'here');
    assert.equal(lockout.lockedUntilMs('a', 'here'), null);
    lockout.failed('a', 'here');
    assert.equal(lockout.lockedUntilMs('a', 'here'), 1000);
  }
  using store = openServerStore(file, join(folder, 'reserve'));
  const lockout = createLockout(store, 2, 1000, () => now);
  assert.equal(lockout.lockedUntilMs('a', 'here'), 1000);
  now = 1000;
  assert.equal(lockout.lockedUntilMs('a', 'here'), null);
  lockout.failed('a', 'here');
  lockout.succeeded('a', 'here');
  lockout.failed('a', 'here');
  assert.equal(lockout.lockedUntilMs('a', 'here'), null);
});

test('a source that guesses locks a name for itself; many of them together lock it for all', () => {
  using store = openServerStore(join(folder, 'sources.sqlite'), join(folder, 'reserve'));
  const lockout = createLockout(store, 2, 1000, () => 0);
  const guess = (source: string): void => {
    for (let count = 0; count < 2; count++) lockout.failed('ann', source);
  };
  guess('a');
  assert.equal(lockout.lockedUntilMs('ann', 'a'), 1000);
  assert.equal(lockout.lockedUntilMs('ann', 'b'), null);
  assert.equal(lockout.lockedUntilMs('bob', 'a'), null);
  assert.equal(lockout.lockedUntilMs('ann'), null);
  for (let source = 0; source < 8; source++) guess(`s${source}`);
  assert.equal(lockout.lockedUntilMs('ann', 'b'), null);
  guess('s8');
  assert.equal(lockout.lockedUntilMs('ann', 'b'), 1000);
  assert.equal(lockout.lockedUntilMs('ann'), 1000);
});

test('guesses that come at once are counted as those that come one by one', async () => {
  using store = openServerStore(join(folder, 'at-once.sqlite'), join(folder, 'reserve'));
  const users = createUsers(store, newSecret(), createLockout(store, 2, 60_000), 60);
  await users.add('ann', 'a long password', 'user');
  const guesses = Array.from({ length: 5 }, () =>
    users.logIn('ann', 'wrong', 'there').catch((error: unknown) => error),
  );
  const codes = (await Promise.all(guesses)).map((error) => (isNovaError(error) ? error.code : 'let in'));
  assert.deepEqual(codes.filter((code) => code === 'unauthenticated').length, 2);
  assert.deepEqual(codes.filter((code) => code === 'rate_limited').length, 3);
  await users.logIn('ann', 'a long password', 'here');
});

test('passwords are checked one at a time, sources in turn; too many that wait are refused at once', async () => {
  const turns = createTurns({ perSource: 3, total: 5 });
  const order: string[] = [];
  const busy = Promise.withResolvers<void>();
  let running = 0;
  const take = (source: string, name: string): Promise<void> =>
    turns.take(source, async () => {
      running += 1;
      assert.equal(running, 1);
      order.push(name);
      await (order.length === 1 ? busy.promise : Promise.resolve());
      running -= 1;
    });
  const taken = [take('eve', 'e0'), take('eve', 'e1'), take('eve', 'e2'), take('eve', 'e3')];
  const refused = (source: string): Promise<void> =>
    assert.rejects(take(source, 'never'), (error) => isNovaError(error, 'rate_limited'));
  await refused('eve');
  taken.push(take('ann', 'a1'), take('bob', 'b1'));
  await refused('joe');
  busy.resolve();
  await Promise.all(taken);
  assert.deepEqual(order, ['e0', 'e1', 'a1', 'b1', 'e2', 'e3']);
  await assert.rejects(
    turns.take('ann', () => Promise.reject(new Error('failed'))),
    /failed/,
  );
  await turns.take('ann', async () => undefined);
});

test('names that were tried are forgotten after a day, and the oldest beyond a bound', () => {
  using store = openServerStore(join(folder, 'bounded.sqlite'), join(folder, 'reserve'));
  const day = 24 * 3_600_000;
  for (let index = 0; index < 10_010; index++) store.putLoginFailures(`n${index}`, { count: 1, lastMs: day + index });
  store.putLoginFailures('old', { count: 9, lastMs: 1 });
  store.trim(day + 2);
  assert.equal(store.findLoginFailures('old'), null);
  assert.equal(store.findLoginFailures('n9'), null);
  assert.equal(store.findLoginFailures('n10')?.count, 1);
});

test('a store of the version before is brought up to date and keeps what it has', () => {
  const file = join(folder, 'before.sqlite');
  {
    using store = openServerStore(file, join(folder, 'reserve'));
    store.addUser({ username: 'ann', team: 'user:ann', role: 'user', createdAtMs: 1, password: 'x' });
  }
  const rest = {
    name: 'k',
    hash: 'x',
    scopes: [],
    createdAtMs: 1,
    expiresAtMs: null,
    lastUsedAtMs: null,
    revoked: false,
  };
  const keyBefore = (id: string, role: string): string => JSON.stringify({ id, role, ...rest });
  const db = new DatabaseSync(file);
  db.exec(`
    DROP TABLE previews; DROP TABLE forwards; DROP TABLE login_failures; ALTER TABLE answers DROP COLUMN principal;
    UPDATE users SET row = json_remove(row, '$.team');
    INSERT INTO keys VALUES ('a1', 'x', '${keyBefore('a1', 'user')}'), ('admin', 'y', '${keyBefore('admin', 'admin')}');
    PRAGMA user_version = 1;
  `);
  db.close();
  using store = openServerStore(file, join(folder, 'reserve'));
  assert.deepEqual([store.findUser('ann')?.role, store.findUser('ann')?.team], ['user', 'user:ann']);
  assert.deepEqual(
    store.keys().map(({ username, team }) => [username, team]),
    [
      [null, 'key:a1'],
      [null, null],
    ],
  );
  store.putLoginFailures('a', { count: 1, lastMs: 1 });
  assert.equal(store.findLoginFailures('a')?.count, 1);
});

test('a ticket is good once and for a while; the oldest give way', async () => {
  let now = 0;
  const tickets = createTickets(() => now);
  const local = async () => localPrincipal;
  const { ticket, seconds } = tickets.make(local);
  assert.equal(await tickets.redeem(`${ticket}x`), null);
  assert.equal(await tickets.redeem(ticket), localPrincipal);
  assert.equal(await tickets.redeem(ticket), null);
  const late = tickets.make(local).ticket;
  now = seconds * 1000;
  assert.equal(await tickets.redeem(late), null);
  const first = tickets.make(local).ticket;
  const rest = Array.from({ length: 10_000 }, () => tickets.make(local).ticket);
  assert.equal(await tickets.redeem(first), null);
  assert.equal(await tickets.redeem(rest[0] ?? ''), localPrincipal);
});

test('a ticket is worth no more than the credentials that asked for it', async () => {
  using store = openServerStore(join(folder, 'tickets.sqlite'), join(folder, 'reserve'));
  const keys = createKeys(store);
  const users = createUsers(store, newSecret(), createLockout(store, 3, 1000), 60);
  const auth = createAuth(keys, users, newSecret());
  const tickets = createTickets();
  const ticketOf = (credential: string): string =>
    tickets.make(() => auth.authenticate({ 'x-api-key': credential })).ticket;
  const { row, key } = keys.make({ name: 'a', role: 'user', scopes: [], expiresAtMs: null });
  const [used, revoked] = [ticketOf(key), ticketOf(key)];
  assert.equal((await tickets.redeem(used))?.name, `key:${row.id}`);
  keys.revoke(row.id);
  assert.equal(await tickets.redeem(revoked), null);
  await users.add('ann', 'a long password', 'user');
  const { token } = await users.logIn('ann', 'a long password', 'here');
  const ofAnn = ticketOf(token);
  await users.logOut(token);
  assert.equal(await tickets.redeem(ofAnn), null);
});

test('every wrong credential is refused in the same words', async () => {
  using store = openServerStore(join(folder, 'same.sqlite'), join(folder, 'reserve'));
  const auth = createAuth(
    createKeys(store),
    createUsers(store, newSecret(), createLockout(store, 3, 1000), 60),
    newSecret(),
  );
  const texts = new Set<string>();
  for (const headers of [
    {},
    { 'x-api-key': 'x' },
    { authorization: 'Bearer a.b.c' },
    { authorization: 'Basic eDp5' },
    { 'x-api-key': `nova_${digits}` },
  ]) {
    await auth.authenticate(headers).catch((error: Error) => texts.add(error.message));
  }
  assert.equal(texts.size, 1);
  assert.notEqual(auth.sandboxToken('a'), auth.trafficToken('a'));
  assert.equal(matches(undefined, 'x'), false);
  assert.equal(matches('x', 'x'), true);
});

test('a secret that others could read is closed again', () => {
  const file = join(folder, 'secret');
  writeFileSync(file, 'mine\n', { mode: 0o644 });
  assert.equal(
    secretFile(file, () => 'other'),
    'mine',
  );
  assert.equal(statSync(file).mode & 0o777, 0o600);
});

test('a store in use is not opened twice', () => {
  const file = join(folder, 'held.sqlite');
  using _held = openServerStore(file, join(folder, 'reserve'));
  assert.throws(
    () => openServerStore(file, join(folder, 'reserve')),
    (error) => isNovaError(error, 'set_up_failed'),
  );
});
