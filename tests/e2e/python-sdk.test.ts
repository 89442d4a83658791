import assert from 'node:assert/strict';
import { globSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { daemonUnderTest } from '../support/daemon.ts';
import { program, pythonOfSdk, sdkFolder as sdk } from '../support/python.ts';

/** A program of a user who has installed the library. */
const stranger = join(import.meta.dirname, 'python-sdk/stranger.py');

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
        join(sdk, 'src'),
      ],
      { ...quiet, MYPYPATH: join(sdk, 'src') },
    );
    assert.equal(code, 0, `${stdout}${stderr}`);
  });

  test('the sync half is what generate_sync.py writes from the async half', async () => {
    const { code, stderr } = await program([python, join(sdk, 'generate_sync.py'), '--check'], quiet);
    assert.equal(code, 0, stderr);
  });

  test('a stranger builds a wheel from the source distribution, installs it, and checks a program with mypy', async () => {
    const succeed = async (...argv: string[]): Promise<void> => {
      const { code, stdout, stderr } = await program(argv, quiet, sdk);
      assert.equal(code, 0, `${argv.join(' ')}\n${stdout}${stderr}`);
    };
    const packed = join(folder, 'packed');
    await succeed(python, '-m', 'hatchling', 'build', '--target', 'sdist', '--directory', packed);
    const [archive = 'there is none'] = globSync(join(packed, 'novasandbox-*.tar.gz'));

    const venv = join(folder, 'venv');
    const clean = join(venv, 'bin/python');
    const wheels = join(folder, 'wheels-of-a-stranger');
    await succeed('python3', '-m', 'venv', venv);
    await succeed(clean, '-m', 'pip', 'wheel', '--quiet', '--wheel-dir', wheels, archive);
    await succeed(clean, '-m', 'pip', 'install', '--quiet', '--no-index', '--find-links', wheels, 'novasandbox');
    await succeed(clean, stranger);
    const cache = join(folder, 'mypy-of-a-stranger');
    await succeed(python, '-m', 'mypy', '--strict', '--cache-dir', cache, '--python-executable', clean, stranger);
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
