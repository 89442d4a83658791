import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { openSlotRegistry } from '../store/slot-registry.ts';

const skip = process.platform === 'linux' && process.getuid?.() === 0 ? false : 'takes root, who can become another';

/**
 * The process becomes another user only after everything is loaded, because the checkout may be readable only by root.
 */
const asAnother = `
  import { createNetwork } from ${JSON.stringify(new URL('network.ts', import.meta.url))};
  import { openSlotRegistry } from ${JSON.stringify(new URL('../store/slot-registry.ts', import.meta.url))};
  process.setgid(778_001);
  process.setuid(778_001);
  const [, registryFile] = process.argv;
  const options = { home: '/home', registryFile, probeDirectory: '/nonexistent', launcher: {}, keep: null, egress: { forget: async () => {} } };
  await using network = createNetwork({ ...options, openRegistry: openSlotRegistry });
  console.log(network.held('box'));
  await network.giveBack('box');
  await network.reclaim();
`;

test("root's slots do not keep another user of the host from removing sandboxes", { skip }, async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'nova-slots-'));
  t.after(() => rm(folder, { recursive: true }));
  await chmod(folder, 0o711);
  const file = join(folder, 'slots.sqlite');
  using registry = openSlotRegistry(file, 8);
  registry.reserve({ home: '/root', sandbox: 'box' }, []);
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    ['--disable-warning=ExperimentalWarning', '--input-type=module-typescript', '-e', asAnother, file],
    { encoding: 'utf8' },
  );
  assert.equal(status, 0, stderr);
  assert.equal(stdout, 'null\n');
});
