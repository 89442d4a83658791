import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { finished } from '../support/nova-cli.ts';
import { sdkUnderTest } from '../support/sdk.ts';

const page = readFileSync(join(import.meta.dirname, '../../docs/sdk.md'), 'utf8');
const examples = [...page.matchAll(/^```ts(?<fragment> fragment)?\n(?<code>[^]*?)^```$/gm)].map(
  ({ groups, index }) => ({
    line: page.slice(0, index).split('\n').length,
    fragment: groups?.['fragment'] !== undefined,
    code: groups?.['code'] ?? '',
  }),
);

/** A fragment stands where `sandbox` is there already. */
const preamble = `import { CommandError, Sandbox } from 'novasandbox';
await using sandbox = await Sandbox.create();
`;

test('the page has examples', () => assert.ok(examples.length > 6));

for (const { line, fragment, code } of examples) {
  test(`docs/sdk.md, line ${line}: the example runs and prints what it says`, async () => {
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
    // `// text` behind a console.log is what it prints.
    const promised = [...code.matchAll(/console\.log\(.*\);? \/\/ (.*)$/gm)].map((comment) => comment[1]);
    const printed = result.stdout.split('\n').filter((text) => text !== '');
    assert.deepEqual(printed, promised);
  });
}
