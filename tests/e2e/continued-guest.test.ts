import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { after, before, test } from 'node:test';
import { isNovaError } from '@novasandbox/protocol';
import { openSession, type AttachedProcess, type SnapshotFiles } from '@novasandbox/engine';
import { hookFolder, hooks, innerProgram, makeInnerNetwork, program } from '../support/continued-programs.ts';
import { eventually } from '../support/eventually.ts';
import {
  callTimeoutMs,
  childIdentity,
  conversation,
  liveGuests,
  shell,
  type Conversation,
  type LiveGuest,
  type LiveGuests,
} from '../support/live-guests.ts';

/**
 * Guests that go on from one snapshot of a running guest, as the driver makes them and the agent configures them. The
 * parent runs on. Its programs are in the middle of conversations, and so are its clients.
 */

const kept = 'fine fine fine';

const server = createServer((visitor) => {
  visitor.on('error', () => undefined);
  visitor.pipe(visitor);
});
let guests: LiveGuests;
let parent: LiveGuest;
let snapshot: SnapshotFiles;
let command: AttachedProcess;
let talk: Conversation;
let terminal: number;
let flooding: readonly number[];
let container: number;
let detached: number;

before(async () => {
  await once(server.listen(0, '127.0.0.1'), 'listening');
  guests = await liveGuests();
  parent = await guests.boot();
  const { agent, machine } = parent;

  const argv = ['python3', '-c', program((server.address() as AddressInfo).port)];
  command = await agent.exec({ argv, stdin: true, waitMs: 10_000, tag: 'program' });
  talk = conversation(command);
  const [, inside, ...answers] = (await talk.until('ready')).split(' ');
  assert.deepEqual(answers, ['fine', 'fine', 'fine', 'fine']);
  await shell(agent, makeInnerNetwork);
  const inner = ['ip', 'netns', 'exec', 'inner', 'python3', '-c', innerProgram(Number(inside))];
  const contained = await agent.exec({ argv: inner, stdin: true, user: 'root' });
  container = contained.execId;
  assert.equal(await conversation(contained).until('ready'), 'ready fine fine');
  await shell(agent, 'ip addr del 10.99.0.3/24 dev outer');
  const shellInTerminal = await agent.exec({ argv: ['bash'], pty: { cols: 80, rows: 24 }, waitMs: 10_000 });
  terminal = shellInTerminal.execId;
  assert.match(await conversation(shellInTerminal).ask('kept=tilltheend; echo $((6 * 7))', '42'), /42/);
  detached = (await agent.execDetached({ argv: ['sleep', '100000'] })).execId;

  // A client of the second channel reads nothing, until QEMU and the guest wait for it.
  const full = await machine.connect(1, {});
  const slow = await openSession(full, { flush: true, timeoutMs: callTimeoutMs });
  const flood = ['sh', '-c', 'read go; yes | head -c 600000; exec sleep 100000'];
  const start = (): Promise<AttachedProcess> => slow.exec({ argv: flood, stdin: true, waitMs: 10_000 });
  const floods = [await start(), await start(), await start(), await start()];
  full.pause();
  for (const each of floods) await each.writeStdin(Buffer.from('go\n'));
  flooding = floods.map(({ execId }) => execId);
  const stands = async (): Promise<boolean> =>
    /^(?:S\S*\s+){4}$/.test(await shell(agent, 'ps -o stat= -C head || true'));
  await eventually('the floods stand still', stands);

  // That of the third stops in the middle of a frame, which is the upload of a file.
  const torn = await machine.connect(2, {});
  await openSession(torn, { flush: true, timeoutMs: callTimeoutMs });
  torn.write(Buffer.concat([Buffer.from([0, 0x40, 0, 0, 2, 1, 0, 0, 0, 0]), Buffer.alloc(5000, 0x41)]));
  await shell(agent, 'true');

  await agent.makeDirectory(hookFolder, {});
  for (const [name, script] of Object.entries(hooks)) {
    const source = [Buffer.from(`#!/bin/sh\n${script}\n`)];
    await agent.writeFile(`${hookFolder}/${name}`, source, { mode: name === 'README' ? 0o644 : 0o755, user: 'root' });
  }

  snapshot = await guests.snapshot(parent);
});

