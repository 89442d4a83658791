import assert from 'node:assert/strict';
import { globSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { daemonUnderTest } from '../support/daemon.ts';
import { program, pythonOfSdk, sdkFolder as sdk } from '../support/python.ts';

interface Outcome {
  readonly name: string;
  readonly outcome: 'passed' | 'failed' | 'skipped';
  readonly text: string;
}

suite('Python SDK', () => {
  let python: string;
  let folder: string;
  before(async () => {
    python = await pythonOfSdk();
    folder = await mkdtemp(join(tmpdir(), 'nova-python-'));
  });
  after(() => rm(folder, { recursive: true, force: true }));

  const quiet = { PYTHONDONTWRITEBYTECODE: '1', PIP_DISABLE_PIP_VERSION_CHECK: '1' };

  test('mypy --strict', async () => {
    const { code, stdout, stderr } = await program(
      [
        python,
        '-m',
        'mypy',
        '--config-file',
        join(sdk, 'pyproject.toml'),
        '--cache-dir',
        join(folder, 'mypy'),
        join(sdk, 'src/novasandbox'),
      ],
      { ...quiet, MYPYPATH: join(sdk, 'src') },
    );
    assert.equal(code, 0, `${stdout}${stderr}`);
  });

  test('pytest, with the wheel as users install it, over a daemon of its own', async (t) => {
    const wheels = join(folder, 'wheels');
    const installed = join(folder, 'installed');
    for (const argv of [
      ['wheel', '--quiet', '--no-deps', '--no-build-isolation', '--wheel-dir', wheels, sdk],
      ['install', '--quiet', '--no-deps', '--no-index', '--find-links', wheels, '--target', installed, 'novasandbox'],
    ]) {
      const { code, stderr } = await program([python, '-m', 'pip', ...argv], quiet);
      assert.equal(code, 0, stderr);
    }
    assert.deepEqual(globSync('novasandbox/py.typed', { cwd: installed }), ['novasandbox/py.typed']);

    const results = join(folder, 'results');
    await using daemon = await daemonUnderTest();
    const { code, stdout, stderr } = await program(
      [python, '-m', 'pytest', '--tb=short', '--rootdir', sdk, join(sdk, 'tests')],
      {
        ...quiet,
        PYTHONPATH: installed,
        NOVA_RESULTS: results,
        NOVA_E2E_HOME: daemon.home.home,
        NOVA_E2E_URL: daemon.url,
        NOVA_E2E_KEY: daemon.apiKey,
      },
    );
    const outcomes = (await readFile(results, 'utf8').catch(() => ''))
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as Outcome);
    for (const { name, outcome, text } of outcomes) {
      await t.test(name, { skip: outcome === 'skipped' ? text : false }, () => {
        if (outcome === 'failed') throw new Error(text);
      });
    }
    assert.equal(code, 0, `${stdout.slice(-4000)}\n${stderr}`);
    assert.ok(outcomes.length > 40, `only ${outcomes.length} tests ran`);
  });
});
