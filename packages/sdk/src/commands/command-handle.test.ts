import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { scriptedProcess } from './attached-process.test-support.ts';
import { CommandError } from './command-error.ts';
import { CommandHandle, type CommandOutput } from './command-handle.ts';

const open = (options: Partial<ConstructorParameters<typeof CommandHandle>[1]> = {}) => {
  const script = scriptedProcess();
  const handle = new CommandHandle(script.process, { command: '"test"', keepBytes: 1000, ...options });
  return { ...script, handle };
};

test('the result holds both streams and the exit code', async () => {
  const { handle, say, end } = open();
  await say('out');
  await say('err', 'stderr');
  end();
  const result = await handle.wait();
  assert.equal(result.stdout, 'out');
  assert.equal(result.stderr, 'err');
  assert.equal(result.exitCode, 0);
  assert.equal(result.stdoutTruncated, false);
});

test('characters cut anywhere reach the callback whole, and bytes that are none as U+FFFD', async () => {
  let seen = '';
  const { handle, say, end } = open({ onStdout: (text) => void (seen += text) });
  for (const byte of new TextEncoder().encode('añ€😀')) await say(Uint8Array.of(byte));
  await say(Uint8Array.of(0xff, 0x41, 0xe2, 0x82));
  end();
  const result = await handle.result();
  assert.equal(seen, 'añ€😀\ufffdA\ufffd');
  assert.equal(result.stdout, seen);
  assert.deepEqual(result.stdoutBytes.slice(-4), Uint8Array.of(0xff, 0x41, 0xe2, 0x82));
});

test('a failure throws with the result and the last words of stderr', async () => {
  const { handle, say, end } = open();
  await say('no such thing\n', 'stderr');
  end({ exitCode: 3 });
  await assert.rejects(handle.wait(), (error) => {
    assert.ok(error instanceof CommandError);
    assert.equal(error.code, 'command_failed');
    assert.equal(error.exitCode, 3);
    assert.equal(error.message, '"test" exited with 3: no such thing');
    return true;
  });
});

test('a command ended by its time limit throws command_timeout', async () => {
  const { handle, end } = open();
  end({ exitCode: 143, signal: 15, timedOut: true });
  await assert.rejects(handle.wait(), { code: 'command_timeout' });
});

test('the command waits for a slow callback', async () => {
  const gate = Promise.withResolvers<void>();
  const { handle, say, end } = open({ onStdout: () => gate.promise });
  await say('1');
  let second = false;
  const saying = say('2').then(() => (second = true));
  await turn();
  await turn();
  assert.equal(second, false);
  gate.resolve();
  await saying;
  end();
  assert.equal((await handle.result()).stdout, '12');
});

test('nobody has to read for the command to go on; a late reader gets what was kept, then what is new', async () => {
  const { handle, say, end } = open({ keepBytes: 4 });
  await say('abcdef');
  const seen: CommandOutput[] = [];
  const reading = (async () => {
    for await (const piece of handle) seen.push(piece);
  })();
  await turn();
  await say('gh');
  end();
  await reading;
  assert.equal(seen.map(({ text }) => text).join(''), 'cdefgh');
  assert.equal((await handle.result()).stdoutTruncated, true);
});

test('a reader sets the pace, and leaving it sets the command free', async () => {
  const { handle, say, end } = open();
  const iterator = handle[Symbol.asyncIterator]();
  const first = iterator.next();
  await say('1');
  await first;
  let taken = false;
  const saying = say('2')
    .then(() => say('3'))
    .then(() => (taken = true));
  for (let turns = 0; turns < 5; turns += 1) await turn();
  assert.equal(taken, false);
  await iterator.return();
  await saying;
  end();
  assert.equal((await handle.result()).stdout, '123');
});

test('disconnecting leaves the command and ends the waiting', async () => {
  const { handle, seen } = open();
  const waiting = assert.rejects(handle.wait(), { code: 'invalid_state' });
  await handle.disconnect();
  await waiting;
  assert.equal(seen.detached, true);
  assert.deepEqual(seen.signals, []);
});

test('a guest that is lost rejects, also when nobody waits yet', async () => {
  const { handle, lose } = open();
  lose(new Error('gone'));
  await turn();
  await assert.rejects(handle.wait(), /gone/);
  await assert.rejects(async () => {
    for await (const _ of handle);
  }, /gone/);
});

test('signals go by name with the numbers of Linux', async () => {
  const { handle, seen } = open();
  await handle.kill();
  await handle.kill('SIGUSR1');
  await handle.kill(2);
  assert.deepEqual(seen.signals, [9, 10, 2]);
  await assert.rejects(async () => handle.kill(0), { code: 'invalid_argument' });
});
