import assert from 'node:assert/strict';
import { once } from 'node:events';
import { after, before, test } from 'node:test';
import { routes, type Operation } from '@novasandbox/protocol/api';
import { notYet } from '../../packages/server/src/http/not-yet.ts';
import { eventually } from '../support/eventually.ts';
import { listen, serverUnderTest, type ServerUnderTest } from '../support/server.ts';

let server: ServerUnderTest;
let id: string;

before(async () => {
  server = await serverUnderTest({ NOVA_MONITORING_INTERVAL_SECONDS: '1' });
  ({ id } = await server.vm({ name: 'box', metadata: { team: 'a' } }));
});
after(async () => {
  await server?.[Symbol.asyncDispose]();
});

test('a VM is made, listed, looked at, paused, resumed, stopped, started, deleted', async () => {
  const made = await server.call('POST', '/vms/linux', { body: { name: 'life' } });
  assert.equal(made.status, 201);
  assert.equal(made.body.status, 'running');
  assert.equal((await server.ok('GET', '/vms/life')).id, made.body.id);
  assert.deepEqual(
    (await server.ok('GET', '/vms?label=team=a')).vms.map((vm: { id: string }) => vm.id),
    [id],
  );
  assert.equal((await server.ok('POST', '/vms/life/pause')).status, 'paused');
  assert.equal((await server.ok('GET', '/vms/life/status')).status, 'paused');
  assert.equal((await server.ok('POST', '/vms/life/resume')).status, 'running');
  assert.equal((await server.ok('POST', '/vms/life/stop', { force: true })).status, 'stopped');
  assert.equal((await server.ok('GET', '/vms?status=stopped')).total, 1);
  assert.equal((await server.ok('POST', '/vms/life/start')).status, 'running');
  assert.equal((await server.ok('POST', '/vms/life/restart', { force: true })).status, 'running');
  assert.equal((await server.ok('POST', '/vms/life/guest/shutdown')).status, 'stopped');
  assert.equal((await server.call('DELETE', '/vms/life')).status, 204);
  const gone = await server.call('GET', '/vms/life');
  assert.equal(gone.status, 404);
  assert.equal(gone.body.error.code, 'sandbox_not_found');
  assert.ok(gone.body.error.hint.length > 0);
});

test('two creates with one name: one is made, the other is told', async () => {
  const both = await Promise.all([1, 2].map(() => server.call('POST', '/vms', { body: { name: 'twin' } })));
  assert.deepEqual(
    both.map(({ status }) => status).toSorted((a, b) => a - b),
    [201, 409],
  );
  assert.equal((await server.call('DELETE', '/vms/twin')).status, 204);
});

test('what a VM has, uses and says', async () => {
  assert.deepEqual(await server.ok('GET', `/vms/${id}/resources`), { vcpus: 1, memory_mb: 512, disk_mb: 4096 });
  assert.equal((await server.ok('GET', `/vms/${id}/limits`)).timeout_seconds, 300);
  assert.ok((await server.ok('GET', `/vms/${id}/metrics`)).memory_total_mb > 100);
  await eventually('a history', async () => (await server.ok('GET', `/vms/${id}/metrics/history`)).metrics.length > 1);
  assert.equal((await server.ok('GET', `/vms/${id}/metrics/history?limit=1`)).metrics.length, 1);
  assert.equal(typeof (await server.ok('GET', `/vms/${id}/logs?bytes=100`)).console, 'string');
  assert.equal((await server.ok('GET', `/vms/${id}/debug`)).vm.id, id);
  assert.equal((await server.ok('GET', `/vms/${id}/agent/status`)).reachable, true);
  assert.equal((await server.ok('GET', `/vms/${id}/guest/ping`)).ok, true);
  assert.equal((await server.ok('GET', `/vms/${id}/guest/system-info`)).hostname, 'box');
  assert.equal((await server.ok('GET', `/vms/${id}/guest/health`)).healthy, true);
  const { expires_at } = await server.ok('PUT', `/vms/${id}/timeout`, { timeout_seconds: 1200 });
  assert.ok(Date.parse(expires_at) > Date.now() + 1_100_000);
  assert.deepEqual(await server.ok('POST', '/vms/validate', { name: 'fine' }), { valid: true });
  const invalid = await server.call('POST', '/vms/validate', { body: { memory_mb: 1, colour: 'red' } });
  assert.equal(invalid.status, 422);
  assert.match(invalid.body.error.message, /memory_mb/);
});

