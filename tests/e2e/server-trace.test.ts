import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, test } from 'node:test';
import { Sandbox } from 'e2b';
import { eventually } from '../support/eventually.ts';
import { listen, serverUnderTest, type ServerUnderTest } from '../support/server.ts';

interface Span {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly name: string;
  readonly attributes: readonly { readonly key: string; readonly value: Record<string, unknown> }[];
  readonly status: { readonly code?: number };
}

let collector: Server;
let received = '';
const spans: Span[] = [];
let resource: readonly { readonly key: string; readonly value: { readonly stringValue?: string } }[] = [];
let server: ServerUnderTest;
let id: string;

/** A collector of OTLP over HTTP that supports only what is sent: protobuf's JSON. */
async function startCollector(): Promise<Server> {
  const made = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      assert.equal(request.url, '/v1/traces');
      const text = Buffer.concat(chunks).toString();
      received += text;
      for (const part of JSON.parse(text).resourceSpans) {
        resource = part.resource.attributes;
        for (const scope of part.scopeSpans) spans.push(...scope.spans);
      }
      response.writeHead(200, { 'content-type': 'application/json' }).end('{}');
    });
  });
  made.listen(0, '127.0.0.1');
  await once(made, 'listening');
  return made;
}

before(async () => {
  collector = await startCollector();
  const { port } = collector.address() as AddressInfo;
  server = await serverUnderTest({
    NOVA_MONITORING_TRACES: `{ endpoint: "http://127.0.0.1:${port}/" }`,
    OTEL_BSP_SCHEDULE_DELAY: '50',
    OTEL_SERVICE_NAME: 'nova-under-test',
  });
  ({ id } = await server.vm());
});
after(async () => {
  try {
    await server?.[Symbol.asyncDispose]();
  } finally {
    collector?.close();
  }
});

const guestLog = async (): Promise<string> =>
  (await server.ok('POST', `/vms/${id}/execute`, { command: 'dmesg', user: 'root' })).stdout;
const named = (name: string, traceId: string): Span => {
  const found = spans.find((span) => span.name === name && span.traceId === traceId);
  assert.ok(found, `no span ${name} in ${spans.map((span) => span.name).join(', ')}`);
  return found;
};
const attribute = (span: Span, key: string): unknown =>
  Object.values(span.attributes.find((each) => each.key === key)?.value ?? {})[0];

test('the id of a request is in the guest’s log: REST, WebSocket, E2B', async () => {
  const rest = await server.call('POST', `/vms/${id}/execute`, {
    body: { command: 'true' },
    headers: { 'x-request-id': 'rest-1' },
  });
  assert.equal(rest.headers.get('x-request-id'), 'rest-1');
  assert.match(await guestLog(), /nova-agent: exec \d+, pid \d+, request rest-1\n/);

  const detached = { body: { command: 'true' }, headers: { 'x-request-id': 'rest-2' } };
  assert.equal((await server.call('POST', `/vms/${id}/processes`, detached)).status, 201);
  assert.match(await guestLog(), /request rest-2\n/);

  const socket = server.socket(`/vms/${id}/exec`, server.key, { 'x-request-id': 'socket-1' });
  const talk = listen(socket);
  await once(socket, 'open');
  socket.send(JSON.stringify({ type: 'start', command: 'true' }));
  await talk.closed;
  assert.match(await guestLog(), /request socket-1\n/);

  const options = { apiKey: server.key.replace('nova_', 'e2b_'), apiUrl: server.url, sandboxUrl: server.url };
  const sandbox = await Sandbox.create('base', { ...options, headers: { 'X-Request-Id': 'e2b-1' } });
  try {
    await sandbox.commands.run('true');
    // The shell's log is the guest's own: each sandbox has one.
    assert.match(
      (await sandbox.commands.run('dmesg', { user: 'root' })).stdout,
      /exec \d+, pid \d+, request [\w.-]+\n/,
    );
  } finally {
    await sandbox.kill();
  }
});