after(async () => {
  await parent?.[Symbol.asyncDispose]();
  server.close();
  await guests?.[Symbol.asyncDispose]();
});

const attach = async ({ agent }: LiveGuest, execId = command.execId): Promise<Conversation> =>
  conversation(await agent.attach(execId, { stdout: null, stderr: null, stdin: true }));

test('commands and terminals go on in a child and can be attached to, whatever their clients were doing', async () => {
  await using child = await guests.restore(snapshot);
  const { agent, machine } = child;
  await agent.configure({ ...childIdentity('alpha'), deadlineMs: 3_600_000 });
  assert.notEqual(await agent.deadline(undefined), null);
  assert.equal(await parent.agent.deadline(undefined), null);
  const running = (await agent.processes()).filter((each) => each.running).map(({ execId }) => execId);
  assert.deepEqual(running, [command.execId, container, terminal, detached, ...flooding]);

  assert.match(await (await attach(child)).ask('go'), /^answer 1 /);
  assert.match(await (await attach(child, terminal)).ask('echo $kept $((7 * 9))', '63'), /tilltheend 63/);

  for (const channel of [1, 2]) {
    const session = await openSession(await machine.connect(channel, {}), { flush: true, timeoutMs: callTimeoutMs });
    const flood = await session.attach(flooding[0] ?? 0, { stdout: 0, stderr: null });
    assert.equal(await conversation(flood).until('y'), 'y');
    await session.close();
  }
});

test('a child cuts its connections to others and keeps its own; the parent keeps all', async () => {
  await using child = await guests.restore(snapshot);
  await child.agent.configure(childIdentity('beta'));
  const error = 'ConnectionAbortedError';
  assert.match(await (await attach(child)).ask('go'), new RegExp(`^answer 1 ${kept} ${error} ${error} cut fine `));
  assert.match(await talk.ask('go'), new RegExp(`^answer \\d+ ${kept} fine fine fine fine `));
  assert.equal(await (await attach(child, container)).ask('both'), `answer fine ${error}`);

  await using uncut = await guests.restore(snapshot);
  await uncut.agent.configure(childIdentity('gamma', { cutConnections: false }));
  // Nobody is at the other end of its connections: QEMU's user-mode network has begun anew.
  const alone = '(TimeoutError|ConnectionResetError)';
  assert.match(await (await attach(uncut)).ask('go'), new RegExp(`^answer 1 ${kept} ${alone} ${alone} fine fine `));
});

test('children share no random numbers, also of a program with a hook, no names and no generation; the clock is right', async () => {
  const seen = new Set<string>();
  const note = async ({ agent }: LiveGuest, answer: string): Promise<void> => {
    const printed = await shell(
      agent,
      'hostname; cat /etc/machine-id /proc/sys/kernel/random/boot_id /run/nova/generation /proc/sys/kernel/random/uuid',
    );
    const lines = printed.trim().split('\n');
    assert.equal(lines.length, 5, printed);
    // The generation of the parent, which continues nobody, is its boot id.
    for (const each of new Set([...lines, ...answer.split(' ').slice(-3)])) {
      assert.ok(each.length >= 3 && !seen.has(each), `two have ${each}`);
      seen.add(each);
    }
  };
  await note(parent, await talk.ask('go'));
  const bootId = await shell(parent.agent, 'cat /proc/sys/kernel/random/boot_id');
  assert.equal(await shell(parent.agent, 'cat /run/nova/generation'), bootId);
  for (const name of ['delta', 'epsilon']) {
    await using child = await guests.restore(snapshot);
    const before = Date.now();
    await child.agent.configure(childIdentity(name));
    const { wallClockNs, uptimeMs } = await child.agent.info();
    // The parent has been running on since the snapshot.
    assert.ok(uptimeMs < (await parent.agent.info()).uptimeMs - 1000, `up for ${uptimeMs} ms`);
    const wallClockMs = Number(wallClockNs / 1_000_000n);
    assert.ok(wallClockMs >= before - 1000 && wallClockMs <= Date.now() + 1000, `${wallClockMs} against ${before}`);
    await note(child, await (await attach(child)).ask('go'));
    const mode = await shell(child.agent, 'stat -c "%a %U" /run/nova/generation; cat /run/nova/generation');
    assert.equal(mode, `644 root\nof-${name}\n`);
  }
});

