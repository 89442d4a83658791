import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { NovaError } from '@novasandbox/protocol';
import type { Forked } from './fork.ts';
import { race, type RaceOptions } from './race.ts';

class FakeChild implements AsyncDisposable {
  readonly id: string;
  removed = false;
  stays = false;

  constructor(index: number) {
    this.id = `child${index}`;
  }

  async kill(): Promise<void> {
    if (this.stays) throw new NovaError('server_unreachable', 'The daemon is gone.');
    this.removed = true;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.kill();
  }
}

const childrenOf = (count: number): FakeChild[] => Array.from({ length: count }, (_, index) => new FakeChild(index));

function raceOf<T>(children: readonly FakeChild[], options: RaceOptions<FakeChild, T>) {
  const forks: Forked<FakeChild>[] = children.map((sandbox) => ({ sandbox, error: null }));
  return race(async () => forks, options);
}

/** Work that goes on until its branch is ended. */
const endless = (_child: FakeChild, _index: number, signal: AbortSignal): Promise<number> =>
  once(signal, 'abort').then(() => Promise.reject(new Error('noticed')));

const unremoved = (children: readonly FakeChild[]): string[] =>
  children.filter(({ removed }) => !removed).map(({ id }) => id);

test('the highest score wins, the others are removed, and disposing removes the winner', async () => {
  const children = childrenOf(3);
  {
    await using best = await raceOf(children, {
      run: (child, index) => `${child.id} ${index}`,
      score: async (_result, _child, index) => [3, 7, 5][index] ?? 0,
    });
    assert.deepEqual([best.sandbox.id, best.index, best.result, best.score], ['child1', 1, 'child1 1', 7]);
    assert.deepEqual(
      best.branches.map(({ index, result, score, error, sandbox }) => [index, result, score, error, sandbox?.id]),
      [
        [0, 'child0 0', 3, null, undefined],
        [1, 'child1 1', 7, null, 'child1'],
        [2, 'child2 2', 5, null, undefined],
      ],
    );
    assert.deepEqual(unremoved(children), ['child1']);
  }
  assert.deepEqual(unremoved(children), []);
});

test('of equal scores the lower index wins, whichever came first', async () => {
  const children = childrenOf(2);
  const second = Promise.withResolvers<void>();
  const best = await raceOf(children, {
    run: async (_child, index) => {
      if (index === 0) await second.promise;
      return index;
    },
    score: (index) => {
      if (index === 1) second.resolve();
      return 1;
    },
  });
  assert.equal(best.index, 0);
  assert.deepEqual(unremoved(children), ['child0']);
});

test('a child that can no longer win is removed while others still run', async () => {
  const children = childrenOf(3);
  const others = Promise.withResolvers<void>();
  const racing = raceOf(children, {
    run: async (_child, index) => {
      if (index === 2) await others.promise;
      if (index === 1) throw new Error('failed at once');
      return index;
    },
    score: (index) => -index,
  });
  while (children[1]?.removed !== true) await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(unremoved(children), ['child0', 'child2']);
  others.resolve();
  assert.equal((await racing).index, 0);
});

test('branches that throw, whose score throws or is no number, and that got no child, only lose', async () => {
  const children = childrenOf(4);
  const full = new NovaError('host_resource_exhausted', 'full');
  const forks: Forked<FakeChild>[] = [
    { sandbox: null, error: full },
    ...children.map((sandbox) => ({ sandbox, error: null })),
  ];
  const failed = new Error('no luck');
  const best = await race(async () => forks, {
    run: (_child, index) => {
      if (index === 1) throw failed;
      return index;
    },
    score: (index) => {
      if (index === 2) throw failed;
      return index === 3 ? Number.NaN : index;
    },
  });
  assert.equal(best.index, 4);
  const [first, second, third, fourth] = best.branches;
  assert.equal(first?.error, full);
  assert.deepEqual([second?.error, second?.result, third?.error, third?.result], [failed, undefined, failed, 2]);
  assert.match(String(fourth?.error), /score: NaN is not a number/);
  assert.deepEqual(unremoved(children), ['child3']);
});

