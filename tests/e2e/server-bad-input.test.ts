import assert from 'node:assert/strict';
import { availableParallelism } from 'node:os';
import { once } from 'node:events';
import { connect } from 'node:net';
import { after, before, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { eventually } from '../support/eventually.ts';
import { serverUnderTest, type ServerUnderTest } from '../support/server.ts';

let server: ServerUnderTest;
let id: string;

before(async () => {
  server = await serverUnderTest({
    NOVA_SERVER_BODY_LIMIT_MB: '1',
    NOVA_SERVER_BODY_TIMEOUT_SECONDS: '1',
    NOVA_SERVER_HEADER_TIMEOUT_SECONDS: '1',
    NOVA_RESOURCES_MAX_VMS: '2',
    NOVA_RESOURCES_MAX_MEMORY_MB: '1024',
    NOVA_NETWORKING_ALLOW_HOST_PORTS: 'false',
  });
  ({ id } = await server.vm());
});
after(async () => {
  await server?.[Symbol.asyncDispose]();
});

/** Sends raw bytes over a connection of their own; resolves to everything that comes back until the server closes. */
async function raw(text: string, thenAfterMs?: readonly [number, string]): Promise<string> {
  const { port } = new URL(server.url);
  const socket = connect(Number(port), '127.0.0.1');
  let answer = '';
  socket.on('data', (data) => (answer += data.toString()));
  socket.on('error', () => undefined);
  socket.write(text);
  if (thenAfterMs !== undefined) setTimeout(() => socket.write(thenAfterMs[1]), thenAfterMs[0]).unref();
  await Promise.race([once(socket, 'close'), delay(15_000, undefined, { ref: false })]);
  socket.destroy();
  return answer;
}
const head = (line: string, ...headers: string[]): string =>
  [line, 'Host: localhost', `X-API-Key: ${server.key}`, ...headers, '', ''].join('\r\n');
const alive = async (): Promise<void> => assert.equal((await server.call('GET', '//health')).status, 200);

test('bodies that are too large, not JSON, of another type', async () => {
  const large = await server.call('POST', '/vms', { body: { metadata: { a: 'x'.repeat(1_100_000) } } });
  assert.deepEqual([large.status, large.body.error.code], [413, 'payload_too_large']);
  const json = { 'content-type': 'application/json' };
  const broken = await server.call('POST', '/vms', { raw: Buffer.from('{"name":'), headers: json });
  assert.deepEqual([broken.status, broken.body.error.code], [400, 'malformed_request']);
  const poisoned = await server.call('POST', '/vms', { raw: Buffer.from('{"__proto__":{"a":1}}'), headers: json });
  assert.equal(poisoned.status, 400);
  const xml = await server.call('POST', '/vms', { raw: Buffer.from('<vm/>'), headers: { 'content-type': 'text/xml' } });
  assert.deepEqual([xml.status, xml.body.error.code], [415, 'unsupported_media_type']);
  const form = await server.call('POST', `/vms/${id}/files/upload`, { raw: Buffer.from('x'), headers: json });
  assert.equal(form.status, 415);
  const cut = await server.call('POST', `/vms/${id}/files/upload`, {
    raw: Buffer.from(
      '--b\r\nContent-Disposition: form-data; name="path"\r\n\r\n/tmp/cut\r\n--b\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\nabc',
    ),
    headers: { 'content-type': 'multipart/form-data; boundary=b' },
  });
  assert.equal(cut.status, 400);
  await alive();
});

test('null is no body, a truth value is a word of the document, NUL reaches no system call', async () => {
  const json = { 'content-type': 'application/json' };
  const refused = async (method: string, path: string, body?: string): Promise<string> => {
    const raw = body === undefined ? {} : { raw: Buffer.from(body), headers: json };
    const { status, body: answer } = await server.call(method, path, raw);
    assert.equal(status, 422, `${path} ${body}: ${JSON.stringify(answer)}`);
    return answer.error.message as string;
  };
  assert.match(await refused('POST', '/vms', 'null'), /^body: /);
  assert.match(await refused('POST', `/vms/${id}/stop`, 'null'), /^body: /);
  assert.match(await refused('GET', `/vms/${id}/files?path=/&recursive=`), /recursive: .*"true"/);
  assert.match(await refused('POST', `/vms/${id}/execute`, '{"command":"a\\u0000b"}'), /command: .*NUL/);
  assert.match(
    await refused('POST', `/vms/${id}/execute`, '{"command":"env","environment":{"A=B":"1"}}'),
    /environment.*"="/,
  );
});

test('a VM has at least the memory that its template needs to boot', async () => {
  const small = await server.call('POST', '/vms', { body: { memory_mb: 96 } });
  assert.deepEqual([small.status, small.body.error.code], [422, 'invalid_argument']);
  assert.match(small.body.error.message, /^memory_mb: 96 MiB is less than base needs to boot \(128 MiB\)/);
  assert.equal((await server.ok('GET', '/templates/base')).min_memory_mb, 128);
});

test('a VM has at most what the host has of disk and processors, and a new size too', async () => {
  for (const body of [{ disk_mb: 16_777_216 }, ...(availableParallelism() < 16 ? [{ vcpus: 64 }] : [])]) {
    const large = await server.call('POST', '/vms', { body });
    assert.deepEqual([large.status, large.body.error.code], [422, 'invalid_argument']);
    assert.match(large.body.error.message, /^(disk_mb: 16777216 MiB|vcpus: 64) is more than .* \(\d+/);
    assert.match(large.body.error.hint, /at most/);
    assert.ok(large.body.error.details.most > 0);
  }
  const resized = await server.call('PUT', `/vms/${id}/resources`, { body: { memory_mb: 1 << 30 } });
  assert.deepEqual([resized.status, resized.body.error.code], [422, 'invalid_argument']);
});

test('a name that there is not is answered with the nearest, and the template has one under two names', async () => {
  const refused = async (body: object): Promise<string> => {
    const { status, body: answer } = await server.call('POST', '/vms/validate', { body });
    assert.equal(status, 422, JSON.stringify(answer));
    return answer.error.message as string;
  };
  assert.match(await refused({ memroy_mb: 256 }), /^body: unknown key "memroy_mb"; did you mean "memory_mb"\?$/);
  assert.match(await refused({ rate_limits: { dsk: {} } }), /^body: rate_limits: .*"dsk"; did you mean "disk"\?$/);
  assert.match(await refused({ surprise: 1 }), /^body: unknown key "surprise"$/);
  assert.match(await refused({ template: 'base', template_id: 'other' }), /two names of one field/);
  assert.deepEqual(await server.ok('POST', '/vms/validate', { template_id: 'base' }), { valid: true });
});

test('what the hypervisor asked for cannot do is told of the field, with those that can', async () => {
  for (const body of [{ hyperv: true }, { rate_limits: { disk: { operations_per_second: 5 } } }]) {
    const [field = ''] = Object.keys(body);
    const { status, body: answer } = await server.call('POST', '/vms', { body: { ...body, hypervisor: 'qemu' } });
    assert.deepEqual([status, answer.error.code], [409, 'feature_unsupported'], JSON.stringify(answer));
    assert.match(answer.error.message, new RegExp(`^${field}: The hypervisor qemu cannot .*: .*cloud-hypervisor can`));
    assert.equal(answer.error.details.issues[0].field, field);
  }
});

test('405 names the methods that the address takes, whatever came as a body', async () => {
  for (const [method, path, allow] of [
    ['OPTIONS', '/vms/windows', 'POST'],
    ['GET', '/vms/windows', 'POST'],
    ['QUERY', '/vms', 'POST, GET'],
    ['PUT', `/vms/${id}`, 'GET, PATCH, DELETE'],
  ] as const) {
    const { status, headers } = await server.call(method, path);
    assert.deepEqual([status, headers.get('allow')], [405, allow], `${method} ${path}`);
  }
  assert.equal((await server.call('GET', '/vms/nobody')).status, 404);
});

test('JSON is bounded on every way in: by its route, its depth, its values; and so is the answer', async () => {
  const json = { 'content-type': 'application/json' };
  const post = (path: string, text: string, headers: Record<string, string> = {}) =>
    server.call('POST', path, { raw: Buffer.from(text), headers: { ...json, ...headers } });
  const deep = `{"metadata":${'{"a":'.repeat(5000)}1${'}'.repeat(5000)}}`;
  const many = (count: number): string => Array.from({ length: count }, (_, index) => `"k${index}":1`).join(',');
  const once = { 'idempotency-key': 'deep' };
  for (const [path, text, status, headers] of [
    ['/security/auth/login', JSON.stringify({ username: 'a', password: 'x'.repeat(5000) }), 413, {}],
    [`/vms/${id}/stop`, JSON.stringify({ x: 'x'.repeat(70_000) }), 413, {}],
    ['/vms', deep, 400, once],
    ['//sandboxes', deep, 400, once],
    [`/vms/${id}/execute`, deep, 400, once],
    ['/vms', `{"metadata":{${many(20_000)}}}`, 400, {}],
    ['/vms', `{${many(10_000)}}`, 422, {}],
    ['//sandboxes', `{"templateID":"base","metadata":{${many(10_000)}}}`, 400, {}],
  ] as const) {
    const answer = await post(path, text, headers);
    assert.equal(answer.status, status, `${path}: ${answer.bytes.toString().slice(0, 200)}`);
    assert.ok(answer.bytes.length < 20_000, `${path}: an answer of ${answer.bytes.length} bytes`);
  }
  await alive();
});

test('slow and truncated requests are given up on', async () => {
  const startedAt = performance.now();
  const slow = head('POST /api/v1/vms HTTP/1.1', 'Content-Type: application/json', 'Content-Length: 100');
  const upload = head(`PUT /api/v1/vms/${id}/files/content?path=/tmp/slow&user=root HTTP/1.1`, 'Content-Length: 1000');
  const answers = await Promise.all([
    raw('GET /health HTTP/1.1\r\nHost: x\r\nX-A'),
    raw(`${slow}{"na`),
    raw(`${upload}abc`),
  ]);
  assert.ok(performance.now() - startedAt < 8000);
  assert.match(answers[0], /^HTTP\/1\.1 408 /);
  assert.match(answers[1], /^HTTP\/1\.1 408 [\s\S]*request_timeout/);
  assert.match(answers[2], /^HTTP\/1\.1 408 [\s\S]*request_timeout/);
  await alive();
});

test('what is not HTTP, or two requests in one, is refused', async () => {
  assert.match(await raw('\x16\x03\x01 hello\r\n\r\n'), /^HTTP\/1\.1 400 /);
  assert.match(
    await raw(head('GET /health HTTP/1.1', 'Content-Length: 5', 'Transfer-Encoding: chunked')),
    /^HTTP\/1\.1 400 /,
  );
  assert.match(
    await raw(head('GET /health HTTP/1.1', `X-Long: ${'x'.repeat(70_000)}`)),
    /^HTTP\/1\.1 431 [\s\S]*headers_too_large/,
  );
  assert.match(await raw('CONNECT evil:80 HTTP/1.1\r\nHost: evil:80\r\n\r\n'), /^HTTP\/1\.1 405 /);
  assert.match(await raw('GET /health HTTP/1.1\r\n\r\n'), /^HTTP\/1\.1 400 /);
  await alive();
});

test('names lead nowhere', async () => {
  const names = ['..', '..%2f..%2fetc', '%2e%2e', '.hidden', 'a%00b', 'x'.repeat(300), '-rf', 'a%20b'];
  for (const name of names) {
    for (const path of [`/vms/${name}`, `/vms/${name}/logs`, `/templates/${name}`, `/security/api-keys/${name}`]) {
      for (const method of ['GET', 'DELETE']) {
        const { status } = await server.call(method, path);
        assert.ok([400, 404, 405, 422].includes(status), `${method} ${path}: ${status}`);
      }
    }
  }
  for (const name of ['../x', '/etc/passwd', 'a/b', '']) {
    assert.equal((await server.call('POST', '/vms', { body: { name } })).status, 422, name);
    assert.equal((await server.call('POST', '/vms', { body: { template: name } })).status, 422, name);
  }
  const bad = await server.call('GET', '/vms/%zz');
  assert.deepEqual([bad.status, bad.body.error.code], [400, 'malformed_request']);
  const elsewhere = await server.call('GET', '/nope');
  assert.deepEqual([elsewhere.status, elsewhere.body.error.code], [404, 'not_found']);
  const method = await server.call('PUT', '/vms');
  assert.deepEqual([method.status, method.headers.get('allow')], [405, 'POST, GET']);
});

test('limits of the configuration are kept', async () => {
  assert.match((await server.call('POST', '/vms', { body: { memory_mb: 2048 } })).body.error.message, /memory_mb/);
  assert.match((await server.call('POST', '/vms', { body: { host_port: 8080 } })).body.error.message, /host_port/);
  const many = await Promise.all([1, 2, 3].map(() => server.call('POST', '/vms', { body: {} })));
  assert.deepEqual(
    many.map(({ status }) => status).toSorted((a, b) => a - b),
    [201, 429, 429],
  );
  for (const { status, body } of many) if (status === 201) await server.call('DELETE', `/vms/${body.id}`);
});

test('a client that vanishes: a create is undone, a stream detached, an upload given up', async () => {
  const gone = new AbortController();
  const create = server.call('POST', '/vms', { body: { name: 'ghost' }, signal: gone.signal });
  await delay(60);
  gone.abort();
  await assert.rejects(create);
  await eventually('it is undone', async () => (await server.ok('GET', '/vms?status=all')).total === 1);

  const leave = new AbortController();
  const stream = server.call('POST', `/vms/${id}/execute/stream`, {
    body: { command: 'sleep 1; echo done > /tmp/finished; yes', tag: 'left' },
    signal: leave.signal,
  });
  await delay(300);
  leave.abort();
  await assert.rejects(stream);
  await eventually(
    'the command goes on',
    async () => (await server.call('GET', `/vms/${id}/files/stat?path=/tmp/finished&user=root`)).status === 200,
  );
  const { processes } = await server.ok('GET', `/vms/${id}/processes`);
  const left = processes.find(({ tag }: { tag: string }) => tag === 'left');
  assert.equal(
    (await server.call('POST', `/vms/${id}/processes/${left.id}/signal`, { body: { signal: 9 } })).status,
    204,
  );

  const cut = head(`PUT /api/v1/vms/${id}/files/content?path=/tmp/half&user=root HTTP/1.1`, 'Content-Length: 1000000');
  const socket = connect(Number(new URL(server.url).port), '127.0.0.1');
  socket.write(cut + 'x'.repeat(100_000));
  await delay(100);
  socket.destroy();
  await alive();
});

test('a command that floods and a reader that does not read leave the daemon answering, and its memory bounded', async () => {
  const rss = async (): Promise<number> => (await server.ok('GET', '/system/metrics')).daemon_rss_mb as number;
  const before = await rss();
  const socket = connect(Number(new URL(server.url).port), '127.0.0.1');
  const body = JSON.stringify({ command: 'yes', timeout_seconds: 4 });
  socket.write(
    `${head(`POST /api/v1/vms/${id}/execute/stream HTTP/1.1`, 'Content-Type: application/json', `Content-Length: ${body.length}`)}${body}`,
  );
  socket.pause();
  await delay(2500);
  assert.ok((await rss()) - before < 60, `${before} MB became ${await rss()}`);
  socket.destroy();
  const flooded = await server.ok('POST', `/vms/${id}/execute`, {
    command: 'head -c 40000000 /dev/zero',
    timeout_seconds: 20,
  });
  assert.equal(flooded.truncated, true);
  await alive();
});

test('WebSockets refuse what is no message', async () => {
  for (const first of ['not json', '{"type":"nope"}', '{"type":"signal","signal":9}', Buffer.from('bytes')]) {
    const socket = server.socket(`/vms/${id}/exec`);
    const texts: string[] = [];
    socket.on('message', (data: Buffer) => texts.push(data.toString()));
    await once(socket, 'open');
    socket.send(first);
    const [code] = (await once(socket, 'close')) as [number];
    assert.equal(code, 1008);
    assert.match(texts.join(''), /invalid_argument/);
  }
  assert.equal((await server.call('GET', `/vms/${id}/shell`)).status, 426);
  const huge = server.socket(`/vms/${id}/exec`);
  await once(huge, 'open');
  huge.on('error', () => undefined);
  huge.send('x'.repeat(2_000_000));
  assert.deepEqual((await once(huge, 'close'))[0], 1009);
  await alive();
});
