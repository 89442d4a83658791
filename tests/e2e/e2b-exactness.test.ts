import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { clients, type Box } from '../support/e2b-clients.ts';
import { e2bUnderTest, type E2bUnderTest } from '../support/e2b-server.ts';
import { program, pythonWith } from '../support/python.ts';

const [newest] = clients;
assert.ok(newest);
const { e2b } = newest;
let served: E2bUnderTest;
let box: Box;

before(async () => {
  served = await e2bUnderTest();
  box = await e2b.Sandbox.create({ ...served.options, secure: true });
});

after(async () => {
  await box.kill();
  await served[Symbol.asyncDispose]();
});

test('a form that gives a file as plain text is an upload like any other', async () => {
  const long = 'more than a field may hold '.repeat(20_000);
  for (const text of ['', 'plain text', long]) {
    const form = new FormData();
    form.append('file', text);
    form.append('other', 'not a file');
    const response = await fetch(await box.uploadUrl('/home/user/plain.txt'), { method: 'POST', body: form });
    assert.equal(response.status, 200);
    const written = (await response.json()) as readonly { readonly path: string }[];
    assert.deepEqual(
      written.map(({ path }) => path),
      ['/home/user/plain.txt'],
    );
    assert.ok((await box.files.read('plain.txt')) === text);
  }
});

test('what described the content before does not describe what is written over it', async () => {
  await box.files.write('described', 'one', { metadata: { author: 'ada', draft: 'yes' } });
  assert.deepEqual((await box.files.getInfo('described')).metadata, { author: 'ada', draft: 'yes' });
  await box.files.write('described', 'two', { metadata: { author: 'bob' } });
  assert.deepEqual((await box.files.getInfo('described')).metadata, { author: 'bob' });
  await box.files.write('described', 'three');
  assert.deepEqual((await box.files.getInfo('described')).metadata ?? {}, {});
});

test('a sandbox that was started at the very instant asked for is in the list', async () => {
  const headers = { 'x-api-key': served.options.apiKey };
  const list = async (after: string): Promise<readonly { readonly sandboxID: string }[]> => {
    const query = new URLSearchParams({ startedAfter: after });
    return (await (await fetch(`${served.url}/v2/sandboxes?${query.toString()}`, { headers })).json()) as never;
  };
  const { startedAt } = await box.getInfo();
  const has = (found: readonly { readonly sandboxID: string }[]) =>
    found.some(({ sandboxID }) => sandboxID === box.sandboxId);
  assert.equal(has(await list(startedAt.toISOString())), true);
  assert.equal(has(await list(new Date(startedAt.getTime() + 1).toISOString())), false);
});

test('in Python: changes that have returned are told, and a kill is told as one', { timeout: 300_000 }, async () => {
  const script = join(import.meta.dirname, 'e2b-python/exactness.py');
  for (const version of ['2.63.0', '2.45.1']) {
    const python = await pythonWith(`e2b-python-${version}`, [`e2b==${version}`]);
    const { code, stdout, stderr } = await program([python, script], environment());
    assert.equal(code, 0, `${version}: ${stdout}\n${stderr}`);
  }
});

test('a code interpreter that is not there is told at once', { timeout: 120_000 }, async () => {
  const version = '2.9.0';
  const python = await pythonWith(`e2b-interpreter-${version}`, ['e2b==2.32.0', `e2b-code-interpreter==${version}`]);
  const script = `
from e2b_code_interpreter import Sandbox, NotFoundException
sandbox = Sandbox.create(template="base")
try:
    sandbox.run_code("print(6 * 7)", timeout=20)
    raise AssertionError("it ran")
except NotFoundException as error:
    assert "no code interpreter" in str(error), error
finally:
    sandbox.kill()`;
  const { code, stdout, stderr } = await program([python, '-c', script], environment());
  assert.equal(code, 0, `${stdout}\n${stderr}`);
});

const environment = (): NodeJS.ProcessEnv => ({
  E2B_API_KEY: served.options.apiKey,
  E2B_API_URL: served.url,
  E2B_SANDBOX_URL: served.url,
  PYTHONDONTWRITEBYTECODE: '1',
});
