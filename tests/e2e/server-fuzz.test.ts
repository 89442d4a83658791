import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { finished } from '../support/nova-cli.ts';
import { pythonWith } from '../support/python.ts';
import { serverUnderTest } from '../support/server.ts';

const schemathesis = 'schemathesis==4.32.5';
const document = join(import.meta.dirname, '../../docs/openapi.json');
/** What would take the VM that is fuzzed away, or the machine's templates; tested elsewhere. */
const spared = [
  ...['deleteVm', 'stopVm', 'restartVm', 'pauseVm', 'startVm', 'shutdownGuest', 'emergencyStop', 'setVmTimeout'],
  ...['deleteTemplate', 'buildTemplate'],
];
const seconds = 60;

test('every route of the OpenAPI document withstands noise: no 500, no hang, answers as documented', async () => {
  const python = await pythonWith('schemathesis-4.32.5', [schemathesis]);
  await using server = await serverUnderTest({
    NOVA_RESOURCES_MAX_VMS: '1',
    NOVA_SECURITY_RATE_LIMIT_PER_MINUTE: '0',
    NOVA_MONITORING_LOG_LEVEL: 'error',
  });
  await server.vm({ name: 'fuzz', timeout_seconds: 0 });
  const config = join(server.home.home, 'schemathesis.toml');
  await writeFile(
    config,
    [
      'headers = { X-API-Key = "${NOVA_FUZZ_KEY}" }',
      '[parameters]',
      '"path.id" = "fuzz"',
      '[checks.not_a_server_error]',
      'expected-statuses = ["2xx", "3xx", "4xx", 501]',
    ].join('\n'),
  );
  const argv = [
    ...['-c', 'from schemathesis.cli import schemathesis; schemathesis()', '--config-file', config, 'run', document],
    ...['--url', server.url, '--request-timeout', '20', '--phases', 'coverage,fuzzing', '--continue-on-failure'],
    ...['--checks', 'not_a_server_error,content_type_conformance,response_schema_conformance,status_code_conformance'],
    ...['--max-examples', '8', '--max-time', String(seconds), '--warnings', 'off', '--no-color'],
    ...['--exclude-operation-id-regex', `^(${spared.join('|')})$`],
  ];
  const child = spawn(python, argv, {
    cwd: server.home.home,
    env: { ...process.env, NOVA_FUZZ_KEY: server.key },
    timeout: 170_000,
  });
  const { code, stdout, stderr } = await finished(child);
  assert.equal(code, 0, `${stdout.slice(-8000)}\n${stderr.slice(-2000)}`);
  const generated = Number(/(\d+) generated/.exec(stdout)?.[1]);
  assert.ok(generated > 500, stdout.slice(-1000));
  assert.equal((await server.ok('POST', '/vms/fuzz/execute', { command: 'echo alive' })).stdout, 'alive\n');
});
