import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { hostResolver } from './resolver.ts';

test("the host's first IPv4 resolver serves guests; behind systemd's stub, the first of its own", async () => {
  const directory = await mkdtemp(join(tmpdir(), 'nova-resolver-'));
  const [file, behind] = [join(directory, 'resolv.conf'), join(directory, 'behind.conf')];
  const resolver = async (conf: string): Promise<string | null> => {
    await writeFile(file, conf);
    return hostResolver(file, behind);
  };
  try {
    assert.equal(hostResolver(file, behind), null);
    assert.equal(
      await resolver('# nameserver 192.0.2.1\nsearch x\nnameserver 192.0.2.2\nnameserver 192.0.2.3\n'),
      '192.0.2.2',
    );
    assert.equal(
      await resolver('nameserver 2001:db8::1\nnameserver fe80::1%eth0\nnameserver 192.0.2.4\n'),
      '192.0.2.4',
    );
    assert.equal(await resolver('nameserver 192.0.2.4; drop\n'), null);
    assert.equal(await resolver('nameserver 127.0.0.1\n'), '127.0.0.1');
    assert.equal(await resolver('nameserver 127.0.0.53\noptions edns0\n'), null);
    await writeFile(behind, 'nameserver 127.0.0.1\nnameserver 192.0.2.5\n');
    assert.equal(await resolver('nameserver 127.0.0.53\n'), '192.0.2.5');
  } finally {
    await rm(directory, { recursive: true });
  }
});
