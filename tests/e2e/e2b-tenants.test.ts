import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import { clients } from '../support/e2b-clients.ts';
import { e2bUnderTest, type E2bUnderTest } from '../support/e2b-server.ts';

for (const { version, e2b } of clients) {
  suite(`npm e2b ${version}: two owners`, () => {
    let served: E2bUnderTest;
    const owners: E2bUnderTest['options'][] = [];
    before(async () => {
      served = await e2bUnderTest();
      for (const name of ['ann', 'bob']) {
        const response = await fetch(`${served.url}/api/v1/security/api-keys`, {
          method: 'POST',
          headers: { 'x-api-key': served.options.apiKey, 'content-type': 'application/json' },
          body: JSON.stringify({ name, role: 'user' }),
        });
        const { e2b_key: apiKey } = (await response.json()) as { e2b_key: string };
        owners.push({ ...served.options, apiKey });
      }
    });
    after(async () => {
      await served[Symbol.asyncDispose]();
    });
    const idsOf = async (options: object, query: object = {}): Promise<string[]> => {
      const ids: string[] = [];
      const pages = e2b.Sandbox.list({ ...options, query });
      while (pages.hasNext) ids.push(...(await pages.nextItems()).map(({ sandboxId }) => sandboxId));
      return ids;
    };

    test('each lists, finds, uses and ends their own sandboxes; those of the other are not found', async () => {
      const [ann, bob] = [{ ...owners[0] }, { ...owners[1] }];
      const metadata = { project: 'x' };
      const hers = await e2b.Sandbox.create({ ...ann, metadata });
      const his = await e2b.Sandbox.create({ ...bob, metadata });
      assert.deepEqual(await idsOf(ann, { metadata }), [hers.sandboxId]);
      assert.deepEqual(await idsOf(bob, { metadata }), [his.sandboxId]);
      assert.deepEqual((await idsOf(served.options)).toSorted(), [hers.sandboxId, his.sandboxId].toSorted());

      const { Sandbox } = e2b;
      const id = hers.sandboxId;
      await assert.rejects(Sandbox.connect(id, bob), e2b.NotFoundError);
      await assert.rejects(Sandbox.getInfo(id, bob), e2b.NotFoundError);
      await assert.rejects(Sandbox.setTimeout(id, 1000, bob), e2b.NotFoundError);
      await assert.rejects(Sandbox.getMetrics(id, bob), e2b.NotFoundError);
      assert.equal(await Sandbox.kill(id, bob), false);
      assert.equal((await Sandbox.getInfo(id, ann)).sandboxId, id);

      // The token of one sandbox opens no other.
      await hers.files.write('/tmp/secret', 'of ann');
      await his.files.write('/tmp/secret', 'of bob');
      const read = (url: string): Promise<string> => fetch(url).then((response) => response.text());
      assert.equal(await read(await hers.downloadUrl('/tmp/secret')), 'of ann');
      assert.equal(await read(await his.downloadUrl('/tmp/secret')), 'of bob');
      assert.equal((await hers.commands.run('cat /tmp/secret')).stdout, 'of ann');
      const rpc = await fetch(`${served.url}/process.Process/List`, {
        method: 'POST',
        headers: {
          'e2b-sandbox-id': id,
          'content-type': 'application/json',
          // This token is for bob's own sandbox.
          'x-access-token': String(Reflect.get(his, 'envdAccessToken')),
        },
        body: '{}',
      });
      assert.equal(rpc.status, 401);
      assert.equal(await hers.kill(), true);
      assert.equal(await his.kill(), true);
    });
  });
}
