import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import type { SandboxInfo, SandboxStats } from '@novasandbox/protocol';
import { halfTemplate } from '../support/half-template.ts';
import { cliUnderTest, finished, novaCommand, until } from '../support/nova-cli.ts';

test('a sandbox lives on between commands: create, exec, pause, resume, stop, start, rm', async () => {
  await using cli = await cliUnderTest();
  const id = await cli.ok('create', '--name', 'box', '--label', 'team=infra', '--memory', '256m');
  assert.equal(await cli.ok('exec', 'box', '--', 'sh', '-c', 'echo kept > ~/file; cat ~/file'), 'kept');
  const list = JSON.parse(await cli.ok('ls', '--json')) as SandboxInfo[];
  assert.deepEqual(
    list.map(({ name, state, memoryMb }) => ({ name, state, memoryMb })),
    [{ name: 'box', state: 'running', memoryMb: 256 }],
  );
  assert.match(await cli.ok('ls'), new RegExp(`^${id} +box +base +running`, 'm'));
  assert.equal(await cli.ok('ls', '-q', '--label', 'team=infra'), id);
  assert.equal(await cli.ok('ls', '-q', '--label', 'team=other'), '');

  assert.equal(await cli.ok('pause', 'box'), 'box');
  const paused = await cli.nova(['exec', 'box', '--', 'true']);
  assert.equal(paused.code, 125);
  assert.match(paused.stderr, /hint: /);
  assert.equal(await cli.ok('resume', 'box'), 'box');

  assert.equal(await cli.ok('stop', 'box'), 'box');
  assert.equal(await cli.ok('ls', '-q'), '');
  assert.equal(await cli.ok('ls', '-a', '-q'), id);
  await cli.ok('start', '--hypervisor', 'auto', 'box');
  assert.equal(await cli.ok('exec', 'box', '--', 'sh', '-c', 'cat ~/file'), 'kept');

  const refused = await cli.nova(['rm', 'box']);
  assert.equal(refused.code, 1);
  await cli.ok('rm', '--force', 'box');
  assert.equal(await cli.ok('ls', '-a', '-q'), '');
});

test('inspect, stats and logs tell about it', async () => {
  await using cli = await cliUnderTest();
  const id = await cli.ok('create', '--name', 'box');
  const [inspected] = JSON.parse(await cli.ok('inspect', 'box')) as (SandboxInfo & {
    config: { templateId: string };
  })[];
  assert.equal(inspected?.id, id);
  assert.equal(inspected.config.templateId, 'base');
  assert.ok((inspected.metadata.bootTimeMs ?? 0) > 0);
  const [stats] = JSON.parse(await cli.ok('stats', '--json')) as { id: string; stats: SandboxStats }[];
  assert.equal(stats?.id, id);
  assert.ok(stats.stats.memoryUsageMb > 0);
  assert.match(await cli.ok('stats', 'box'), new RegExp(`^${id} +box +[\\d.]+ %`, 'm'));
  const logs = JSON.parse(await cli.ok('logs', '--json', 'box')) as { console: string; vmm: string };
  assert.equal(typeof logs.console, 'string');
  assert.equal(typeof logs.vmm, 'string');
});

test('logs -f follows the console, and ends with the sandbox', async () => {
  await using cli = await cliUnderTest();
  await cli.ok('create', '--name', 'box');
  const follow = cli.start(['logs', '-f', 'box']);
  await cli.ok('exec', '-u', 'root', 'box', '--', 'sh', '-c', 'echo "<1>said to the console" > /dev/kmsg');
  await until(follow.stdout, 'said to the console');
  await cli.ok('stop', '--force', 'box');
  assert.equal((await finished(follow)).code, 0);
});

test('what cannot be is refused with a code, a message and a hint; nothing is left', async () => {
  await using cli = await cliUnderTest();
  await cli.ok('create', '--name', 'taken');
  const cases: readonly (readonly [readonly string[], string])[] = [
    [['create', '--memory', '0'], 'invalid_argument'],
    [['create', '--memory', '900000g'], 'invalid_argument'],
    [['create', '--vcpus', '0'], 'invalid_argument'],
    [['create', '--vcpus', '999'], 'invalid_argument'],
    [['create', '--name', 'a/b'], 'invalid_argument'],
    [['create', '--name', '..'], 'invalid_argument'],
    [['create', '--name', 'taken'], 'sandbox_exists'],
    [['create', '--template', '../etc'], 'invalid_argument'],
    [['create', '--template', 'unknown'], 'unknown_template'],
    [['create', '--rootfs', '/no/such/image'], 'invalid_argument'],
    [['exec', '--json', 'nobody', '--', 'true'], 'sandbox_not_found'],
    [['stop', 'nobody'], 'sandbox_not_found'],
    [['rm', 'nobody'], 'sandbox_not_found'],
    [['start', 'nobody'], 'sandbox_not_found'],
    [['inspect', 'nobody'], 'sandbox_not_found'],
    [['logs', 'nobody'], 'sandbox_not_found'],
    [['stats', 'nobody'], 'sandbox_not_found'],
  ];
  for (const [[verb = '', ...argv], code] of cases) {
    const result = await cli.nova([verb, '--json', ...argv.filter((word) => word !== '--json')]);
    const expected = code === 'invalid_argument' ? 2 : verb === 'exec' ? 125 : 1;
    assert.equal(result.code, expected, `${verb} ${argv.join(' ')}: ${result.stderr}`);
    const { error } = JSON.parse(result.stderr) as { error: { code: string; message: string; hint: string } };
    assert.equal(error.code, code, `${verb} ${argv.join(' ')}: ${error.message}`);
    assert.ok(error.hint.length > 0);
  }
  assert.equal((await cli.ok('ls', '-a', '-q')).split('\n').length, 1);
});

