import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { isNovaError } from '@novasandbox/protocol';
import { openServerStore } from '../store/server-store.ts';
import { createIdempotency } from './idempotency.ts';

test('done once for one key; another body is a conflict; what failed may be tried again', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'nova-idempotency-'));
  try {
    using store = openServerStore(join(folder, 'db'), join(folder, 'reserve'));
    const idempotency = createIdempotency(store);
    let done = 0;
    const work = async (): Promise<{ status: number; body: string }> => {
      done += 1;
      await new Promise((resolve) => setTimeout(resolve, 10));
      return { status: 201, body: `"${done}"` };
    };
    const request = { principal: 'p', operation: 'o', key: 'k', content: { a: 1 } };
    const both = await Promise.all([idempotency.answer(request, work), idempotency.answer(request, work)]);
    assert.deepEqual(
      both.map(({ body, replayed }) => [body, replayed]),
      [
        ['"1"', false],
        ['"1"', true],
      ],
    );
    assert.equal((await idempotency.answer(request, work)).body, '"1"');
    await assert.rejects(idempotency.answer({ ...request, content: { a: 2 } }, work), (error) =>
      isNovaError(error, 'idempotency_conflict'),
    );
    // The same key of another principal is another key.
    assert.equal((await idempotency.answer({ ...request, principal: 'q' }, work)).body, '"2"');
    const failing = { ...request, key: 'f' };
    await assert.rejects(idempotency.answer(failing, () => Promise.reject(new Error('no'))));
    assert.equal((await idempotency.answer(failing, work)).body, '"3"');
    await assert.rejects(idempotency.answer({ ...request, key: 'with space' }, work), (error) =>
      isNovaError(error, 'invalid_argument'),
    );
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

test('what a killed daemon has made is found by the id that was kept before; where there is none it is made', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'nova-idempotency-'));
  try {
    const file = join(folder, 'db');
    const request = { principal: 'p', operation: 'o', key: 'k', content: { a: 1 } };
    const things = new Set<string>();
    const answer = (id: string): { status: number; body: string } => ({ status: 201, body: id });
    const find = async (id: string): Promise<{ status: number; body: string } | null> =>
      things.has(id) ? answer(id) : null;
    const killedAfter = async (makes: boolean): Promise<string> => {
      let made = '';
      using store = openServerStore(file, join(folder, 'reserve'));
      const waiting = Promise.withResolvers<void>();
      const never = createIdempotency(store).answerWith(
        request,
        (id) => {
          made = id;
          if (makes) things.add(id);
          waiting.resolve();
          return new Promise(() => undefined);
        },
        find,
      );
      never.catch(() => undefined);
      await waiting.promise;
      return made;
    };
    const [nothing, first] = [await killedAfter(false), await killedAfter(true)];
    assert.notEqual(nothing, first);
    using store = openServerStore(file, join(folder, 'reserve'));
    const idempotency = createIdempotency(store);
    const make = async (id: string): Promise<{ status: number; body: string }> => {
      things.add(id);
      return answer(id);
    };
    const other = { ...request, content: { a: 2 } };
    await assert.rejects(idempotency.answerWith(other, make, find), { code: 'idempotency_conflict' });
    for (let round = 0; round < 2; round++)
      assert.deepEqual(await idempotency.answerWith(request, make, find), { ...answer(first), replayed: true });
    assert.equal(things.size, 1);
    const second = { ...request, key: 'k2' };
    const lost = createIdempotency(store).answerWith(
      second,
      (_id, onOtherId) => {
        onOtherId('other');
        things.add('other');
        return new Promise(() => undefined);
      },
      find,
    );
    lost.catch(() => undefined);
    assert.deepEqual(await createIdempotency(store).answerWith(second, make, find), {
      ...answer('other'),
      replayed: true,
    });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