test('more requests than the kernel’s limit for one writer are all in its log', async () => {
  const ids = Array.from({ length: 30 }, (_, index) => `many-${index}`);
  await Promise.all(
    ids.map((requestId) =>
      server.call('POST', `/vms/${id}/execute`, { body: { command: 'true' }, headers: { 'x-request-id': requestId } }),
    ),
  );
  const log = await guestLog();
  assert.deepEqual(
    ids.filter((requestId) => !log.includes(`request ${requestId}\n`)),
    [],
  );
});

test('a traced request: its span, the operation’s and the agent’s, in the caller’s trace', async () => {
  const traceId = '0af7651916cd43dd8448eb211c80319c';
  const caller = 'b7ad6b7169203331';
  await server.call('POST', `/vms/${id}/execute`, {
    body: { command: 'echo secret-argument', environment: { TOKEN: 'secret-environment' } },
    headers: { traceparent: `00-${traceId}-${caller}-01`, 'x-request-id': 'traced-1' },
  });
  await eventually('spans', () => spans.some((span) => span.traceId === traceId && span.parentSpanId === caller));
  const request = named('POST /api/v1/vms/:id/execute', traceId);
  assert.equal(request.parentSpanId, caller);
  assert.equal(attribute(request, 'http.response.status_code'), 200);
  assert.equal(attribute(request, 'novasandbox.request_id'), 'traced-1');
  assert.equal(attribute(request, 'novasandbox.operation'), 'execute');
  assert.equal(attribute(request, 'novasandbox.vm'), id);
  const operation = named('exec.start', traceId);
  assert.equal(operation.parentSpanId, request.spanId);
  assert.equal(named('agent.exec', traceId).parentSpanId, operation.spanId);
  assert.equal(resource.find(({ key }) => key === 'service.name')?.value.stringValue, 'nova-under-test');
});

test('a create shows its driver’s part; a failure its code, and no message', async () => {
  const made = await server.call('POST', '/vms', {
    headers: { traceparent: `00-${'1'.repeat(32)}-${'2'.repeat(16)}-01` },
    body: {},
  });
  assert.equal(made.status, 201);
  const failed = await server.call('GET', '/vms/no-such-vm', {
    headers: { traceparent: `00-${'3'.repeat(32)}-${'2'.repeat(16)}-01` },
  });
  assert.equal(failed.status, 404);
  await eventually('spans', () =>
    spans.some((span) => span.traceId === '3'.repeat(32) && span.name.startsWith('GET ')),
  );
  const create = named('sandboxes.create', '1'.repeat(32));
  assert.equal(named('qemu.restore', '1'.repeat(32)).parentSpanId, create.spanId);
  named('agent.configure', '1'.repeat(32));
  const get = named('sandboxes.get', '3'.repeat(32));
  assert.equal(attribute(get, 'error.type'), 'sandbox_not_found');
  assert.equal(get.status.code, 2);
  await server.ok('DELETE', `/vms/${made.body.id}`);
});

test('requests of E2B’s clients are traced too', async () => {
  const options = { apiKey: server.key.replace('nova_', 'e2b_'), apiUrl: server.url, sandboxUrl: server.url };
  const sandbox = await Sandbox.create('base', options);
  await sandbox.commands.run('true');
  await sandbox.kill();
  const rpc = (): Span | undefined =>
    spans.find(
      (span) => span.name === 'POST /process.Process/Start' && attribute(span, 'novasandbox.vm') === sandbox.sandboxId,
    );
  await eventually('the span of the call', () => rpc() !== undefined);
  const traceId = rpc()?.traceId ?? '';
  await eventually('the spans below it', () =>
    spans.some((span) => span.name === 'agent.exec' && span.traceId === traceId),
  );
});

test('nothing secret is sent', () => {
  assert.ok(received.length > 0);
  for (const secret of [server.key, server.key.slice(5), 'secret-argument', 'secret-environment', 'There is no']) {
    assert.ok(!received.includes(secret), secret);
  }
});