test('of several sandboxes, those that work are printed and the others told', async () => {
  await using cli = await cliUnderTest();
  await cli.ok('create', '--name', 'one');
  const { code, stdout, stderr } = await cli.nova(['stop', '-f', 'one', 'two']);
  assert.equal(code, 1);
  assert.equal(stdout, 'one\n');
  assert.match(stderr, /two/);
  assert.equal((await cli.nova(['rm', 'two'])).code, 1);
});

test('what docker users type: ps, images, kill, rm -f of what is gone', async () => {
  await using cli = await cliUnderTest();
  const id = await cli.ok('create', '--name', 'box', '-p', '18080:80');
  assert.equal(await cli.ok('ps', '-q'), id);
  assert.match(await cli.ok('ps'), /18080:80/);
  assert.equal(await cli.ok('images'), await cli.ok('template', 'ls'));
  assert.equal(await cli.ok('kill', 'box'), 'box');
  assert.equal(await cli.ok('ps', '-q'), '');
  assert.equal(await cli.ok('ps', '-a', '-q'), id);
  assert.equal(await cli.ok('rm', '-f', 'nobody', 'box'), 'box');
  assert.equal(await cli.ok('rm', '-f', 'box'), '');
  assert.equal(await cli.ok('rm', '-f', '--json', 'box'), '[]');
});

test('prune removes what is stopped, after it was told to', async () => {
  await using cli = await cliUnderTest();
  const running = await cli.ok('create', '--name', 'running');
  for (const name of ['one', 'two']) {
    await cli.ok('create', '--name', name, '--label', `is=${name}`);
    await cli.ok('kill', name);
  }
  const prune = (answer: string, ...argv: string[]): string => {
    const command = [...novaCommand, 'prune', ...argv].map((word) => `'${word}'`).join(' ');
    const asked = spawnSync('script', ['-qec', command, '/dev/null'], {
      env: cli.home.env,
      encoding: 'utf8',
      input: answer,
    });
    return asked.stdout;
  };
  assert.match(prune('n\n'), /stopped +one\r\n[^]*Remove these with their disks/);
  assert.equal((await cli.ok('ps', '-a', '-q')).split('\n').length, 3);
  prune('y\n', '--label', 'is=one');
  assert.equal((await cli.nova(['inspect', 'one'])).code, 1);
  const [{ ref }] = JSON.parse(await cli.ok('prune', '--force', '--json')) as [{ ref: string }];
  assert.equal((await cli.nova(['inspect', ref])).code, 1);
  assert.equal(await cli.ok('ps', '-a', '-q'), running);
  assert.equal(await cli.ok('prune', '-f'), '');
});

test('a time to live ends the sandbox though nobody is there', async () => {
  await using cli = await cliUnderTest();
  const id = await cli.ok('create', '--ttl', '2s');
  const gone = async (): Promise<boolean> => (await cli.ok('ls', '-q')) !== id;
  const deadline = Date.now() + 15_000;
  while (!(await gone())) assert.ok(Date.now() < deadline, 'it still runs');
});

test('exec passes stdin, streams and exit codes, and ends the command when it is ended', async () => {
  await using cli = await cliUnderTest();
  await cli.ok('create', '--name', 'box');
  assert.equal((await cli.nova(['exec', '-i', 'box', 'tr', 'a-z', 'A-Z'], { input: 'hello' })).stdout, 'HELLO');
  assert.equal((await cli.nova(['exec', 'box', 'sh', '-c', 'exit 9'])).code, 9);
  assert.equal((await cli.nova(['exec', 'box', 'no-such-program'])).code, 127);
  assert.equal((await cli.nova(['exec', '--timeout', '300ms', 'box', 'sleep', '60'])).code, 124);
  const child = cli.start(['exec', 'box', '--', 'sh', '-c', 'echo ready; exec sleep 4321']);
  await until(child.stdout, 'ready');
  child.kill('SIGTERM');
  assert.equal((await finished(child)).code, 143);
  assert.equal((await cli.nova(['exec', 'box', 'pgrep', '-f', 'sleep 4321'])).code, 1);
  assert.match(await cli.ok('exec', '-d', 'box', 'sleep', '1234'), /^\d+$/);
  assert.equal((await cli.nova(['exec', 'box', 'pgrep', '-x', 'sleep'])).code, 0);
});

