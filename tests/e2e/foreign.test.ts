import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { isNovaError } from '@novasandbox/protocol';
import { guestArchitectures, hostArchitecture } from '@novasandbox/engine';
import { engineUnderTest, sandbox, sh } from '../support/engine.ts';
import { addForeignTemplate, foreignTemplateId as templateId } from '../support/foreign-template.ts';

/** The names that `uname -m` prints. */
const machines = { amd64: 'x86_64', arm64: 'aarch64' } as const;

const timeout = 300_000;

const under = await engineUnderTest();
after(() => under[Symbol.asyncDispose]());
const { engine } = under;
await addForeignTemplate(under.home);

for (const { name: architecture } of guestArchitectures().slice(1)) {
  const reports = await engine.hypervisors({ architecture });
  const missing = reports.every(({ probe }) => !probe.available) && reports.map(({ probe }) => probe.reason).join('; ');

  test(
    `${architecture}: clones run the other processor's programs, and are themselves`,
    { timeout, skip: missing },
    async () => {
      const config = { templateId, architecture };
      await using first = await sandbox(engine, { ...config, name: 'first' });
      await using second = await sandbox(engine, { ...config, name: 'second' });
      assert.equal(first.architecture, architecture);
      assert.equal(first.metadata.bootKind, 'snapshot');
      assert.equal((await engine.sandboxes.guestInfo(first.id)).arch, machines[architecture]);
      assert.equal((await engine.templates.inspect(templateId)).architectures.includes(architecture), true);

      const look =
        'uname -m; hostname; cat /etc/machine-id /proc/sys/kernel/random/boot_id; head -c 16 /dev/urandom | od -A n -t x1; date +%s';
      const [one, two] = await Promise.all([sh(engine, first.id, look), sh(engine, second.id, look)]);
      assert.equal(one.exit.exitCode, 0, one.stderr);
      const [machine, name, machineId, bootId, random, seconds] = one.stdout.trim().split('\n');
      const others = two.stdout.trim().split('\n');
      assert.equal(machine, machines[architecture]);
      assert.equal(name, 'first');
      assert.equal(others[1], 'second');
      for (const [index, own] of [machineId, bootId, random].entries()) {
        assert.match(own ?? '', /[0-9a-f]{2}/);
        assert.notEqual(own, others[index + 2]);
      }
      assert.ok(Math.abs(Number(seconds) - Date.now() / 1000) < 60, `the guest's clock says ${seconds}`);
    },
  );

  test(
    `${architecture}: files go in and out, packages are set up, and a disk outlives its machine`,
    { timeout, skip: missing },
    async () => {
      await using box = await sandbox(engine, { templateId, architecture, enableNetwork: false });
      const content = new TextEncoder().encode('kept on the disk\n');
      await engine.files.write(box.id, '/home/user/note', [content]);
      // As on any other processor: nothing is half installed, the user may become root, and no leftovers of the build
      // are in the tree.
      const state = await sh(
        engine,
        box.id,
        'dpkg --audit; sudo -n id -u; dpkg --print-architecture; ls /var/cache/apt/archives/*.deb /var/lib/nova',
        {
          user: 'user',
        },
      );
      assert.equal(state.stdout, `0\n${architecture}\n`);
      await engine.sandboxes.stop(box.id);
      const again = await engine.sandboxes.start(box.id);
      assert.equal(again.metadata.bootKind, 'cold');
      assert.equal(again.architecture, architecture);
      await using reader = await engine.files.read(box.id, '/home/user/note');
      const chunks: Uint8Array[] = [];
      for await (const chunk of reader.bytes) chunks.push(chunk);
      assert.deepEqual(Buffer.concat(chunks), Buffer.from(content));
    },
  );
}

test('guests of another processor are refused by hypervisors that cannot have them', async () => {
  const [, foreign] = guestArchitectures();
  const unknown = hostArchitecture().name === 'arm64' ? 'amd64' : undefined;
  const architecture = foreign?.name ?? unknown;
  await assert.rejects(engine.sandboxes.create({ templateId, architecture, hypervisor: 'process' }), (error) => {
    assert.ok(isNovaError(error, 'feature_unsupported'), String(error));
    return true;
  });
});
