import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmod, chown, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { createImageSource } from '../images/index.ts';
import { layoutAt } from '../layout.ts';
import { confine, mayChangeUsers, type Confinement } from './confine.ts';
import { createLauncher, quote } from './launcher.ts';
import { identify } from './process-identity.ts';
import { waitForEnd } from './terminate.ts';

const skip = mayChangeUsers() ? false : 'takes root';
/** Above the user ids that VMMs have. */
const uid = 760_000;

/** Asks the kernel, even where securityfs, which tells, is not mounted. */
function whyNoLandlock(): string | false {
  const ask = 'mount -t securityfs none /sys/kernel/security; cat /sys/kernel/security/lsm';
  const { stdout } = spawnSync('unshare', ['--mount', '/bin/sh', '-c', ask], { encoding: 'utf8' });
  return stdout.split(',').includes('landlock') ? false : 'this kernel has no Landlock';
}

interface Place {
  readonly folder: string;
  /** Runs a confined shell script, and returns its output. */
  readonly run: (script: string, change?: Partial<Confinement>) => Promise<string>;
}

/** A folder that the confined process may write to, below a folder that it does not see. */
async function place(t: TestContext): Promise<Place> {
  const outside = await mkdtemp(join(tmpdir(), 'nova-confined-'));
  const folder = await mkdtemp(join(outside, 'own-'));
  const launcher = createLauncher();
  t.after(async () => {
    await launcher[Symbol.asyncDispose]();
    await rm(outside, { recursive: true });
  });
  await writeFile(join(outside, 'secret'), 'secret', { mode: 0o644 });
  await chmod(outside, 0o755);
  await chown(folder, uid, uid);
  const confiner = await createImageSource(layoutAt()).confiner({});
  const said = join(outside, 'said');
  return {
    folder,
    async run(script, change = {}) {
      const confinement: Confinement = {
        confiner,
        uid,
        groups: [],
        network: 'empty',
        maxFileBytes: 1 << 20,
        folder,
        visible: [
          { path: folder, how: 'write' },
          { path: '/dev/null', how: 'device' },
        ],
        ...change,
      };
      const confined = confine(confinement, ['/bin/sh', '-c', script]);
      await writeFile(said, '');
      const pid = await launcher.start(`exec </dev/null >>${quote(said)} 2>&1\n${confined.script}`, confined);
      const identity = identify(pid);
      if (identity !== null) assert.ok(await waitForEnd(identity, 60_000));
      return (await readFile(said, 'utf8')).trim();
    },
  };
}

test('what is confined runs in its folder, and sees nothing beside it', { skip }, async (t) => {
  const { folder, run } = await place(t);
  const said = await run('pwd; echo $$; id -u; echo text >file && cat file; cat ../secret /etc/passwd; echo end');
  const [where, pid, user, text, ...rest] = said.split('\n');
  assert.deepEqual([where, pid, user, text, rest.at(-1)], [folder, '1', String(uid), 'text', 'end']);
  assert.equal(rest.filter((line) => line.includes('No such file')).length, 2, said);
});

test('a link out of its folder leads nowhere', { skip }, async (t) => {
  const { folder, run } = await place(t);
  await symlink('../secret', join(folder, 'link'));
  assert.match(await run('cat link'), /No such file/);
});

test('calls that are of use to root or to an attacker alone are refused', { skip }, async (t) => {
  const { run } = await place(t);
  for (const command of ['unshare --user true', 'unshare --net true', 'mount -t tmpfs none .', 'chroot / true'])
    assert.match(await run(command), /not permitted|must be superuser|Permission denied/i, command);
});

test('files are handed over open in their order, for what they are meant for', { skip }, async (t) => {
  const { folder, run } = await place(t);
  const files = Array.from({ length: 9 }, (_, index) => join(folder, '..', `file${index}`));
  for (const [index, path] of files.entries()) await writeFile(path, `text ${index}`, { mode: 0o600 });
  const descriptors = files.map((path, index) => ({ path, readOnly: index !== 1 }));
  assert.equal(await run('cat <&3', { descriptors }), 'text 0');
  assert.equal(await run('cat <&9', { descriptors }), 'text 6');
  await run('echo changed >&4; echo changed >&5', { descriptors });
  assert.match(await readFile(files[1] ?? '', 'utf8'), /^changed/);
  assert.equal(await readFile(files[2] ?? '', 'utf8'), 'text 2');
});

test('one that cannot be confined as it should does not run', { skip }, async (t) => {
  const { folder, run } = await place(t);
  const missing = { path: join(folder, '..', 'missing'), how: 'read' } as const;
  const said = await run('echo ran', { visible: [{ path: folder, how: 'write' }, missing] });
  assert.match(said, /nova-confine: showing .*missing: No such file/);
  assert.ok(!said.includes('ran'));
});

test('behind Landlock nothing in its folder can be run or linked', { skip: skip || whyNoLandlock() }, async (t) => {
  const { run } = await place(t);
  assert.match(await run('ln -s /usr link'), /Permission denied/);
  assert.match(await run('mkfifo fifo'), /Permission denied/);
  assert.match(await run('cp /bin/true own; chmod 755 own; ./own'), /Permission denied/);
  assert.match(await run('ls /'), /Permission denied/);
});
