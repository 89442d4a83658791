import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, copyFileSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { request } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect } from 'node:tls';
import { connect as connectPlain } from 'node:net';
import { after, before, test } from 'node:test';
import { WebSocket } from 'ws';
import { eventually } from '../support/eventually.ts';
import { novaCommand } from '../support/nova-cli.ts';
import { listen, serverUnderTest, type ServerUnderTest } from '../support/server.ts';

const folder = mkdtempSync(join(tmpdir(), 'nova-tls-'));
const file = (name: string): string => join(folder, name);
let server: ServerUnderTest;
let ca: Buffer;
// VMMs of other users must be able to pass through.
chmodSync(folder, 0o711);

function openssl(...argv: string[]): void {
  const { status, stderr } = spawnSync('openssl', argv, { cwd: folder });
  assert.equal(status, 0, stderr.toString());
}

/** Issues a certificate for this host by an authority of the test's own. */
function issue(name: string): void {
  openssl(
    'req',
    '-newkey',
    'ec',
    '-pkeyopt',
    'ec_paramgen_curve:P-256',
    '-nodes',
    '-subj',
    `/CN=${name}`,
    '-keyout',
    `${name}.key`,
    '-out',
    `${name}.csr`,
  );
  spawnSync('sh', ['-c', 'printf "subjectAltName=IP:127.0.0.1,DNS:localhost" > san'], { cwd: folder });
  openssl(
    'x509',
    '-req',
    '-in',
    `${name}.csr`,
    '-CA',
    'ca.pem',
    '-CAkey',
    'ca.key',
    '-CAcreateserial',
    '-days',
    '1',
    '-extfile',
    'san',
    '-out',
    `${name}.pem`,
  );
}

function install(cert: string, key: string): void {
  copyFileSync(file(`${cert}.pem`), file('live.pem'));
  copyFileSync(file(`${key}.key`), file('live.key'));
}

/** The subject of the server's current certificate. */
async function subject(): Promise<string> {
  const socket = connect({ host: '127.0.0.1', port: Number(new URL(server.url).port), ca });
  await once(socket, 'secureConnect');
  const { CN } = socket.getPeerCertificate().subject;
  socket.destroy();
  return String(CN);
}

async function get(path: string): Promise<{ status: number; body: string }> {
  const asked = request(`${server.url}${path}`, { ca, headers: { 'x-api-key': server.key } }).end();
  const [response] = await once(asked, 'response');
  let body = '';
  for await (const chunk of response) body += String(chunk);
  return { status: response.statusCode, body };
}

before(async () => {
  openssl(
    'req',
    '-x509',
    '-newkey',
    'ec',
    '-pkeyopt',
    'ec_paramgen_curve:P-256',
    '-nodes',
    '-subj',
    '/CN=test authority',
    '-days',
    '1',
    '-keyout',
    'ca.key',
    '-out',
    'ca.pem',
  );
  ca = readFileSync(file('ca.pem'));
  issue('first');
  issue('second');
  install('first', 'first');
  server = await serverUnderTest({
    NOVA_SERVER_HEADER_TIMEOUT_SECONDS: '2',
    NOVA_SERVER_TLS: `{ cert_file: "${file('live.pem')}", key_file: "${file('live.key')}" }`,
  });
});
after(async () => {
  try {
    await server?.[Symbol.asyncDispose]();
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

test('HTTPS and WebSockets are answered; plain HTTP and unknown authorities are not', async () => {
  assert.match(server.url, /^https:/);
  assert.equal((await get('/api/v1/vms')).status, 200);
  await assert.rejects(fetch(`${server.url}/health`));
  await assert.rejects(fetch(`${server.url.replace('https', 'http')}/health`));
  const socket = new WebSocket(`${server.url.replace('https', 'wss')}/api/v1/system/events`, {
    ca,
    headers: { 'x-api-key': server.key },
  });
  const talk = listen(socket);
  await once(socket, 'open');
  socket.close();
  await talk.closed;
});

test('a handshake that is not gone on with is given up', { timeout: 60_000 }, async () => {
  const socket = connectPlain({ host: '127.0.0.1', port: Number(new URL(server.url).port) });
  await once(socket, 'connect');
  socket.resume();
  // The beginning of a record that never comes.
  socket.write(Buffer.from([0x16, 0x03, 0x01]));
  await once(socket, 'close');
});

test('the CLI and the SDK below it, told of the authority', () => {
  const env = { ...process.env, NOVA_API_URL: server.url, NOVA_API_KEY: server.key };
  const run = (argv: string[], extra: Record<string, string>) =>
    spawnSync(novaCommand[0] ?? '', [...novaCommand.slice(1), ...argv], {
      env: { ...env, ...extra },
      encoding: 'utf8',
      timeout: 60_000,
    });
  // A run uses requests and a WebSocket.
  const ran = run(['run', '--', 'echo', 'over TLS'], { NODE_EXTRA_CA_CERTS: file('ca.pem') });
  assert.equal(ran.stdout, 'over TLS\n', ran.stderr);
  const refused = run(['ls'], {});
  assert.notEqual(refused.status, 0);
  assert.match(refused.stderr, /certificate/);
});

test('SIGHUP takes a renewed certificate, keeps the old one for a bad pair, and ends nothing', async () => {
  assert.equal(await subject(), 'first');
  install('second', 'first');
  server.child.kill('SIGHUP');
  await eventually('the bad pair is refused', () => server.said().includes('the certificate before stays'));
  assert.equal(await subject(), 'first');
  install('second', 'second');
  server.child.kill('SIGHUP');
  await eventually('the new certificate', async () => (await subject()) === 'second');
  assert.equal((await get('/health')).status, 200);
});

test('a pair that does not fit is refused at the start, with its field', () => {
  const start = (cert: string, key: string) =>
    spawnSync(novaCommand[0] ?? '', [...novaCommand.slice(1), 'serve', '--port', '0'], {
      env: {
        ...process.env,
        NOVA_HOME: file('home'),
        NOVA_SERVER_HEADER_TIMEOUT_SECONDS: '2',
        NOVA_SERVER_TLS: `{ cert_file: "${file(cert)}", key_file: "${file(key)}" }`,
      },
      encoding: 'utf8',
      timeout: 60_000,
    });
  for (const [cert, key, message] of [
    ['first.pem', 'second.key', /server\.tls: .* are no pair/],
    ['first.csr', 'first.key', /server\.tls: .* are no pair/],
    ['none.pem', 'first.key', /server\.tls\.cert_file: .* cannot be read/],
  ] as const) {
    const { status, stderr } = start(cert, key);
    assert.notEqual(status, 0);
    assert.match(stderr, message);
    assert.doesNotMatch(stderr, /internal|at file:/);
  }
});