test('a guest whose random number generator takes no seed is refused', async () => {
  await using child = await guests.restore(snapshot);
  const { agent } = child;
  await shell(agent, 'mount --bind /dev/zero /dev/urandom');
  await assert.rejects(
    agent.configure(childIdentity('lambda')),
    (error) => isNovaError(error, 'internal') && error.message.startsWith('entropy: '),
  );
  assert.notEqual(await shell(agent, 'cat /run/nova/generation'), 'of-lambda\n');
});

test('a program with random numbers of its own repeats them in every child, unless a hook tells it', async () => {
  const numbers: string[][] = [];
  for (const name of ['zeta', 'eta']) {
    await using child = await guests.restore(snapshot);
    await child.agent.configure(childIdentity(name, { generation: `unhooked-${name}` }));
    numbers.push((await (await attach(child)).ask('go')).split(' ').slice(-3));
  }
  // Of the kernel, of Python, of OpenSSL.
  assert.deepEqual(
    numbers[0]?.map((number, at) => number === numbers[1]?.[at]),
    [false, true, true],
  );
});

test('hooks run in order as root before the guest is confirmed, and in no other guest', async () => {
  await using child = await guests.restore(snapshot);
  const { agent } = child;
  await agent.configure(childIdentity('theta'));
  assert.equal(await shell(agent, 'cat /run/noted'), 'of-theta theta parent 0 /\nlast\n');
  assert.ok((await agent.processes()).every(({ argv }) => argv[0]?.startsWith(hookFolder) !== true));
  await assert.rejects(shell(parent.agent, 'cat /run/noted'), /No such file/);
});

test('a hook that fails, hangs, or could be written by others is an error that names it, and nothing of it is left', async () => {
  await using child = await guests.restore(snapshot);
  const { agent } = child;
  const refused =
    (hook: string, why: RegExp, output: string) =>
    (error: unknown): boolean => {
      assert.ok(isNovaError(error, 'hook_failed'), String(error));
      assert.match(error.message, why);
      assert.deepEqual([error.details['program'], error.details['output']], [`${hookFolder}/${hook}`, output]);
      return true;
    };
  await assert.rejects(
    agent.configure(childIdentity('iota', { generation: 'failing' })),
    refused(
      '30-verdict',
      /^\/etc\/nova\/fork\.d\/30-verdict: ended with exit code 3$/,
      'the vault is locked\nno key\n',
    ),
  );
  const hanging = 'waiting for the vault\n';
  await assert.rejects(
    agent.configure(childIdentity('iota', { generation: 'slow' })),
    refused('30-verdict', /was not done 30 s after/, hanging),
  );
  const none = async (): Promise<boolean> => (await shell(agent, 'pgrep -fc "^sleep 200000" || true')) === '0\n';
  await eventually('the hook that hung has ended', none);

  const abort = new AbortController();
  const given = assert.rejects(
    agent.configure(childIdentity('iota', { generation: 'slower-still' }), { signal: abort.signal }),
    (error) => isNovaError(error, 'cancelled'),
  );
  await eventually('the hook hangs', async () => !(await none()));
  abort.abort();
  await given;
  await eventually('the hook that was given up has ended', none);
  assert.doesNotMatch(await shell(agent, 'cat /run/noted'), /last/);

  await shell(agent, `chmod 775 ${hookFolder}/10-note`);
  await assert.rejects(agent.configure(childIdentity('kappa')), refused('10-note', /others than root/, ''));
  await shell(agent, `chmod 755 ${hookFolder}/10-note; chown 1000 ${hookFolder}`);
  await assert.rejects(
    agent.configure(childIdentity('kappa')),
    (error) => isNovaError(error, 'hook_failed') && error.details['program'] === hookFolder,
  );
  await shell(agent, `rm -r ${hookFolder}`);
  await agent.configure(childIdentity('kappa'));
});
