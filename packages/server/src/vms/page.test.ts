import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { SandboxInfo } from '@novasandbox/protocol';
import { listVmsQuerySchema } from '@novasandbox/protocol/api';
import { pageOfVms } from './page.ts';

const info = (id: string, state: SandboxInfo['state'] = 'running', labels = {}): SandboxInfo =>
  ({
    id,
    name: id,
    state,
    labels,
    createdAt: `2026-01-0${id.length}T00:00:00Z`,
    metadata: {},
    volumes: [],
  }) as unknown as SandboxInfo;
const page = (infos: SandboxInfo[], query: Record<string, unknown>) =>
  pageOfVms(infos, listVmsQuerySchema.parse(query));

test('pages go on after the last one shown, whatever came or went meanwhile', () => {
  const first = page([info('a'), info('c'), info('e')], { limit: 2, sort: 'name' });
  assert.deepEqual(
    first.vms.map(({ id }) => id),
    ['a', 'c'],
  );
  const second = page([info('b'), info('d'), info('e')], { limit: 2, sort: 'name', cursor: first.next_cursor });
  assert.deepEqual([second.vms.map(({ id }) => id), second.next_cursor], [['d', 'e'], null]);
  const back = page([info('a'), info('c'), info('e')], { limit: 1, sort: 'name', order: 'desc' });
  assert.deepEqual(
    page([info('a'), info('c'), info('e')], { sort: 'name', order: 'desc', cursor: back.next_cursor }).vms.map(
      ({ id }) => id,
    ),
    ['c', 'a'],
  );
});

test('filters, and cursors that are not ours', () => {
  const all = [info('a', 'running', { x: '1' }), info('b', 'stopped'), info('c', 'paused')];
  assert.equal(page(all, {}).total, 2);
  assert.equal(page(all, { status: 'all' }).total, 3);
  assert.equal(page([...all, info('d', 'stopping')], {}).total, 3);
  assert.equal(page([...all, info('d', 'stopping')], { status: 'stopping' }).total, 1);
  assert.equal(page(all, { label: 'x=1' }).total, 1);
  assert.equal(page(all, { os_type: 'windows' }).total, 0);
  for (const query of [
    { status: 'odd' },
    { label: 'x' },
    { cursor: 'zzz' },
    { cursor: page(all, { limit: 1 }).next_cursor, sort: 'name' },
  ]) {
    assert.throws(() => page(all, query), /invalid_argument|status|label|cursor/);
  }
});