test('templates are listed and inspected; one that cannot be built says so', async () => {
  await using cli = await cliUnderTest();
  assert.match(await cli.ok('template', 'ls'), /^base +debian bookworm +(amd64|arm64)/m);
  const [base] = JSON.parse(await cli.ok('template', 'inspect', 'base')) as { id: string; packages: string[] }[];
  assert.ok(base?.packages.includes('python3'));
  const built = await cli.nova(['template', 'build', await halfTemplate(cli.home.home)]);
  assert.equal(built.code, 1);
  assert.match(built.stderr, /hint: /);
  assert.equal((await cli.nova(['template', 'inspect', 'nope'])).code, 1);
});

test('doctor says what can be used', async () => {
  await using cli = await cliUnderTest();
  const { usable, findings } = JSON.parse(await cli.ok('doctor', '--json')) as {
    usable: boolean;
    findings: { section: string; subject: string; state: string }[];
  };
  assert.equal(usable, true);
  assert.ok(findings.some(({ subject, state }) => subject === 'qemu' && state === 'fine'));
  const sectionOf = (wanted: string): string | undefined => findings.find(({ subject }) => subject === wanted)?.section;
  assert.deepEqual(['qemu', 'disk', 'templates'].map(sectionOf), ['needed', 'needed', 'needed']);
  if (process.platform === 'linux') assert.deepEqual(['cgroups', 'apple-vz'].map(sectionOf), ['better', 'elsewhere']);
  assert.match(
    await cli.ok('doctor'),
    /^What sandboxes need here\n[^]*\nWhat would make them faster[^]*\nWhat does not apply[^]*Sandboxes can be made here/,
  );
  // No machine has such a folder, and the doctor gives another remedy.
  const broken = await cli.nova(['doctor', '--json'], { env: { NOVA_HOME: '/proc/nova' } });
  assert.equal(broken.code, 1);
  assert.match(broken.stdout, /"usable": false/);
});

test('completion offers the sandboxes that are there', async () => {
  await using cli = await cliUnderTest();
  await cli.ok('create', '--name', 'box');
  assert.equal(await cli.ok('__complete', '--', 'exec', 'b'), 'box');
  assert.equal(await cli.ok('__complete', '--', 'run', '--template', 'ba'), 'base');
  const script = `nova() { ${novaCommand.map((word) => `'${word}'`).join(' ')} "$@"; }; eval "$(nova completion bash)"
    COMP_WORDS=(nova exec b) COMP_CWORD=2; _nova; echo "\${COMPREPLY[@]}"`;
  const { stdout } = spawnSync('bash', ['-c', script], { env: cli.home.env, encoding: 'utf8' });
  assert.equal(stdout, 'box\n');
});

test('a paused sandbox has its statistics refused, not waited for', async () => {
  await using cli = await cliUnderTest();
  await cli.ok('create', '--name', 'box');
  await cli.ok('pause', 'box');
  const started = performance.now();
  const { code, stdout } = await cli.nova(['stats', '--json', 'box']);
  assert.ok(performance.now() - started < 5000);
  assert.ok(code === 1 || stdout.includes('"rssMb"'));
});

test('exec --json names the sandbox by its id, and has every byte', async () => {
  await using cli = await cliUnderTest();
  const id = await cli.ok('create', '-q', '--no-network', '--name', 'named');
  const script = "printf '\\377\\000ok'; echo plain >&2";
  const result = JSON.parse(await cli.ok('exec', '--json', 'named', '--', 'sh', '-c', script)) as Record<
    string,
    unknown
  >;
  assert.equal(result['sandboxId'], id);
  assert.equal(result['stdoutBase64'], Buffer.from([255, 0, 111, 107]).toString('base64'));
  assert.deepEqual([result['stderr'], 'stderrBase64' in result], ['plain\n', false]);
});

test('config validate looks at the files that the configuration names', async () => {
  await using cli = await cliUnderTest();
  const env = { NOVA_SERVER_TLS: '{ cert_file: /no/cert.pem, key_file: /no/key.pem }' };
  const { code, stderr } = await cli.nova(['config', 'validate'], { env });
  assert.equal(code, 1);
  assert.match(stderr, /server\.tls\.cert_file: \/no\/cert\.pem cannot be read/);
});
