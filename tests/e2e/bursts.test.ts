import assert from 'node:assert/strict';
import test from 'node:test';
import { engineUnderTest, sandbox, sh } from '../support/engine.ts';

test('three hundred commands started at once all start, answer and run once', async () => {
  await using under = await engineUnderTest();
  const { engine } = under;
  await using box = await sandbox(engine);
  const count = 300;
  const order: string[] = [];
  const outputs = await Promise.all(
    Array.from({ length: count }, async (_, number) => {
      const child = await engine.exec.start(box.id, {
        argv: ['/bin/sh', '-c', `echo ${number} >> /tmp/ran; echo ${number}`],
        user: 'root',
      });
      order.push('started');
      let output = '';
      for await (const { bytes } of child.output) output += Buffer.from(bytes).toString();
      assert.equal((await child.exit).exitCode, 0);
      order.push('ended');
      return output;
    }),
  );
  assert.deepEqual(
    outputs,
    Array.from({ length: count }, (_, number) => `${number}\n`),
  );
  assert.ok(
    order.indexOf('ended') < order.lastIndexOf('started'),
    'the guest read all requests before it answered one',
  );
  assert.equal((await sh(engine, box.id, 'sort -u /tmp/ran | wc -l')).stdout, `${count}\n`);
  assert.equal((await sh(engine, box.id, 'wc -l < /tmp/ran')).stdout, `${count}\n`);
});
