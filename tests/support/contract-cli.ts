import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { finished, novaCommand, type CliResult } from './nova-cli.ts';

/** What holds for the command line wherever its sandboxes are. */
export async function cliContract(env: NodeJS.ProcessEnv, flags: readonly string[]): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'nova-contract-'));
  const start = (argv: readonly string[], input = ''): Started => {
    const child = spawn(novaCommand[0] ?? '', [...novaCommand.slice(1), ...flags, ...argv], { env, cwd: folder });
    child.stdin.on('error', () => undefined);
    child.stdin.end(input);
    return { speaks: once(child.stdout, 'readable'), end: finished(child) };
  };
  const nova: Run = (argv, input) => start(argv, input).end;
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
    const { pid } = JSON.parse(await ok('exec', '-d', '--json', name, '--', 'sleep', '1000')) as {
      readonly pid: number;
    };
    assert.equal(await ok('exec', name, '--', 'cat', `/proc/${pid}/comm`), 'sleep');
    await detachedCommands(start, nova, ok, name);
    const renamed = `${name}.again`;
    assert.equal(await ok('rename', name, renamed), renamed);
    assert.equal(await ok('ls', '-q', '--label', `name=${name}`), id);
    assert.match((await nova(['rename', '--json', name, 'any'])).stderr, /sandbox_not_found/);
    const other = await ok('create', '-q', '--name', name, '--no-network');
    assert.match((await nova(['rename', '--json', renamed, name])).stderr, /sandbox_exists/);
    await ok('rm', '--force', other);
    assert.equal(await ok('rename', renamed, name), name);
    await namedPolicies(nova, ok, name, id);
    assert.match(await ok('stats', name), new RegExp(id));
    await ok('logs', name);
    assert.equal(await ok('pause', name), name);
    assert.equal((await nova(['exec', name, '--', 'true'])).code, 125);
    await ok('resume', name);
    assert.equal(await ok('hibernate', name), name);
    assert.match(await ok('ls', '--label', `name=${name}`), /hibernated/);
    assert.equal(await ok('resume', name), name);
    assert.equal(await ok('hibernate', '--disk-only', name), name);
    assert.equal(await ok('resume', name), name);
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

interface Started {
  /** Settles when it has written something, or has ended. */
  readonly speaks: Promise<unknown>;
  readonly end: Promise<CliResult>;
}

type Run = (argv: readonly string[], input?: string) => Promise<CliResult>;

/** Commands that were left running: listed, read, followed and joined. */
async function detachedCommands(
  start: (argv: readonly string[]) => Started,
  nova: Run,
  ok: (...argv: string[]) => Promise<string>,
  box: string,
): Promise<void> {
  const script = 'echo one; echo two; echo err >&2; while [ ! -e /tmp/go ]; do sleep 0.1; done; echo three; exit 7';
  const id = await ok('exec', '-d', box, '--', 'sh', '-c', script);
  assert.match(await ok('ps', box), new RegExp(`^${id} +\\d+ +running .* sh -c echo one`, 'm'));
  const running = ['logs', '--exec', id, box] as const;
  // The command has to get there first.
  while (!(await nova(running)).stderr.includes('err'))
    assert.match(await ok('ps', '-q', box), new RegExp(`^${id}$`, 'm'));
  const soFar = await nova(running);
  assert.deepEqual([soFar.code, soFar.stdout, soFar.stderr], [0, 'one\ntwo\n', 'err\n']);
  const last = await nova([...running, '--tail', '1', '--stdout']);
  assert.deepEqual([last.stdout, last.stderr], ['two\n', '']);
  const json = JSON.parse(await ok(...running, '--json')) as Readonly<Record<string, unknown>>;
  assert.deepEqual(
    [json['running'], json['exitCode'], json['stdout'], json['stdoutDropped']],
    [true, null, 'one\ntwo\n', 0],
  );

  const following = start([...running, '--follow']);
  const following1 = start([...running, '--follow', '--tail', '1', '--json']);
  const attached = start(['attach', '--from-start', '--no-stdin', box, id]);
  await Promise.all([following.speaks, following1.speaks, attached.speaks]);
  await ok('exec', box, '--', 'touch', '/tmp/go');
  const followed = await following.end;
  assert.deepEqual([followed.code, followed.stdout, followed.stderr], [0, 'one\ntwo\nthree\n', 'err\n']);
  const lines = (await following1.end).stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as { text?: string; exitCode?: number });
  assert.equal(
    lines
      .map(({ text = '' }) => text)
      .join('')
      .replace('err\n', ''),
    'two\nthree\n',
  );
  assert.equal(lines.at(-1)?.exitCode, 7);
  const joined = await attached.end;
  assert.deepEqual([joined.code, joined.stdout, joined.stderr], [7, 'one\ntwo\nthree\n', 'err\n']);
  // And after its end.
  assert.equal(await ok(...running, '--stdout'), 'one\ntwo\nthree');
  assert.match(await ok('ps', '-a', box), new RegExp(`^${id} +\\d+ +ended: 7 `, 'm'));

  const shout = await ok('exec', '-d', '-i', box, '--', 'sh', '-c', 'while read line; do echo "$line!"; done; exit 3');
  const heard = await nova(['attach', box, shout], 'hello\n');
  assert.deepEqual([heard.code, heard.stdout, heard.stderr], [3, 'hello!\n', '']);

  const loud = await ok('exec', '-d', box, '--', 'sh', '-c', 'head -c 1000000 /dev/zero | tr "\\0" x; echo; echo end');
  await nova(['attach', box, loud]);
  const kept = await nova(['logs', '--exec', loud, '--tail', '1', box]);
  assert.equal(kept.stdout, 'end\n');
  assert.match(kept.stderr, /^nova: the first \d+ KiB of stdout are gone: /);
  const gone = await nova(['logs', '--json', '--exec', '999999', box]);
  assert.equal(gone.code, 1);
  assert.match(gone.stderr, /process_not_found/);
}

/** Policies with names. */
async function namedPolicies(nova: Run, ok: (...argv: string[]) => Promise<string>, name: string, id: string) {
  const policy = `${name}-policy`;
  assert.equal(await ok('policy', 'create', policy, '--allow', '*.example.com:443'), policy);
  assert.match((await nova(['policy', 'create', policy])).stderr, /exists already/);
  await ok('policy', 'set', name, policy);
  assert.equal(await ok('policy', 'get', name), JSON.stringify(policy));
  assert.match(await ok('policy', 'ls'), new RegExp(`${policy} +1 +deny +1 `));
  assert.match(await ok('policy', 'test', 'https://a.example.com', policy), /allowed by/);
  assert.equal((await nova(['policy', 'test', 'https://a.example.org', policy])).code, 1);
  assert.match((await nova(['policy', 'rm', policy])).stderr, new RegExp(id));
  await ok('policy', 'change', policy, '--deny', 'a.example.com');
  assert.match(await ok('policy', 'show', policy), /"otherwise": "allow"/);
  assert.equal(await ok('policy', 'pending', name, '--json'), '[]');
  await ok('policy', 'set', name, 'all');
  assert.equal(await ok('policy', 'rm', policy), policy);
  assert.match((await nova(['policy', 'show', policy])).stderr, /There is no network policy/);
}