test('what a running VM can be given depends on its hypervisor', async () => {
  const { id: fixed } = await server.vm({ hypervisor: 'qemu' });
  for (const [method, what, body] of [
    ['PUT', 'resources', { vcpus: 2 }],
    ['PUT', 'network', undefined],
    ['DELETE', 'network', undefined],
  ] as const) {
    const { error } = (await server.call(method, `/vms/${fixed}/${what}`, { body })).body;
    assert.equal(error.code, 'feature_unsupported');
    assert.match(error.message, /qemu cannot .*: cloud-hypervisor can/);
  }
  assert.equal((await server.call('DELETE', `/vms/${fixed}`)).status, 204);
});

test('commands: to the end, with input, streamed, detached, attached, signalled', async () => {
  const ran = await server.ok('POST', `/vms/${id}/execute`, {
    command: 'cat; echo "$A" >&2; pwd; exit 3',
    stdin: 'in\n',
    environment: { A: 'b' },
    working_directory: '/tmp',
  });
  assert.deepEqual([ran.exit_code, ran.stdout, ran.stderr], [3, 'in\n/tmp\n', 'b\n']);
  assert.equal((await server.ok('POST', '/vms/box/guest/execute', { command: ['echo', 'a b'] })).stdout, 'a b\n');
  assert.equal(
    (await server.ok('POST', '/vms/box/execute', { command: 'sleep 60', timeout_seconds: 0.3 })).timed_out,
    true,
  );

  const streamed = await server.call('POST', `/vms/${id}/execute/stream`, { body: { command: 'echo out; exit 2' } });
  const events = streamed.bytes
    .toString()
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>);
  assert.deepEqual(
    events.map(({ type }) => type),
    ['started', 'stdout', 'exit'],
  );
  assert.equal(events[2]?.['exit_code'], 2);
  const asEvents = await server.call('POST', `/vms/${id}/execute/stream`, {
    body: { command: 'true' },
    headers: { accept: 'text/event-stream' },
  });
  assert.match(asEvents.bytes.toString(), /^event: started\ndata: \{.*\}\n\nevent: exit\n/);

  const { process_id } = await server.ok('POST', `/vms/${id}/processes`, {
    command: 'echo one; sleep 100',
    tag: 'mine',
  });
  const { processes } = await server.ok('GET', `/vms/${id}/processes`);
  assert.ok(processes.some((each: { id: number; tag: string }) => each.id === process_id && each.tag === 'mine'));
  assert.ok((await server.ok('GET', `/vms/${id}/guest/processes`)).processes.length > 0);
  await server.ok('POST', `/vms/${id}/execute`, { command: 'sleep 0.5' });
  const attached = server.call('GET', `/vms/${id}/processes/${process_id}/output`);
  assert.equal(
    (await server.call('POST', `/vms/${id}/processes/${process_id}/signal`, { body: { signal: 'TERM' } })).status,
    204,
  );
  const output = (await attached).bytes.toString();
  assert.match(output, new RegExp(Buffer.from('one\n').toString('base64')));
  assert.match(output, /"type":"exit","exit_code":\d+,"signal":15/);
});

