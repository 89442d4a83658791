import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { finished } from '../support/nova-cli.ts';
import { pythonWith } from '../support/python.ts';
import { serverUnderTest, type ServerUnderTest } from '../support/server.ts';

const schemathesis = 'schemathesis==4.32.5';
const document = join(import.meta.dirname, '../../docs/openapi.json');
/** What would take the VM away that the others are fuzzed on, or the machine's templates: fuzzed after them, on a VM and a template of their own. */
const ending = [
  ...['deleteVm', 'stopVm', 'restartVm', 'pauseVm', 'startVm', 'shutdownGuest', 'emergencyStop', 'setVmTimeout'],
  ...['deleteTemplate', 'buildTemplate'],
];
let server: ServerUnderTest;

before(async () => {
  // Both VMs are there: no create succeeds, however it is asked for.
  server = await serverUnderTest({
    NOVA_RESOURCES_MAX_VMS: '2',
    NOVA_SECURITY_RATE_LIMIT_PER_MINUTE: '0',
    NOVA_MONITORING_LOG_LEVEL: 'error',
  });
  await server.vm({ name: 'fuzz', timeout_seconds: 0 });
  // A process of this host starts and stops in no time, and nothing is run in it.
  await server.vm({ name: 'victim', timeout_seconds: 0, hypervisor: 'process' });
});
after(async () => {
  await server?.[Symbol.asyncDispose]();
});

/** How many requests were made. Fails where one was answered in a way that the document does not know. */
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
      'headers = { X-API-Key = "${NOVA_FUZZ_KEY}" }',
      '[parameters]',
      ...Object.entries(parameters).map(([parameter, value]) => `"${parameter}" = "${value}"`),
      '[checks.not_a_server_error]',
      `expected-statuses = ${JSON.stringify(['2xx', '3xx', '4xx', 501, ...alsoExpected])}`,
    ].join('\n'),
  );
  const argv = [
    ...['-c', 'from schemathesis.cli import schemathesis; schemathesis()', '--config-file', config, 'run', document],
    ...['--url', server.url, '--request-timeout', '20', '--phases', 'coverage,fuzzing', '--continue-on-failure'],
    ...['--checks', 'not_a_server_error,content_type_conformance,response_schema_conformance,status_code_conformance'],
    ...['--max-examples', '8', '--max-time', String(seconds), '--warnings', 'off', '--no-color'],
    ...which,
  ];
  const child = spawn(python, argv, {
    cwd: server.home.home,
    env: { ...process.env, NOVA_FUZZ_KEY: server.key },
    timeout: 170_000,
  });
  const { code, stdout, stderr } = await finished(child);
  assert.equal(code, 0, `${stdout.slice(-8000)}\n${stderr.slice(-2000)}`);
  // Time must not have run out before each had its turn.
  const [, selected] = /Selected: (\d+)\//.exec(stdout) ?? [];
  assert.equal(/Tested: (\d+)/.exec(stdout)?.[1], selected, stdout.slice(-2000));
  return Number(/(\d+) generated/.exec(stdout)?.[1]);
}

test('every route of the OpenAPI document withstands noise: no 500, no hang, answers as documented', async () => {
  const others = ['--exclude-operation-id-regex', `^(${ending.join('|')})$`];
  assert.ok((await fuzzed('others', others, { 'path.id': 'fuzz' }, 60)) > 500);
  assert.equal((await server.ok('POST', '/vms/fuzz/execute', { command: 'echo alive' })).stdout, 'alive\n');
});

test('so do those that end VMs and templates', async () => {
  // Deleted once, the VM would be found by none of the others.
  const deleting = ['--include-operation-id-regex', '^(deleteVm|deleteTemplate|buildTemplate)$'];
  const nobody = { 'path.id': 'nobody', 'path.template_id': 'no-such-template' };
  assert.ok((await fuzzed('deleting', deleting, nobody, 20)) > 10);
  const stopping = [
    '--include-operation-id-regex',
    `^(${ending.filter((each) => !/^(delete|build)/.test(each)).join('|')})$`,
  ];
  // 503 is what a start on a hypervisor that this host does not have is told, 502 a call whose VM another one stops meanwhile.
  assert.ok((await fuzzed('stopping', stopping, { 'path.id': 'victim' }, 30, [502, 503])) > 30);
  assert.equal((await server.call('DELETE', '/vms/victim')).status, 204);
});