test('when no branch comes to a score, the errors of all are thrown and nothing is left', async () => {
  const children = childrenOf(2);
  const racing = raceOf(children, {
    run: (_child, index) => Promise.reject(new Error(`no luck ${index}`)),
    score: () => 1,
  });
  await assert.rejects(racing, (error) => {
    assert.ok(error instanceof AggregateError);
    assert.match(error.message, /None of 2 branches .*no luck 0/);
    assert.deepEqual(error.errors.map(String), ['Error: no luck 0', 'Error: no luck 1']);
    return true;
  });
  assert.deepEqual(unremoved(children), []);
});

test('a branch that takes too long is ended, also one that does not notice', async () => {
  const children = childrenOf(3);
  const best = await raceOf(children, {
    timeoutMs: 50,
    run: (child, index, signal) => {
      if (index === 0) return endless(child, index, signal);
      return index === 1 ? new Promise<number>(() => undefined) : index;
    },
    score: (result) => result,
  });
  assert.equal(best.index, 2);
  for (const { error } of best.branches.slice(0, 2)) {
    assert.ok(error instanceof NovaError);
    assert.equal(error.code, 'command_timeout');
  }
  assert.deepEqual(unremoved(children), ['child2']);
});

test('a score that takes too long is ended too', async () => {
  const children = childrenOf(1);
  const racing = raceOf(children, { timeoutMs: 20, run: () => 1, score: () => new Promise<number>(() => undefined) });
  await assert.rejects(racing, /longer than 20 ms/);
  assert.deepEqual(unremoved(children), []);
});

test('`until` ends the other branches', async () => {
  const children = childrenOf(3);
  const best = await raceOf(children, {
    run: (child, index, signal) => (index === 1 ? 10 : endless(child, index, signal)),
    score: (result) => result,
    until: (score) => score >= 10,
  });
  assert.equal(best.index, 1);
  assert.match(String(best.branches[0]?.error), /Branch 1 has ended the race/);
  assert.deepEqual(unremoved(children), ['child1']);
});

test('an `until` that throws costs its branch the race', async () => {
  const children = childrenOf(1);
  const racing = raceOf(children, {
    run: () => 1,
    score: () => 1,
    until: () => {
      throw new Error('cannot tell');
    },
  });
  await assert.rejects(racing, /cannot tell/);
  assert.deepEqual(unremoved(children), []);
});

test('a caller who gives up leaves nothing: before, while and after the branches run', async () => {
  const gone = AbortSignal.abort();
  const never = () => assert.fail('it was called');
  await assert.rejects(race(never, { run: never, score: never, signal: gone }), { code: 'cancelled' });

  for (const at of ['fork', 'run', 'score'] as const) {
    const children = childrenOf(2);
    const caller = new AbortController();
    const racing = race(
      async () => {
        if (at === 'fork') caller.abort();
        return children.map((sandbox) => ({ sandbox, error: null }));
      },
      {
        signal: caller.signal,
        run: (child, index, signal) => {
          if (at !== 'run') return 1;
          if (index === 1) setImmediate(() => caller.abort());
          return endless(child, index, signal);
        },
        score: (_result, _child, index) => {
          if (index === 1) caller.abort();
          return 1;
        },
      },
    );
    await assert.rejects(racing, { code: 'cancelled' }, at);
    assert.deepEqual(unremoved(children), [], at);
  }
});

test('a child that cannot be removed is not lost: the branch has it, or the error names it', async () => {
  const children = childrenOf(2);
  const [loser, winner] = children as [FakeChild, FakeChild];
  loser.stays = true;
  {
    await using best = await raceOf(children, { run: (_child, index) => index, score: (index) => index });
    assert.equal(best.branches[0]?.sandbox, loser);
    assert.equal(best.sandbox, winner);
    loser.stays = false;
  }
  assert.deepEqual(unremoved(children), []);

  const [stuck] = childrenOf(1) as [FakeChild];
  stuck.stays = true;
  const racing = raceOf([stuck], { run: () => Promise.reject(new Error('no luck')), score: () => 1 });
  await assert.rejects(racing, /no luck.*could not be removed: child0/);
});

test('a time limit is checked before anything is made', async () => {
  const never = () => assert.fail('it was called');
  for (const timeoutMs of [0, -1, Number.NaN, 2 ** 31]) {
    await assert.rejects(race(never, { run: never, score: never, timeoutMs }), { code: 'invalid_argument' });
  }
});