test('files: written, read, in ranges, listed, moved, archived, removed', async () => {
  const at = (path: string, more = ''): string => `path=${encodeURIComponent(path)}&user=root${more}`;
  const content = Buffer.alloc(3_000_000, 'abcdefghij');
  const written = await server.call('PUT', `/vms/${id}/files/content?${at('/root/a/big', '&permissions=0600')}`, {
    raw: content,
  });
  assert.equal(written.status, 200, written.bytes.toString());
  assert.deepEqual([written.body.size, written.body.mode], [3_000_000, 0o600]);
  const read = await server.call('GET', `/vms/${id}/files/download?${at('/root/a/big')}`);
  assert.ok(read.bytes.equals(content));
  const part = await server.call('GET', `/vms/${id}/files/download?${at('/root/a/big')}`, {
    headers: { range: 'bytes=5-9' },
  });
  assert.deepEqual(
    [part.status, part.bytes.toString(), part.headers.get('content-range')],
    [206, 'fghij', 'bytes 5-9/3000000'],
  );
  const beyond = await server.call('GET', `/vms/${id}/files/download?${at('/root/a/big')}`, {
    headers: { range: 'bytes=9999999-' },
  });
  assert.equal(beyond.status, 416);
  assert.equal(beyond.headers.get('content-range'), 'bytes */3000000');
  assert.ok(
    (await server.call('GET', `/vms/${id}/files/download?${at('/proc/version')}`)).bytes.toString().startsWith('Linux'),
  );

  // For every caller and route: paths that are not absolute begin at the user's home.
  const below = await server.call('PUT', `/vms/${id}/files/content?${at('below/b')}`, { raw: Buffer.from('home') });
  assert.equal(below.body.path, '/root/below/b');
  const there = { command: 'pwd; cat b', user: 'root', working_directory: '~/below' };
  assert.equal((await server.ok('POST', `/vms/${id}/execute`, there)).stdout, '/root/below\nhome');
  assert.equal((await server.ok('GET', `/vms/${id}/files/stat?path=~`)).path, '/home/user');
  const nobody = await server.call('GET', `/vms/${id}/files/stat?path=x&user=no-such-user`);
  assert.equal(nobody.body.error.code, 'unknown_user');

  const form = new FormData();
  form.set('path', '/root/a/up');
  form.set('permissions', '0640');
  form.set('user', 'root');
  form.set('file', new Blob(['uploaded']), 'name');
  const uploaded = await server.call('POST', `/vms/${id}/files/upload`, { raw: form });
  assert.equal(uploaded.status, 201, uploaded.bytes.toString());
  assert.deepEqual([uploaded.body.size, uploaded.body.mode], [8, 0o640]);

  assert.deepEqual(
    (await server.ok('GET', `/vms/${id}/files?${at('/root/a')}`)).entries
      .map(({ name }: { name: string }) => name)
      .toSorted(),
    ['big', 'up'],
  );
  assert.equal((await server.ok('GET', `/vms/${id}/files/stat?${at('/root/a/up')}`)).type, 'file');
  assert.deepEqual(await server.ok('POST', `/vms/${id}/files/directories`, { path: '/root/b', user: 'root' }), {
    created: true,
  });
  const moved = await server.ok('POST', `/vms/${id}/files/move`, {
    source: '/root/a/up',
    destination: '/root/b/up',
    user: 'root',
  });
  assert.equal(moved.path, '/root/b/up');
  const changed = await server.ok('PATCH', `/vms/${id}/files`, {
    path: '/root/b/up',
    permissions: '0755',
    user: 'root',
  });
  assert.equal(changed.mode, 0o755);
  const archive = await server.call('GET', `/vms/${id}/files/archive?${at('/root/b')}`);
  assert.equal(archive.status, 200);
  const unpacked = await server.call('PUT', `/vms/${id}/files/archive?${at('/root/c')}`, { raw: archive.bytes });
  assert.equal(unpacked.status, 200, unpacked.bytes.toString());
  assert.ok(unpacked.body.entries >= 1);
  assert.deepEqual(await server.ok('DELETE', `/vms/${id}/files?${at('/root/a')}`), { existed: true });
  assert.equal((await server.call('GET', `/vms/${id}/files/stat?${at('/root/a')}`)).body.error.code, 'file_not_found');
});

