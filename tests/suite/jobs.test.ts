import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { runJobs, type Job } from './jobs.ts';

/** Jobs that record when they begin and end, and the most that ran at once. */
function recorder() {
  const said: string[] = [];
  const running = new Set<string>();
  let most = 0;
  const job = (name: string, options: Partial<Job> = {}): Job => ({
    name,
    phase: 'test',
    ...options,
    async run() {
      running.add(name);
      most = Math.max(most, running.size);
      said.push(`${name} beside ${running.size - 1}`);
      for (let turns = 0; turns < 5; turns++) await turn();
      running.delete(name);
      said.push(`${name} ended`);
    },
  });
  return { said, job, most: () => most };
}

test('jobs run side by side in their order, and no more of them than allowed', async () => {
  const { said, job, most } = recorder();
  const times = await runJobs([job('a'), job('b'), job('c'), job('d')], 2);
  assert.equal(most(), 2);
  assert.deepEqual(
    said.filter((line) => line.includes('beside')).map((line) => line[0]),
    ['a', 'b', 'c', 'd'],
  );
  assert.deepEqual(times.map(({ name }) => name).toSorted(), ['a', 'b', 'c', 'd']);
  assert.ok(times.every(({ fromMs, toMs }) => toMs >= fromMs));
});

test('a job that wants to be alone runs after all others, with nothing beside it', async () => {
  const { said, job } = recorder();
  await runJobs([job('x', { alone: true }), job('a'), job('y', { alone: true }), job('b')], 3);
  assert.deepEqual(said.slice(-4), ['x beside 0', 'x ended', 'y beside 0', 'y ended']);
});

test('one job at a time runs beside the others, and none beside one that is alone', async () => {
  const { said, job, most } = recorder();
  const beside = ['p', 'q', 'r', 's'].map((name) => job(name, { beside: true }));
  await runJobs([...beside, job('a'), job('b'), job('c'), job('x', { alone: true })], 2);
  assert.equal(most(), 3);
  const begun = said.filter((line) => line.includes('beside'));
  assert.deepEqual(begun.slice(0, 3), ['a beside 0', 'b beside 1', 'p beside 2']);
  assert.deepEqual(begun.slice(-1), ['x beside 0']);
});

test('jobs that run beside others run side by side where there are no others', async () => {
  const { job, most } = recorder();
  await runJobs(
    ['p', 'q', 'r', 's'].map((name) => job(name, { beside: true })),
    2,
  );
  assert.equal(most(), 2);
});

test('a job waits for what it comes after, and others go before it meanwhile', async () => {
  const { said, job } = recorder();
  const first = job('first');
  await runJobs([first, job('second', { after: [first] }), job('other')], 2);
  assert.ok(said.indexOf('first ended') < said.findIndex((line) => line.startsWith('second beside')));
  assert.ok(said.findIndex((line) => line.startsWith('other beside')) < said.indexOf('first ended'));
});

test('jobs that can never begin are told, and an error of a job ends the run', async () => {
  const { job } = recorder();
  const missing = job('missing');
  await assert.rejects(runJobs([job('a', { after: [missing] })], 2), /wait for each other: a/);
  const broken: Job = { ...job('broken'), run: () => Promise.reject(new Error('out of order')) };
  await assert.rejects(runJobs([broken, job('b')], 2), /out of order/);
});
