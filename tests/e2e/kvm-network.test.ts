import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { processesNaming } from '@novasandbox/engine';
import { engineUnderTest, sandbox, sh } from '../support/engine.ts';
import { makeInternet, metadataAddress } from '../support/internet.ts';
import { bootTimeoutMs, kvmHypervisors, whyNot } from '../support/real-vmms.ts';
import { networkNamespaceOf, slotAddressOf } from '../support/slots.ts';

/** The checks of network.test.ts, which uses the hypervisor that `auto` chooses, for hypervisors that need KVM. */
const fetchFrom = (url: string): string => `curl -sS --noproxy '*' --max-time 30 ${url}`;
const textOf = async (url: string): Promise<string> => (await fetch(url)).text();

for (const hypervisor of kvmHypervisors) {
  const skip = await whyNot(hypervisor, { slots: true });

  test(
    `${hypervisor}: clones have a network slot each: the world, a forwarded port, and nothing else`,
    { skip },
    async () => {
      await using internet = await makeInternet();
      const hostServer = createServer((_request, response) => response.end('the host\n'));
      await once(hostServer.listen(0, '0.0.0.0'), 'listening');
      using _server = { [Symbol.dispose]: () => void hostServer.close() };
      const { port: hostPort } = hostServer.address() as AddressInfo;
      await using under = await engineUnderTest();
      const { engine, layout } = under;
      const config = { hypervisor, bootTimeoutMs, memoryMb: 256 } as const;
      const forwarded = 23_905;
      await using other = await sandbox(engine, { ...config, hostPort: forwarded, guestPort: 8080 });
      await using box = await sandbox(engine, config);
      for (const { hypervisor: taken, metadata } of [other, box])
        assert.deepEqual([taken, metadata.accelerator, metadata.bootKind], [hypervisor, 'kvm', 'snapshot']);
      // Each VMM lives in the namespace of its slot.
      const namespaces = [other, box].map(({ id }) => {
        const vmm = processesNaming(layout.sockets(id))[0];
        assert.ok(vmm !== undefined);
        return networkNamespaceOf(vmm.pid);
      });
      assert.equal(new Set([...namespaces, networkNamespaceOf(process.pid)]).size, 3);

      const hello = fetchFrom(`http://${internet.address}/`);
      for (const { id } of [other, box])
        assert.equal((await sh(engine, id, hello)).stdout, `hello ${internet.hostAddress}\n`);

      await engine.exec.startDetached(other.id, { argv: ['python3', '-m', 'http.server', '8080'], user: 'root' });
      await sh(engine, other.id, `until ${fetchFrom('http://127.0.0.1:8080/')}; do sleep 0.1; done`);
      assert.match(await textOf(`http://127.0.0.1:${forwarded}/`), /Directory listing/);
      await assert.rejects(textOf(`http://${internet.hostAddress}:${forwarded}/`));

      // These answer the host.
      assert.equal(await textOf(`http://${internet.hostAddress}:${hostPort}/`), 'the host\n');
      assert.match(await textOf(`http://${metadataAddress}/`), /^hello/);
      const refused = [
        `${internet.hostAddress}:${hostPort}`,
        `${internet.hostAddress}:${forwarded}`,
        `198.18.0.1:${hostPort}`,
        `172.16.255.1:${hostPort}`,
        `${slotAddressOf(layout, other.id)}:8080`,
        `${metadataAddress}:80`,
      ];
      const script = refused
        .map((target) => `(${fetchFrom(`--max-time 5 http://${target}/`)} >/dev/null 2>&1 && echo ${target}) &`)
        .join('\n');
      assert.equal((await sh(engine, box.id, `${script}\nwait\n${hello}`)).stdout, `hello ${internet.hostAddress}\n`);

      // When it starts from its own disk, it gets the same network.
      await engine.sandboxes.stop(box.id);
      assert.equal(slotAddressOf(layout, box.id), null);
      await engine.sandboxes.start(box.id);
      assert.equal((await sh(engine, box.id, hello)).stdout, `hello ${internet.hostAddress}\n`);
    },
  );
}