test('WebSocket exec: input and output both ways', async () => {
  const socket = server.socket(`/vms/${id}/exec`);
  const { texts, bytes, closed } = listen(socket);
  await once(socket, 'open');
  socket.send(JSON.stringify({ type: 'start', command: 'cat; echo bye >&2; exit 4', stdin: true }));
  socket.send(Buffer.from('hello\n'));
  socket.send(JSON.stringify({ type: 'close_stdin' }));
  assert.equal(await closed, 1000);
  assert.deepEqual(
    texts.map(({ type }) => type),
    ['started', 'exit'],
  );
  assert.equal(texts[1]?.['exit_code'], 4);
  assert.ok(bytes.some((each) => each.equals(Buffer.from('\x01hello\n'))));
  assert.ok(bytes.some((each) => each.equals(Buffer.from('\x02bye\n'))));
});

test('WebSocket shell: a terminal of its size', async () => {
  const socket = server.socket(`/vms/${id}/shell?cols=91&rows=17`);
  const { texts, bytes, closed } = listen(socket);
  await once(socket, 'open');
  socket.send(Buffer.from('stty size; exit 5\n'));
  assert.equal(await closed, 1000);
  assert.match(Buffer.concat(bytes).toString(), /17 91/);
  assert.equal(texts[0]?.['exit_code'], 5);
});

test('WebSocket tunnel: bytes to a port in the guest and back', async () => {
  const script =
    "import socket; s=socket.create_server(('127.0.0.1',7777)); c,_=s.accept(); d=c.recv(100); c.sendall(d[::-1]); c.close()";
  await server.ok('POST', `/vms/${id}/processes`, { command: ['python3', '-c', script] });
  await eventually('the port is open', async () => {
    const { stdout } = await server.ok('POST', `/vms/${id}/execute`, { command: 'cat /proc/net/tcp' });
    return (stdout as string).includes(':1E61');
  });
  const socket = server.socket(`/vms/${id}/tunnel/7777`);
  const { bytes, closed } = listen(socket);
  await once(socket, 'open');
  socket.send(Buffer.from('abc'));
  assert.equal(await closed, 1000);
  assert.equal(Buffer.concat(bytes).toString(), 'cba');
});

test('WebSocket watch and events', async () => {
  const watch = server.socket(`/vms/${id}/files/watch?path=/tmp&user=root`);
  const watched = listen(watch);
  const events = server.socket(`/vms/${id}/events`);
  const heard = listen(events);
  const all = server.socket('/system/events');
  const heardAll = listen(all);
  await Promise.all([once(events, 'open'), once(all, 'open')]);
  await eventually('the watch stands', () => watched.texts.some(({ type }) => type === 'watching'));
  await server.ok('POST', `/vms/${id}/execute`, { command: 'echo x > /tmp/seen' });
  await eventually('the change is told', () =>
    watched.texts.some(({ change }) => (change as { name?: string } | undefined)?.name === 'seen'),
  );
  await eventually('the command is told', () => heard.texts.some(({ type }) => type === 'command.ended'));
  await eventually('and to those who hear all', () => heardAll.texts.some(({ type }) => type === 'command.ended'));
  for (const socket of [watch, events, all]) socket.close();
  await Promise.all([watched.closed, heard.closed, heardAll.closed]);
});

test('templates, host, daemon', async () => {
  const { templates } = await server.ok('GET', '/templates');
  assert.ok(templates.some((each: { id: string; built: boolean }) => each.id === 'base' && each.built));
  assert.equal((await server.ok('GET', '/templates/base')).id, 'base');
  assert.equal((await server.ok('POST', '/templates/base/build', {})).built, true);
  assert.equal((await server.call('DELETE', '/templates/nope')).status, 404);
  assert.ok((await server.ok('GET', '/system/info')).hypervisors.length > 0);
  assert.ok((await server.ok('GET', '/system/metrics')).vms_running >= 1);
  assert.ok((await server.ok('GET', '/system/diagnostics')).checks.length > 2);
  assert.deepEqual((await server.call('GET', '//health', { key: null })).body, { status: 'ok' });
  assert.equal((await server.call('GET', '//ready', { key: null })).body.ready, true);
  assert.equal((await server.call('GET', '//status')).body.vms.running >= 1, true);
  assert.equal((await server.call('GET', '//openapi.json', { key: null })).body.openapi, '3.1.0');
  for (const path of [
    '//docs',
    '//docs/swagger-ui.css',
    '//docs/swagger-ui-bundle.js',
    '//redoc',
    '//redoc/redoc.standalone.js',
  ]) {
    assert.equal((await server.call('GET', path, { key: null })).status, 200, path);
  }
});

