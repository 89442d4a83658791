import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { finished } from '../support/nova-cli.ts';
import { sdkUnderTest } from '../support/sdk.ts';

const examples = ['docs/sdk.md', 'docs/snapshots.md', 'docs/volumes.md', 'docs/networks.md'].flatMap((file) => {
  const page = readFileSync(join(import.meta.dirname, '../..', file), 'utf8');
  return [...page.matchAll(/^```ts(?<fragment> fragment)?\n(?<code>[^]*?)^```$/gm)].map(({ groups, index }) => ({
    at: `${file}, line ${page.slice(0, index).split('\n').length}`,
    fragment: groups?.['fragment'] !== undefined,
    code: groups?.['code'] ?? '',
  }));
});

/** A fragment assumes that `sandbox` exists already. */
const preamble = `import { CommandError, Sandbox } from 'novasandbox';
await using sandbox = await Sandbox.create();
`;

test('the page has examples', () => assert.ok(examples.length > 6));

for (const { at, fragment, code } of examples) {
  test(`${at}: the example runs and prints what it says`, async () => {
    await using sdk = await sdkUnderTest();
    const child = spawn(
      process.execPath,
      [
        '--disable-warning=ExperimentalWarning',
        '--input-type=module-typescript',
        '-e',
        fragment ? preamble + code : code,
      ],
      { env: sdk.home.env, cwd: import.meta.dirname },
    );
    const result = await finished(child);
    assert.equal(result.code, 0, result.stderr);
    // `// text` after a console.log is its expected output.
    const promised = [...code.matchAll(/console\.log\(.*\);? \/\/ (.*)$/gm)].map((comment) => comment[1]);
    const printed = result.stdout.split('\n').filter((text) => text !== '');
    assert.deepEqual(printed, promised);
  });
}
