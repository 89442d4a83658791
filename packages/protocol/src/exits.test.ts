import assert from 'node:assert/strict';
import { constants } from 'node:os';
import { test } from 'node:test';
import { isNovaError } from './errors.ts';
import { describeEnd, endWireOf, exitOfWire, exitStatusOf, exitWireOf, goEndOf, type Exit } from './exits.ts';
import { signalName, signalNumber } from './signals.ts';

const usage = { stdoutBytes: 1, stderrBytes: 2, userUs: 3, systemUs: 4, maxRssKb: 5, wallUs: 6 };
const exit = (end: Partial<Exit>): Exit => ({
  ...{ exitCode: 0, signal: null, timedOut: false, oomKilled: false },
  ...usage,
  ...end,
});

test('the end of a process is told alike by every way in', () => {
  const failed = exit({ exitCode: 3 });
  assert.deepEqual(endWireOf(failed), { exit_code: 3, signal: null, timed_out: false, oom_killed: false });
  assert.equal(exitStatusOf(failed), 3);
  assert.equal(describeEnd(failed, 1), 'exited with 3');
  assert.deepEqual(goEndOf(failed), { exitCode: 3, exited: true, status: 'exit status 3', failed: true });
  assert.equal(goEndOf(exit({})).failed, false);

  const killed = exit({ exitCode: 137, signal: 9 });
  assert.equal(exitStatusOf(killed), 137);
  assert.equal(describeEnd(killed, 1), 'was ended by SIGKILL');
  assert.deepEqual(goEndOf(killed), { exitCode: -1, exited: false, status: 'signal: killed', failed: true });
  assert.equal(goEndOf(exit({ exitCode: 162, signal: 34 })).status, 'signal: signal 34');
  assert.match(describeEnd(exit({ signal: 9, oomKilled: true }), 1), /ran out of memory/);

  const late = exit({ exitCode: 143, signal: 15, timedOut: true });
  assert.equal(exitStatusOf(late), 124);
  assert.equal(describeEnd(late, 12.6), 'was ended by its time limit after 13 ms');
  for (const each of [failed, killed, late]) assert.deepEqual(exitOfWire(exitWireOf(each)), each);
});

test('signals have the numbers that Linux gives them', { skip: process.platform !== 'linux' }, () => {
  for (const [name, number] of Object.entries(constants.signals)) assert.equal(signalNumber(name), number, name);
});

test('signals are named with and without SIG, or numbered', () => {
  assert.deepEqual(
    [signalNumber('SIGTERM'), signalNumber('TERM'), signalNumber(15), signalNumber(64)],
    [15, 15, 15, 64],
  );
  assert.deepEqual([signalName(6), signalName(9), signalName(40)], ['SIGABRT', 'SIGKILL', 'signal 40']);
  for (const wrong of ['SIGNOTHING', 'term', 'toString', '', 0, 65, 1.5])
    assert.throws(
      () => signalNumber(wrong),
      (error) => isNovaError(error, 'invalid_argument') && error.message.startsWith('signal: '),
      String(wrong),
    );
});
