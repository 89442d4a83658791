import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import test from 'node:test';
import type { Engine } from '@novasandbox/engine';
import { isNovaError, type ErrorCode } from '@novasandbox/protocol';
import { engineUnderTest, sandbox, sh } from '../support/engine.ts';

/** Returns the output of the script; a failure includes all output. */
async function printed(engine: Engine, ref: string, script: string, user = 'root'): Promise<string> {
  const { exit, stdout, stderr } = await sh(engine, ref, `set -e\n${script}`, { user });
  assert.equal(exit.exitCode, 0, `${script}\n${stdout}${stderr}`);
  return stdout.trim();
}

test('users make namespaces of their own, with a proc, a network and layers of files', async () => {
  await using under = await engineUnderTest();
  const { engine } = under;
  await using box = await sandbox(engine);
  const asUser = (script: string): Promise<string> => printed(engine, box.id, script, 'user');
  assert.equal(await asUser(`unshare -Urmpf --mount-proc sh -c 'echo $(id -u) $$; ls -d /proc/1 >&2'`), '0 1');
  // A sandbox in the sandbox has a boot id as well, and not the one that clones would have in common.
  await using other = await sandbox(engine);
  const bootId = `unshare -Urmpf --mount-proc cat /proc/sys/kernel/random/boot_id`;
  assert.notEqual(await asUser(bootId), await printed(engine, other.id, bootId, 'user'));

  const links = await asUser(`unshare -Urn sh -ec '
    ip link add br0 type bridge; ip link add v0 type veth peer name v1; ip link add d0 type dummy
    ip link set v0 master br0; ip tuntap add dev t0 mode tap; ip -o link show | cut -d " " -f 2'`);
  for (const name of ['br0', 'v1@v0', 'd0', 't0']) assert.ok(links.includes(name), links);
  const layered = await asUser(`unshare -Urm sh -ec '
    mount -t tmpfs none /mnt; mkdir /mnt/upper /mnt/work /mnt/all
    mount -t overlay none -o lowerdir=/usr,upperdir=/mnt/upper,workdir=/mnt/work /mnt/all
    echo new >/mnt/all/new; ls /mnt/all/bin/sh; cat /mnt/upper/new'`);
  assert.equal(layered, '/mnt/all/bin/sh\nnew');
});

test('bubblewrap confines commands for an ordinary user, also within itself', async (t) => {
  const bwrap = spawnSync('sh', ['-c', 'command -v bwrap'], { encoding: 'utf8' }).stdout.trim();
  if (bwrap === '') return t.skip('there is no bwrap on this host to bring along');
  await using under = await engineUnderTest();
  const { engine } = under;
  await using box = await sandbox(engine);
  await engine.files.write(box.id, '/usr/local/bin/bwrap', [await readFile(bwrap)], { mode: 0o755, user: 'root' });
  const { exit, stderr } = await sh(engine, box.id, 'bwrap --version');
  if (exit.exitCode !== 0) return t.skip(`the host's bwrap does not run in the guest: ${stderr}`);
  const around = 'bwrap --ro-bind / / --dev /dev --proc /proc --tmpfs /tmp --unshare-all';
  const script = `${around} sh -c 'test -d /proc/self; getent hosts localhost >&2; echo confined'`;
  assert.equal(await printed(engine, box.id, script, 'user'), 'confined');
  assert.equal(await printed(engine, box.id, `${around} ${around} echo inside`, 'user'), 'inside');
});

