import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { spawn } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { finished, novaCommand, type CliResult } from './nova-cli.ts';

/** What holds for the command line wherever its sandboxes are. */
export async function cliContract(env: NodeJS.ProcessEnv, flags: readonly string[]): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'nova-contract-'));
  const nova = (argv: readonly string[], input = ''): Promise<CliResult> => {
    const child = spawn(novaCommand[0] ?? '', [...novaCommand.slice(1), ...flags, ...argv], { env, cwd: folder });
    child.stdin.on('error', () => undefined);
    child.stdin.end(input);
    return finished(child);
  };
  const ok = async (...argv: string[]): Promise<string> => {
    const { code, stdout, stderr } = await nova(argv);
    assert.equal(code, 0, `nova ${argv.join(' ')}: ${stderr}`);
    return stdout.trimEnd();
  };
  try {
    const ran = await nova(['run', '-q', '-i', '--no-network', '--', 'sh', '-c', 'cat; echo err >&2; exit 7'], 'in');
    assert.deepEqual([ran.code, ran.stdout, ran.stderr], [7, 'in', 'err\n']);
    assert.equal((await nova(['run', '-q', '--timeout', '300ms', '--', 'sleep', '60'])).code, 124);

    const name = `cli-${randomBytes(4).toString('hex')}`;
    const id = await ok('create', '-q', '--name', name, '--no-network', '--label', `name=${name}`);
    assert.equal(await ok('ls', '-q', '--label', `name=${name}`), id);
    const [inspected] = JSON.parse(await ok('inspect', name)) as {
      readonly config: { readonly enableNetwork: boolean };
    }[];
    assert.equal(inspected?.config.enableNetwork, false);
    await mkdir(join(folder, 'project'));
    const data = randomBytes(2_000_000);
    await writeFile(join(folder, 'project/data'), data);
    await ok('cp', '-q', 'project', `${name}:/tmp/`);
    await ok('cp', '-q', `${name}:/tmp/project`, 'back');
    assert.deepEqual(await readFile(join(folder, 'back/data')), data);
    assert.deepEqual((await nova(['cp', '-q', `${name}:/tmp/project/data`, '-'])).stdoutBytes, data);
    const pid = await ok('exec', '-d', name, '--', 'sleep', '1000');
    assert.equal(await ok('exec', name, '--', 'cat', `/proc/${pid}/comm`), 'sleep');
    assert.match(await ok('stats', name), new RegExp(id));
    await ok('logs', name);
    assert.equal(await ok('pause', name), name);
    assert.equal((await nova(['exec', name, '--', 'true'])).code, 125);
    await ok('resume', name);
    await ok('stop', '--force', name);
    await ok('start', '-q', name);
    assert.notEqual((await nova(['rm', name])).code, 0);
    await ok('rm', '--force', name);
    const missing = await nova(['inspect', '--json', name]);
    assert.equal(missing.code, 1);
    assert.match(missing.stderr, /sandbox_not_found/);
    assert.match(await ok('template', 'ls'), /base/);
  } finally {
    await rm(folder, { recursive: true });
  }
}
