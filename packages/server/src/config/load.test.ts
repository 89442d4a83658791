import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { loadConfig, redacted } from './load.ts';

const folder = mkdtempSync(join(tmpdir(), 'nova-config-'));
after(() => rmSync(folder, { recursive: true, force: true }));
const file = join(folder, 'config.yaml');
const load = (yaml: string, env: NodeJS.ProcessEnv = {}, port?: number) => {
  writeFileSync(file, yaml);
  return loadConfig({ file, fileNamed: true, env, flags: { server: { port } } });
};

test('flags go before the environment, that before the file, that before the defaults', () => {
  const config = load(
    'server:\n  port: 1\n  host: "::1"\nresources:\n  max_vms: 3\n',
    { NOVA_SERVER_PORT: '2', NOVA_RESOURCES_MAX_VMS: '4' },
    5,
  );
  assert.deepEqual([config.server.port, config.server.host, config.resources.max_vms], [5, '::1', 4]);
  assert.equal(load('').server.port, 8000);
  assert.deepEqual(load('', { NOVA_SECURITY_CORS_ORIGINS: '[https://a, https://b]' }).security.cors_origins, [
    'https://a',
    'https://b',
  ]);
  assert.equal(loadConfig({ file: join(folder, 'none'), fileNamed: false, env: {} }).server.host, '127.0.0.1');
});

test('what is wrong is named with its field', () => {
  assert.throws(() => load('server:\n  prot: 1\n'), /server: .*prot/);
  assert.throws(() => load('server:\n  prot: 1\n'), /config: server: unknown key "prot"; did you mean "port"\?/);
  assert.throws(() => load('sever:\n  port: 1\n'), /config: unknown key "sever"; did you mean "server"\?/);
  assert.throws(() => load('resources:\n  max_vms: many\n'), /resources\.max_vms/);
  assert.throws(() => load('server: 8000\n'), /server: is a section/);
  assert.throws(() => load('- a\n'), /does not hold sections/);
  assert.throws(() => load('a: [\n'), /config\.yaml/);
  assert.throws(() => load('', { NOVA_API_KEY: 'short' }), /security\.api_key \(NOVA_API_KEY\): /);
  assert.throws(() => load('', { NOVA_SERVER_PORT: 'abc' }), /^NovaError: config: server\.port \(NOVA_SERVER_PORT\): /);
  assert.throws(() => load('', { NOVA_SERVER_PROT: '1' }), /config: server \(NOVA_SERVER_PROT\): .*"prot"/);
  // The flag overrides the variable, so that the error does not name the variable.
  assert.throws(() => load('', { NOVA_SERVER_PORT: '1' }, -1), /server\.port: /);
  assert.throws(() => loadConfig({ file: join(folder, 'none'), fileNamed: true, env: {} }), /there is no file/);
});

test('secrets are not shown', () => {
  const config = load('', { NOVA_API_KEY: `e2b_${'ab'.repeat(20)}` });
  assert.ok(!JSON.stringify(redacted(config)).includes('abab'));
  const webhook = '{ url: http://127.0.0.1:9, secret: cdcdcdcdcdcdcdcd }';
  const shown = redacted(load('', { NOVA_MONITORING_WEBHOOK: webhook })).monitoring.webhook;
  assert.deepEqual([shown?.url, shown?.secret], ['http://127.0.0.1:9', '[redacted]']);
});