test('modules are there for those who need them', async () => {
  await using under = await engineUnderTest();
  const { engine } = under;
  await using box = await sandbox(engine);
  const asRoot = (script: string): Promise<string> => printed(engine, box.id, script);
  const wanted = [
    'bridge',
    'veth',
    'dummy',
    'tun',
    'loop',
    'fuse',
    'nf_tables',
    'nft_masq',
    'overlay',
    'ext4',
    'wireguard',
  ];
  assert.equal(await asRoot(wanted.map((name) => `modprobe ${name}`).join('\n')), '');
  await assert.rejects(asRoot('modprobe no_such_module'), /not found/);
  assert.equal(
    await asRoot(`
      truncate -s 8M /tmp/disk; mke2fs -q /tmp/disk; mkdir /tmp/mounted; mount -o loop /tmp/disk /tmp/mounted
      echo kept >/tmp/mounted/file; umount /tmp/mounted; mount -o loop /tmp/disk /tmp/mounted; cat /tmp/mounted/file`),
    'kept',
  );
  assert.equal(await printed(engine, box.id, 'test -w /dev/fuse && test -w /dev/net/tun && echo yes', 'user'), 'yes');
});

test('files of /etc are ordinary ones, and what the guest makes of them lasts', async () => {
  await using under = await engineUnderTest();
  const { engine } = under;
  await using box = await sandbox(engine, { name: 'first' });
  const asRoot = (script: string): Promise<string> => printed(engine, box.id, script);
  const restart = async (): Promise<void> => {
    await engine.sandboxes.stop(box.id);
    await engine.sandboxes.start(box.id);
  };
  assert.equal(await asRoot('grep -c " /etc" /proc/self/mounts || true'), '0');
  const servers = await asRoot('grep nameserver /etc/resolv.conf');
  await asRoot(`
    sed -i 's/localhost$/localhost here/' /etc/hosts; echo '10.1.2.3 db' >>/etc/hosts
    mv /etc/hostname /etc/hostname.old; mv /etc/hostname.old /etc/hostname; sync`);
  await restart();
  assert.match(await asRoot('cat /etc/hosts'), /localhost here\n[^]*10\.1\.2\.3 db\n[^]*first # nova$/);
  assert.equal(await asRoot('getent hosts first | head -n 1 | tr -s " "'), '127.0.1.1 first');
  assert.equal(await asRoot('grep nameserver /etc/resolv.conf'), servers);
  // This is what the package resolvconf does.
  await asRoot(`
    mkdir /etc/resolvconf; mv /etc/resolv.conf /etc/resolvconf/original
    echo 'nameserver 192.0.2.1' >/etc/resolvconf/own; ln -s resolvconf/own /etc/resolv.conf; sync`);
  await restart();
  assert.equal(await asRoot('readlink /etc/resolv.conf; cat /etc/resolv.conf'), 'resolvconf/own\nnameserver 192.0.2.1');
  // Nobody writes there after a start.
  await asRoot('ln -sf ../run/resolvconf/resolv.conf /etc/resolv.conf; sync');
  await restart();
  assert.equal(await asRoot('grep nameserver /etc/resolv.conf'), servers);
  await asRoot(
    `rm /etc/resolv.conf; echo 'nameserver 192.0.2.2' >/etc/resolv.conf; rm /etc/hosts; mkdir /etc/hosts; sync`,
  );
  await restart();
  assert.equal(await asRoot('cat /etc/resolv.conf; ls -d /etc/hosts'), 'nameserver 192.0.2.2\n/etc/hosts');
});

test('a read-only root shows its own names all the same', async () => {
  await using under = await engineUnderTest();
  const { engine } = under;
  await using box = await sandbox(engine, { name: 'readonly', readOnlyRootfs: true });
  assert.equal(await printed(engine, box.id, 'getent hosts readonly | tr -s " "'), '127.0.1.1 readonly');
  assert.match(await printed(engine, box.id, 'cat /etc/machine-id'), /^[0-9a-f]{32}$/);
  assert.equal(await printed(engine, box.id, 'unshare -Urmpf --mount-proc id -u', 'user'), '0');
});

test('a source tree of twenty thousand folders can be watched', async () => {
  await using under = await engineUnderTest();
  const { engine } = under;
  await using box = await sandbox(engine);
  const script = `
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
watch = libc.inotify_init()
os.mkdir('/tmp/tree')
count = 0
for number in range(20000):
    path = f'/tmp/tree/{number}'
    os.mkdir(path)
    count += libc.inotify_add_watch(watch, path.encode(), 0x100) > 0
print(count)`;
  assert.equal(await printed(engine, box.id, `python3 - <<'END'\n${script}\nEND`, 'user'), '20000');
});

test("a watch that meets the guest's limit says which, and what to do", async () => {
  await using under = await engineUnderTest();
  const { engine } = under;
  await using box = await sandbox(engine);
  const reached = (hint: RegExp) => (error: unknown) =>
    isNovaError(error, 'guest_resource_exhausted') &&
    /limit of inotify (watches|instances) \(\d+\) is reached/.test(error.message) &&
    hint.test(error.hint);
  await printed(
    engine,
    box.id,
    'mkdir -p /tmp/tree/a /tmp/tree/b /tmp/tree/c; sysctl -qw fs.inotify.max_user_watches=2',
  );
  await assert.rejects(engine.files.watch(box.id, '/tmp/tree', { recursive: true }), reached(/max_user_watches/));
  await printed(engine, box.id, 'sysctl -qw fs.inotify.max_user_watches=0');
  await assert.rejects(engine.files.watch(box.id, '/tmp/tree', {}), reached(/max_user_watches/));
  await printed(engine, box.id, 'sysctl -qw fs.inotify.max_user_watches=100 fs.inotify.max_user_instances=0');
  await assert.rejects(engine.files.watch(box.id, '/tmp/tree', {}), reached(/max_user_instances/));
});

test('the template base makes virtual environments with pip', async () => {
  await using under = await engineUnderTest();
  const { engine } = under;
  await using box = await sandbox(engine);
  // Unpacking an environment's own pip takes an emulated guest a minute, so only its presence is checked.
  const script = `
    python3 -m venv --without-pip /tmp/venv; /tmp/venv/bin/python -c 'import sys; print(sys.prefix)'
    python3 -m ensurepip --version; pip --version`;
  assert.match(await printed(engine, box.id, script, 'user'), /^\/tmp\/venv\npip \d.*\npip \d/);
});

test('what the kernel of a guest refuses has the code of its kind, and a hint that helps', async () => {
  await using under = await engineUnderTest();
  const { engine } = under;
  await using box = await sandbox(engine);
  await printed(
    engine,
    box.id,
    `mkdir -p /t/full /t/fixed /t/folder/below; touch /t/file; ln -s loop /t/loop
    mount -t tmpfs -o size=64k none /t/full; mount -t tmpfs none /t/fixed; mount -o remount,ro /t/fixed`,
  );
  const write = (path: string) => (): Promise<unknown> =>
    engine.files.write(box.id, path, [Buffer.alloc(200_000, 'x')], { user: 'root' });
  const cases: [call: () => Promise<unknown>, code: ErrorCode, hint: RegExp][] = [
    [write('/t/full/file'), 'guest_resource_exhausted', /disk is full/],
    [write('/t/fixed/file'), 'permission_denied', /read-only/],
    [write('/t/folder'), 'is_a_directory', /file/],
    [write('/t/file/below'), 'not_a_directory', /directory/],
    [write('/t/loop/below'), 'invalid_argument', /circle/],
    [write(`/t/${'n'.repeat(300)}`), 'invalid_argument', /shorter/],
    [() => engine.files.makeDirectory(box.id, '/t/file', {}), 'file_exists', /./],
    [() => engine.files.remove(box.id, '/t/full'), 'permission_denied', /mounted/],
    [() => engine.files.stat(box.id, '/t/missing'), 'file_not_found', /./],
  ];
  for (const [call, code, hint] of cases) {
    await assert.rejects(call, (error) => {
      assert.ok(isNovaError(error, code) && hint.test(error.hint), `${code}: ${String(error)}`);
      return true;
    });
  }
});
