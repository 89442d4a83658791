import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { createLauncher, LaunchFailure, quote, quoted } from './launcher.ts';
import { findProgram } from './confine.ts';
import { identify, isAlive } from './process-identity.ts';
import { terminate, waitForEnd } from './terminate.ts';

const skip = findProgram('setpriv') === null ? 'there is no setpriv' : false;
const pathOfThis = join(import.meta.dirname, 'launcher.ts');

function folder(): { readonly path: string } & Disposable {
  const path = mkdtempSync(join(tmpdir(), "nova launcher' test-"));
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true }) };
}

/** Waits until the process is a program other than the shell it was. */
async function becomes(pid: number, program: string): Promise<void> {
  const end = performance.now() + 30_000;
  while (!readFileSync(`/proc/${pid}/cmdline`, 'utf8').startsWith(program)) {
    assert.ok(performance.now() < end, `${pid} never became ${program}`);
    await new Promise(setImmediate);
  }
}

test('what is started is that very process, nobody’s child, and outlives the launcher', { skip }, async () => {
  const launcher = createLauncher();
  const pid = await launcher.start('exec sleep 1000');
  const identity = identify(pid);
  assert.ok(identity !== null);
  await becomes(pid, 'sleep\0');
  await launcher[Symbol.asyncDispose]();
  assert.ok(isAlive(identity));
  assert.ok(
    !readFileSync(`/proc/${process.pid}/task/${process.pid}/children`, 'utf8').split(' ').includes(String(pid)),
  );
  await terminate(identity, 0);
});

test('a program that says the pid of another is believed, and one that fails before has none', { skip }, async () => {
  await using launcher = createLauncher();
  const says = `exec >/dev/null 2>&1\nexec /bin/sh -c 'sleep 1000 9>&- & echo $! >&9'`;
  const pid = await launcher.start(says, { saysPid: true });
  const identity = identify(pid);
  assert.ok(identity !== null);
  await becomes(pid, 'sleep\0');
  await terminate(identity, 0);
  assert.equal(await launcher.start('exec >/dev/null 2>&1\nexit 3', { saysPid: true }), 0);
});

test('words reach a program as they are', { skip }, async () => {
  await using launcher = createLauncher();
  using within = folder();
  const words = ['', "it's", '$HOME `id` "x" \\', 'two\nlines', '*', 'ě'];
  const file = join(within.path, 'words');
  await launcher.run(`printf '%s\\0' ${quoted(words)} >${quote(file)}`);
  assert.deepEqual(readFileSync(file, 'utf8').split('\0').slice(0, -1), words);
});

test(
  'scripts run side by side; one that fails tells its code and what was said, and stops there',
  { skip },
  async () => {
    await using launcher = createLauncher();
    using within = folder();
    const file = quote(join(within.path, 'reached'));
    const outcomes = await Promise.allSettled([
      launcher.run(':'),
      launcher.run(`echo too bad >&2; (exit 7); echo >${file}`),
      launcher.run('true\nfalse || :'),
    ]);
    assert.deepEqual(
      outcomes.map(({ status }) => status),
      ['fulfilled', 'rejected', 'fulfilled'],
    );
    const { reason } = outcomes[1] as PromiseRejectedResult;
    assert.ok(reason instanceof LaunchFailure);
    assert.match(reason.message, /7: .*too bad/);
    assert.throws(() => readFileSync(join(within.path, 'reached')));
  },
);

test('a launcher whose shell was killed fails what is under way, and serves what comes next', { skip }, async () => {
  await using launcher = createLauncher();
  using within = folder();
  const file = join(within.path, 'pid');
  // Only the shell's own children know its pid.
  const running = launcher.run(`echo $PPID >${quote(file)}\nkill -KILL $PPID\nsleep 1000`);
  await assert.rejects(running, LaunchFailure);
  await launcher.run(':');
  assert.ok(Number(readFileSync(file, 'utf8')) > 0);
});

test('scripts end with the process that asked for them, however it ends', { skip }, async () => {
  using within = folder();
  const file = join(within.path, 'pid');
  const script = `echo $$ >${quote(file)}; echo >&2; exec sleep 1000`;
  const program = `
    import { createLauncher } from ${JSON.stringify(pathOfThis)};
    createLauncher().run(${JSON.stringify(script)}).catch(() => undefined);
    process.stdout.write('asked');
    setInterval(() => undefined, 1000);`;
  const args = ['--disable-warning=ExperimentalWarning', '--input-type=module', '-e', program];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  await once(child.stdout, 'data');
  let pid = 0;
  for (const end = performance.now() + 30_000; pid === 0 && performance.now() < end;) {
    try {
      pid = Number(readFileSync(file, 'utf8'));
    } catch {
      // It is not there yet.
    }
    await new Promise(setImmediate);
  }
  const identity = identify(pid);
  assert.ok(identity !== null);
  child.kill('SIGKILL');
  assert.ok(await waitForEnd(identity, 30_000));
});

test('a process that has nothing else to do is not kept from ending', { skip }, async () => {
  const program = `
    import { createLauncher } from ${JSON.stringify(pathOfThis)};
    await createLauncher().run(':');
    process.stdout.write('done');`;
  const args = ['--disable-warning=ExperimentalWarning', '--input-type=module', '-e', program];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  const [code] = (await once(child, 'exit')) as [number];
  assert.equal(code, 0);
});

const skipInit = process.getuid?.() === 0 && findProgram('unshare') !== null ? skip : 'only root makes containers';
test('as the first process of a container it leaves no zombies', { skip: skipInit }, async () => {
  const program = `
    import { createLauncher } from ${JSON.stringify(pathOfThis)};
    import { existsSync } from 'node:fs';
    import { identify } from ${JSON.stringify(join(import.meta.dirname, 'process-identity.ts'))};
    await using launcher = createLauncher();
    const pids = [];
    for (let count = 0; count < 3; count++) pids.push(await launcher.start('exec true'));
    for (const pid of pids) while (identify(pid) !== null) await new Promise(setImmediate);
    await launcher.run(':');
    while (pids.some((pid) => existsSync('/proc/' + pid))) await launcher.run(':');
    process.stdout.write(process.pid + ' none left');`;
  const node = [process.execPath, '--disable-warning=ExperimentalWarning', '--input-type=module', '-e', program];
  const child = spawn('unshare', ['--pid', '--fork', '--mount-proc', '--kill-child', ...node], {
    stdio: ['ignore', 'pipe', 'inherit'],
    timeout: 60_000,
  });
  let said = '';
  for await (const chunk of child.stdout) said += String(chunk);
  assert.equal(said, '1 none left');
});
