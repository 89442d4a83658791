import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { e2bUnderTest, type E2bUnderTest } from '../support/e2b-server.ts';
import { program, pythonWith } from '../support/python.ts';

const root = join(import.meta.dirname, '../..');
const guide = readFileSync(join(root, 'docs/e2b.md'), 'utf8');
const example = (language: string): string =>
  new RegExp(`\`\`\`${language}\n([\\s\\S]*?)\`\`\``).exec(guide)?.[1] ?? '';

suite('docs/e2b.md', () => {
  let served: E2bUnderTest;
  before(async () => {
    served = await e2bUnderTest();
  });
  after(async () => {
    await served[Symbol.asyncDispose]();
  });
  const prints = async (argv: readonly string[]): Promise<void> => {
    const { apiKey, apiUrl, sandboxUrl } = served.options;
    const env = { E2B_API_KEY: apiKey, E2B_API_URL: apiUrl, E2B_SANDBOX_URL: sandboxUrl };
    const { code, stdout, stderr } = await program(argv, env);
    assert.equal(code, 0, stderr);
    assert.equal(stdout, 'from user\n/home/user/notes/today.txt 5\n1\n');
  };

  test('the JavaScript example runs', async () => {
    // As an argument of the command line, the code finds the packages of the project.
    process.chdir(root);
    await prints([process.execPath, '--input-type=module', '--eval', example('js')]);
  });

  test('the Python example runs', async () => {
    const version = '2.63.0';
    await prints([await pythonWith(`e2b-python-${version}`, [`e2b==${version}`]), '-c', example('python')]);
  });

  test('the versions named are those that are tested', () => {
    const { dependencies } = JSON.parse(readFileSync(join(root, 'tests/package.json'), 'utf8')) as {
      dependencies: Record<string, string>;
    };
    const versions = [dependencies['e2b'], dependencies['e2b-2.45']?.replace('npm:e2b@', '')];
    assert.ok(guide.includes(`| npm \`e2b\` | ${versions.join(', ')} |`));
    const python = /for \(const version of \[(.*?)\]\)/.exec(
      readFileSync(join(import.meta.dirname, 'e2b-python.test.ts'), 'utf8'),
    )?.[1];
    assert.ok(guide.includes(`| PyPI \`e2b\`, sync and async | ${python?.replaceAll("'", '')} |`));
  });
});