test('every metric is emitted, and stopped VMs leave the gauges', async () => {
  const names =
    'vm_total vm_current vm_operations_total vm_operation_duration_seconds vm_boot_time_seconds vm_cpu_usage_percent vm_memory_usage_bytes vm_disk_usage_bytes vm_network_bytes_total snapshot_operations_total snapshot_size_bytes snapshot_duration_seconds guest_operations_total guest_operation_duration_seconds host_cpu_usage_percent host_memory_usage_bytes host_disk_usage_bytes host_network_bytes_total api_requests_total api_request_duration_seconds errors_total health_check_status security_events_total authentication_attempts_total resource_allocations resource_quota_usage_percent';
  await eventually('the VM is in the gauges', async () =>
    (await server.call('GET', '//metrics')).bytes.toString().includes(`microvm_vm_memory_usage_bytes{vm="${id}"}`),
  );
  const text = (await server.call('GET', '//metrics')).bytes.toString();
  for (const name of names.split(' ')) assert.match(text, new RegExp(`^microvm_${name}(_bucket)?[ {]`, 'm'), name);
  assert.match(text, /microvm_api_requests_total\{method="GET",route="\/api\/v1\/vms\/:id",status="200"\}/);
  assert.doesNotMatch(text, new RegExp(`route="[^"]*${id}`));
  const { id: short } = await server.vm();
  const has = async (): Promise<boolean> =>
    (await server.call('GET', '//metrics')).bytes.toString().includes(`microvm_vm_memory_usage_bytes{vm="${short}"}`);
  await eventually('it is in the gauges', has);
  await server.ok('POST', `/vms/${short}/stop`, { force: true });
  await eventually('it has left the gauges', async () => !(await has()));
  await server.call('DELETE', `/vms/${short}`);
});

test('a list comes in pages that neither repeat nor hide', async () => {
  const made = await Promise.all(['p1', 'p2', 'p3'].map((name) => server.vm({ name })));
  const seen: string[] = [];
  let cursor: string | null = null;
  do {
    const page = await server.ok('GET', `/vms?limit=2&sort=name${cursor === null ? '' : `&cursor=${cursor}`}`);
    seen.push(...page.vms.map(({ name }: { name: string }) => name));
    cursor = page.next_cursor;
  } while (cursor !== null);
  assert.deepEqual(seen, ['box', 'p1', 'p2', 'p3']);
  for (const vm of made) await server.call('DELETE', `/vms/${vm.id}`);
});

test('Idempotency-Key: done once, answered twice', async () => {
  const create = (body: object) => server.call('POST', '/vms', { body, headers: { 'idempotency-key': 'one' } });
  const [first, second] = await Promise.all([create({ name: 'once' }), create({ name: 'once' })]);
  assert.deepEqual([first.status, second.status], [201, 201]);
  assert.equal(first.body.id, second.body.id);
  const again = await create({ name: 'once' });
  assert.equal(again.headers.get('idempotency-replayed'), 'true');
  assert.equal((await create({ name: 'other' })).body.error.code, 'idempotency_conflict');
  const run = () =>
    server.call('POST', `/vms/${id}/execute`, {
      body: { command: 'echo x >> /tmp/count; wc -l < /tmp/count' },
      headers: { 'idempotency-key': 'e' },
    });
  assert.equal((await run()).body.stdout.trim(), '1');
  assert.equal((await run()).body.stdout.trim(), '1');
  await server.call('DELETE', '/vms/once');

  const e2b = (timeout: number) =>
    server.call('POST', '//sandboxes', {
      body: { templateID: 'base', timeout },
      headers: { 'idempotency-key': 'e2b' },
    });
  const [made, replayed] = [await e2b(60), await e2b(60)];
  assert.deepEqual([made.status, replayed.status], [201, 201]);
  assert.equal(replayed.headers.get('idempotency-replayed'), 'true');
  assert.deepEqual(replayed.body, made.body);
  assert.equal((await e2b(61)).status, 409);
  assert.equal((await server.call('DELETE', `//sandboxes/${made.body.sandboxID}`)).status, 204);
});

