import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { finished } from '../support/nova-cli.ts';
import { pythonWith } from '../support/python.ts';
import { serverUnderTest, type ServerUnderTest } from '../support/server.ts';

const schemathesis = 'schemathesis==4.32.5';
const document = join(import.meta.dirname, '../../docs/openapi.json');
/**
 * Operations that would remove the VM on which the others are fuzzed, or the machine's templates. They are fuzzed
 * later, on a VM and a template of their own.
 */
const ending = [
  ...['deleteVm', 'stopVm', 'restartVm', 'pauseVm', 'startVm', 'shutdownGuest', 'emergencyStop', 'setVmTimeout'],
  ...['deleteTemplate', 'buildTemplate'],
];
/** It never ends unless it is told to. */
const endless = 'streamEvents';
let server: ServerUnderTest;
/** The VM on which operations are fuzzed, by its id: its name may be changed. */
let fuzzedVm: string;

before(async () => {
  // Both VMs exist, so no create succeeds, in whatever form.
  server = await serverUnderTest({
    NOVA_RESOURCES_MAX_VMS: '2',
    NOVA_SECURITY_RATE_LIMIT_PER_MINUTE: '0',
    NOVA_SECURITY_FAILED_AUTH_PER_MINUTE: '0',
    NOVA_MONITORING_LOG_LEVEL: 'error',
  });
  fuzzedVm = ((await server.vm({ name: 'fuzz', timeout_seconds: 0 })) as { id: string }).id;
  // A process of this host starts and stops at once, and nothing is run in it.
  await server.vm({ name: 'victim', timeout_seconds: 0, hypervisor: 'process' });
});
after(async () => {
  await server?.[Symbol.asyncDispose]();
});

/** Statuses that are right for many requests, whatever the document says about their parts. */
const refusals = [401, 403, 404, 405, 409, 413, 415, 426, 429, 431, 501];

/** The document with these parameters fixed, so that a value of another form never replaces an existing one. */
async function documentFor(name: string, parameters: Readonly<Record<string, string>>): Promise<string> {
  const described = JSON.parse(await readFile(document, 'utf8')) as {
    readonly paths: Readonly<
      Record<string, Readonly<Record<string, { parameters: { name: string; schema: unknown }[] }>>>
    >;
  };
  for (const operation of Object.values(described.paths).flatMap((methods) => Object.values(methods))) {
    for (const parameter of operation.parameters) {
      const value = parameters[parameter.name];
      if (value !== undefined) parameter.schema = { enum: [value] };
    }
  }
  const file = join(server.home.home, `${name}.json`);
  await writeFile(file, JSON.stringify(described));
  return file;
}

/** Returns the number of requests made. Fails where an answer does not fit the document. */
async function fuzzed(
  name: string,
  which: readonly string[],
  parameters: Readonly<Record<string, string>>,
  seconds: number,
  alsoExpected: readonly number[] = [],
): Promise<number> {
  const python = await pythonWith('schemathesis-4.32.5', [schemathesis]);
  const config = join(server.home.home, `${name}.toml`);
  await writeFile(
    config,
    [
      `hooks = ${JSON.stringify(join(import.meta.dirname, 'fuzz/checks.py'))}`,
      'headers = { X-API-Key = "${NOVA_FUZZ_KEY}" }',
      '[checks.not_a_server_error]',
      `expected-statuses = ${JSON.stringify(['2xx', '3xx', '4xx', 501, ...alsoExpected])}`,
      '[checks.negative_data_rejection]',
      `expected-statuses = ${JSON.stringify([400, 422, ...refusals, ...alsoExpected])}`,
      // A check of our own covers 422.
      '[checks.positive_data_acceptance]',
      `expected-statuses = ${JSON.stringify(['2xx', 422, ...refusals, ...alsoExpected])}`,
    ].join('\n'),
  );
  const argv = [
    ...['-c', 'from schemathesis.cli import schemathesis; schemathesis()', '--config-file', config],
    ...['run', await documentFor(name, parameters)],
    ...['--url', server.url, '--request-timeout', '20', '--phases', 'coverage,fuzzing', '--continue-on-failure'],
    ...[
      '--checks',
      'all',
      '--max-examples',
      '8',
      '--seed',
      '2611',
      '--max-time',
      String(seconds),
      '--warnings',
      'off',
      '--no-color',
    ],
    ...which,
  ];
  const child = spawn(python, argv, {
    cwd: server.home.home,
    env: { ...process.env, NOVA_FUZZ_KEY: server.key },
    timeout: (seconds + 150) * 1000,
  });
  const { code, stdout, stderr } = await finished(child);
  assert.equal(code, 0, `${stdout.slice(-8000)}\n${stderr.slice(-2000)}`);
  // The time must have sufficed to test each operation.
  const [, selected] = /Selected: (\d+)\//.exec(stdout) ?? [];
  assert.equal(/Tested: (\d+)/.exec(stdout)?.[1], selected, stdout.slice(-2000));
  return Number(/(\d+) generated/.exec(stdout)?.[1]);
}

test('every route of the OpenAPI document withstands noise: no 500, no hang, answers as documented', async () => {
  const others = ['--exclude-operation-id-regex', `^(${[...ending, endless].join('|')})$`];
  assert.ok((await fuzzed('others', others, { id: fuzzedVm }, 180)) > 500);
  assert.equal((await server.ok('POST', `/vms/${fuzzedVm}/execute`, { command: 'echo alive' })).stdout, 'alive\n');
});

test('so do those that end VMs and templates', async () => {
  // Once the VM is deleted, the other operations would not find it.
  const deleting = ['--include-operation-id-regex', '^(deleteVm|deleteTemplate|buildTemplate)$'];
  const nobody = { id: 'nobody', template_id: 'no-such-template' };
  assert.ok((await fuzzed('deleting', deleting, nobody, 20)) > 10);
  const stopping = [
    '--include-operation-id-regex',
    `^(${ending.filter((each) => !/^(delete|build)/.test(each)).join('|')})$`,
  ];
  // 503 is the answer to a start on a hypervisor that this host does not have.
  assert.ok((await fuzzed('stopping', stopping, { id: 'victim' }, 30, [503])) > 30);
  assert.equal((await server.call('DELETE', '/vms/victim')).status, 204);
});
