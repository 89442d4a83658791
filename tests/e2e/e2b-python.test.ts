import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { e2bUnderTest, type E2bUnderTest } from '../support/e2b-server.ts';
import { program, pythonWith } from '../support/python.ts';

const scripts = join(import.meta.dirname, 'e2b-python');

for (const version of ['2.63.0', '2.45.1']) {
  suite(`PyPI e2b ${version}`, () => {
    let served: E2bUnderTest;
    let python: string;
    before(async () => {
      python = await pythonWith(`e2b-python-${version}`, [`e2b==${version}`]);
      served = await e2bUnderTest();
    });
    after(async () => {
      await served[Symbol.asyncDispose]();
    });

    for (const script of ['sync_client.py', 'async_client.py']) {
      test(script, async () => {
        const { code, stdout, stderr } = await program([python, join(scripts, script)], {
          E2B_API_KEY: served.options.apiKey,
          E2B_API_URL: served.url,
          E2B_SANDBOX_URL: served.url,
          E2B_VOLUME_API_URL: served.url,
          PYTHONDONTWRITEBYTECODE: '1',
        });
        assert.equal(code, 0, `${stdout}\n${stderr}`);
      });
    }
  });
}
