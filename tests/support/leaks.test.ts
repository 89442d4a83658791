import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, before, test } from 'node:test';
import { until } from './nova-cli.ts';
import { whyNoSlots } from './slots.ts';

const skip = await whyNoSlots();

/**
 * A host of its own (network, /run): on this one, any engine that starts clears up the leftovers of others' networks.
 */
let host: ChildProcess | null = null;
before(async () => {
  if (skip !== false) return;
  const script = 'mount -t tmpfs tmpfs /run && ip link set lo up && echo ready && read end';
  const argv = ['--net', '--mount', '--propagation', 'private', '/bin/sh', '-c', script];
  host = spawn('unshare', argv, { stdio: ['pipe', 'pipe', 'inherit'] });
  await until(host.stdout, 'ready');
});
after(async () => {
  if (host === null) return;
  const ended = once(host, 'exit');
  host.stdin?.end();
  await ended;
});

/** A test file that leaves something behind; `next` lets it continue and resolves to its output. */
function startFile(leak: string) {
  const file = join(import.meta.dirname, 'leaking-file.ts');
  const enter = [`--target=${host?.pid}`, '--net', '--mount'];
  const argv = [...enter, process.execPath, '--disable-warning=ExperimentalWarning', file, leak];
  const child = spawn('nsenter', argv, { stdio: ['pipe', 'pipe', 'inherit'] });
  const ended = once(child, 'exit');
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const said = async (): Promise<string> => {
    const { done, value } = await lines.next();
    return done === true ? 'it ended' : (JSON.parse(value) as string);
  };
  return {
    said,
    next: () => {
      child.stdin.write('\n');
      return said();
    },
    end: async () => {
      child.stdin.end('\n\n\n');
      await ended;
    },
  };
}

/** The leaks, and the expected report of each. */
const leaks: Readonly<Record<string, RegExp>> = {
  process: /process \d+: qemu-system-aarch64/,
  'socket folder': /socket folder: .*leak\d+/,
  'sandbox folder': /sandbox folder: .*leak\d+/,
  'empty cgroup': /empty cgroup: .*leak\d+/,
  mount: /mount: .*mounted/,
  'network slot': /network slot \d+, held/,
  namespace: /network of nobody: nova-\d+/,
  'ready slot': /network of nobody: slot \d+, ready/,
};

for (const [leak, message] of Object.entries(leaks)) {
  test(`${leak}: the file that left it behind fails, and one that runs beside it does not`, { skip }, async () => {
    const [guilty, other] = [startFile(leak), startFile('nothing')];
    try {
      assert.deepEqual([await guilty.said(), await other.said()], ['begun', 'begun']);
      assert.deepEqual([await guilty.next(), await other.next()], ['made', 'made']);
      const [found, foundByOther] = await Promise.all([guilty.next(), other.next()]);
      assert.match(found, message);
      assert.equal(foundByOther, 'nothing');
    } finally {
      await Promise.all([guilty.end(), other.end()]);
    }
  });
}

test('a half-made thing in the work folder, which files share, fails those that ran beside it', { skip }, async () => {
  const [guilty, other] = [startFile('half-made thing'), startFile('nothing')];
  try {
    await Promise.all([guilty.said(), other.said()]);
    assert.deepEqual([await guilty.next(), await other.next()], ['made', 'made']);
    for (const found of await Promise.all([guilty.next(), other.next()]))
      assert.match(found, /half-made thing: .*leak/);
  } finally {
    await Promise.all([guilty.end(), other.end()]);
  }
});
