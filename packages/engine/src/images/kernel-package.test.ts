import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { isNovaError } from '@novasandbox/protocol';
import { modulesOfPackage } from './kernel-package.ts';

test("a kernel package's modules are found where Debian 12 has them and where Debian 13 has them", async () => {
  const tree = await mkdtemp(join(tmpdir(), 'nova-package-'));
  try {
    for (const folder of ['lib/modules/6.1.0', 'usr/lib/modules/6.12.1'])
      await mkdir(join(tree, folder), { recursive: true });
    assert.equal(modulesOfPackage(tree, '6.1.0'), join(tree, 'lib/modules/6.1.0'));
    assert.equal(modulesOfPackage(tree, '6.12.1'), join(tree, 'usr/lib/modules/6.12.1'));
    assert.throws(
      () => modulesOfPackage(tree, '7.0.0'),
      (error) => isNovaError(error, 'set_up_failed'),
    );
  } finally {
    await rm(tree, { recursive: true });
  }
});