test('what is not there yet says so, to those with credentials; other addresses and methods are refused as ever', async () => {
  const paths = new Set(Object.values(routes).map(({ path }) => path as string));
  for (const { name, calls } of notYet) {
    for (const [method, path] of calls) {
      const concrete = path.replaceAll(/\{\w+\}/g, 'x');
      const { status, body } = await server.call(method, concrete);
      assert.deepEqual([status, body.error.code], [501, 'not_implemented'], path);
      assert.ok(body.error.message.includes(name), body.error.message);
      assert.match(body.error.hint, /not-yet\.md/);
      const stranger = await server.call(method, concrete, { key: null });
      assert.deepEqual([stranger.status, stranger.body.error.code], [401, 'unauthenticated'], path);
      if (paths.has(path)) continue;
      const other = await server.call('QUERY', concrete);
      assert.equal(other.status, 405, path);
      assert.ok(other.headers.get('allow')?.split(', ').includes(method), path);
    }
  }
  assert.equal((await server.call('GET', '/snapshots/nothing/of/the/kind')).status, 404);
  // The path is also that of a VM with this name, where there is one.
  assert.equal((await server.call('GET', '/vms/windows')).status, 405);
});

test('every documented operation works: none answers 501, whatever it is asked with', async () => {
  const { paths } = (await server.ok('GET', '//openapi.json')) as {
    paths: Readonly<Record<string, Readonly<Record<string, { readonly operationId: Operation }>>>>;
  };
  const operations = Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, { operationId }]) => ({ path, method: method.toUpperCase(), operationId })),
  );
  assert.equal(operations.length, Object.keys(routes).length);
  for (const { path, method, operationId } of operations) {
    // It is called at the end of this file, because it stops every VM.
    if (operationId === 'emergencyStop') continue;
    // A stream of events has no end of its own.
    const query = operationId === 'streamEvents' ? '?follow=false' : '';
    const { status, body } = await server.call(method, `/${path.replaceAll(/\{\w+\}/g, '1')}${query}`, {
      // No body has these fields.
      ...('body' in routes[operationId] ? { body: { no_such_field: true } } : {}),
    });
    assert.notEqual(status, 501, operationId);
    assert.notEqual(body?.error?.message, 'There is nothing at this address.', operationId);
    assert.notEqual(status, 405, operationId);
  }
});

test('the root leads browsers and people to the documentation', async () => {
  const answer = await fetch(`${server.url}/`, { redirect: 'manual' });
  assert.deepEqual([answer.status, answer.headers.get('location')], [302, '/docs']);
  const followed = await server.call('GET', '//', { key: null });
  assert.equal(followed.status, 200);
  assert.match(followed.bytes.toString(), /swagger-ui-bundle/);
});

test('request ids are taken, given back, or made', async () => {
  const given = await server.call('GET', '/vms', { headers: { 'x-request-id': 'my-id.1' } });
  assert.equal(given.headers.get('x-request-id'), 'my-id.1');
  assert.ok((given.headers.get('x-ratelimit-remaining') ?? '').length > 0);
  const made = await server.call('GET', '/vms', { headers: { 'x-request-id': 'not an id' } });
  assert.notEqual(made.headers.get('x-request-id'), 'not an id');
});

test('emergency stop', async () => {
  const { stopped, failed } = await server.ok('POST', '/system/emergency-stop');
  assert.deepEqual([stopped.includes(id), failed], [true, []]);
});
