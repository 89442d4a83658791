import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { request } from 'node:http';
import { after, before, suite, test } from 'node:test';
import { processesNaming } from '@novasandbox/engine';
import type { SandboxOpts } from 'e2b';
import { clients, type Box } from '../support/e2b-clients.ts';
import { e2bUnderTest, type E2bUnderTest } from '../support/e2b-server.ts';
import { eventually } from '../support/eventually.ts';

/** A web server in the guest. It returns the request, streams, and makes WebSocket's handshake, followed by an echo. */
const webServer = `
import base64, hashlib, http.server, json, time
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'
    def do_GET(self):
        if self.headers.get('Upgrade') == 'websocket':
            key = self.headers['Sec-WebSocket-Key'] + '258EAFA5-E914-47DA-95CA-C5AB0DC85B11'
            self.wfile.write(b'HTTP/1.1 101 Switching Protocols\\r\\nUpgrade: websocket\\r\\nConnection: Upgrade\\r\\nSec-WebSocket-Accept: '
                + base64.b64encode(hashlib.sha1(key.encode()).digest()) + b'\\r\\n\\r\\n')
            head = self.rfile.read(2); length = head[1] & 127; mask = self.rfile.read(4); body = self.rfile.read(length)
            text = bytes(b ^ mask[i % 4] for i, b in enumerate(body))
            self.wfile.write(bytes([0x81, len(text)]) + text)
            self.rfile.read(6)
            self.close_connection = True
            return
        if self.path == '/slow':
            self.send_response(200); self.send_header('Transfer-Encoding', 'chunked'); self.end_headers()
            for i in range(3):
                self.wfile.write(b'2\\r\\n%d\\n\\r\\n' % i); time.sleep(0.3)
            self.wfile.write(b'0\\r\\n\\r\\n')
            return
        self.reply()
    def do_POST(self):
        self.reply(self.rfile.read(int(self.headers['Content-Length'])).decode())
    def reply(self, body=''):
        data = json.dumps({'path': self.path, 'headers': dict(self.headers), 'body': body}).encode()
        self.send_response(200); self.send_header('Content-Length', str(len(data))); self.end_headers(); self.wfile.write(data)
http.server.ThreadingHTTPServer(('127.0.0.1', 3000), Handler).serve_forever()
`;

/** Answers each connection once. It starts quickly, which a module for web servers does not. */
const briefServer = `import socket
s = socket.create_server(('127.0.0.1', 3000))
while True:
    c, _ = s.accept(); c.recv(65536)
    c.sendall(b'HTTP/1.1 200 OK\\r\\nContent-Length: 2\\r\\n\\r\\nok'); c.close()`;

for (const { version, e2b } of clients) {
  suite(`npm e2b ${version}: sandboxes and ports`, () => {
    let served: E2bUnderTest;
    before(async () => {
      served = await e2bUnderTest({ monitoring: { interval_seconds: 1 } });
    });
    after(async () => {
      await served[Symbol.asyncDispose]();
    });
    const create = async (options: SandboxOpts = {}): Promise<Box & AsyncDisposable> => {
      const box = await e2b.Sandbox.create({ ...served.options, ...options });
      return Object.assign(box, { [Symbol.asyncDispose]: async () => void (await box.kill()) });
    };
    const everyPage = async (query: object, limit?: number): Promise<string[][]> => {
      const pages: string[][] = [];
      const paginator = e2b.Sandbox.list({ ...served.options, query, ...(limit === undefined ? {} : { limit }) });
      while (paginator.hasNext) pages.push((await paginator.nextItems()).map(({ sandboxId }) => sandboxId));
      return pages;
    };

    test('what is wrong is said', async () => {
      const { Sandbox } = e2b;
      const wrong = { ...served.options, apiKey: `e2b_${'0'.repeat(40)}` };
      await assert.rejects(Sandbox.create(wrong), e2b.AuthenticationError);
      await assert.rejects(
        Sandbox.create('code-interpreter-v1', served.options),
        /template 'code-interpreter-v1' not found/,
      );
      await assert.rejects(Sandbox.connect('abcdefgh', served.options), e2b.NotFoundError);
      assert.equal(await Sandbox.kill('abcdefgh', served.options), false);
      const headers = { 'x-api-key': served.options.apiKey, 'content-type': 'application/json' };
      const post = (path: string, body: string) => fetch(served.url + path, { method: 'POST', headers, body });
      for (const [path, body, status] of [
        ['/sandboxes', '{', 400],
        ['/sandboxes', '{}', 400],
        ['/sandboxes', '{"templateID":"base","timeout":-1}', 400],
        ['/sandboxes', '{"templateID":"../../etc","timeout":1}', 404],
        ['/sandboxes', '{"templateID":"base","network":{"egressProxy":{"address":"proxy.test:1080"}}}', 501],
        ['/sandboxes', '{"templateID":"base","network":{"maskRequestHost":"a b"}}', 400],
        ['/sandboxes/abcdefgh/snapshots', '{}', 404],
        ['/sandboxes/abcdefgh/fork', '{}', 404],
        ['/sandboxes/abcdefgh/fork', '{"count":101}', 400],
        ['/v3/templates', '{}', 501],
        ['/volumes', '{}', 400],
        ['/secrets', '{}', 501],
      ] as const) {
        const response = await post(path, body);
        const answer = (await response.json()) as { code: number; message: string };
        assert.deepEqual([path, response.status, answer.code], [path, status, status], answer.message);
        assert.ok(answer.message.length > 3);
      }
    });

    test('listed by metadata and state, page by page', async () => {
      await using a = await create({ metadata: { group: 'one', odd: 'ä & = %' } });
      await using b = await create({ metadata: { group: 'one' } });
      await using c = await create({ metadata: { group: 'two' } });
      assert.deepEqual(await everyPage({ metadata: { odd: 'ä & = %' } }), [[a.sandboxId]]);
      assert.deepEqual(
        (await everyPage({ metadata: { group: 'one' } })).flat().toSorted(),
        [a.sandboxId, b.sandboxId].toSorted(),
      );
      const pages = await everyPage({}, 2);
      assert.deepEqual(
        pages.map(({ length }) => length),
        [2, 1],
      );
      assert.deepEqual(pages.flat(), [c.sandboxId, b.sandboxId, a.sandboxId]);
      await b.pause();
      assert.deepEqual((await everyPage({ state: ['paused'] })).flat(), [b.sandboxId]);
      assert.equal((await everyPage({ state: ['running'] })).flat().length, 2);
      const info = await a.getInfo();
      assert.deepEqual(info.metadata, { group: 'one', odd: 'ä & = %' });
      assert.deepEqual([info.templateId, info.state, info.cpuCount], ['base', 'running', 1]);
    });

    test('measured', async () => {
      await using box = await create();
      const [usage] = await box.getMetrics();
      assert.ok(usage !== undefined && usage.memUsed > 0 && usage.memTotal > usage.memUsed && usage.diskTotal > 0);
      assert.ok(
        usage.cpuUsedPct >= 0 && usage.cpuCount === 1 && Math.abs(usage.timestamp.getTime() - Date.now()) < 60_000,
      );

      // Earlier values are kept, in order, and can be requested by time.
      let all = await box.getMetrics();
      await eventually('a history', async () => (all = await box.getMetrics()).length >= 4);
      const times = all.map(({ timestamp }) => timestamp.getTime());
      assert.deepEqual(
        times,
        times.toSorted((a, b) => a - b),
      );
      const [start = new Date(0), end = new Date(0)] = [all[1]?.timestamp, all[2]?.timestamp];
      const between = await box.getMetrics({ start, end });
      assert.ok(between.length >= 2, `${between.length} between ${start.toISOString()} and ${end.toISOString()}`);
      assert.ok(between.length < (await box.getMetrics()).length);
      assert.deepEqual(await box.getMetrics({ start: new Date(Date.now() + 60_000) }), []);
      await box.pause();
      assert.ok((await e2b.Sandbox.getMetrics(box.sandboxId, served.options)).length >= 3);
    });

    test('its time to live is kept, extended, and can end at once', async () => {
      await using box = await create({ timeoutMs: 300_000 });
      const left = async (): Promise<number> => ((await box.getInfo()).endAt.getTime() - Date.now()) / 1000;
      assert.ok((await left()) > 290);
      await e2b.Sandbox.connect(box.sandboxId, { ...served.options, timeoutMs: 10_000 });
      assert.ok((await left()) > 280, 'connecting has shortened it');
      await e2b.Sandbox.connect(box.sandboxId, { ...served.options, timeoutMs: 600_000 });
      assert.ok((await left()) > 590);
      await box.setTimeout(20_000);
      assert.ok((await left()) < 21);
      await box.setTimeout(0);
      await eventually('it has ended', async () => !(await box.isRunning()));
      await assert.rejects(box.commands.run('true'), e2b.SandboxNotFoundError);

      await using short = await create({ timeoutMs: 2000 });
      await eventually('it ends by itself', async () => !(await short.isRunning()), 20_000);
      assert.ok(!(await everyPage({})).flat().includes(short.sandboxId));
    });

    test('paused it uses no memory of the host; resumed by connecting, its programs, terminals and files go on', async () => {
      await using box = await create();
      const sleeper = await box.commands.run('sleep 1000', { background: true, timeoutMs: 0 });
      await sleeper.disconnect();
      await box.commands.run('echo memory >/dev/shm/file');
      await box.files.write('file', 'disk');
      assert.equal(await box.pause(), true);
      assert.equal(await box.isRunning(), false);
      assert.equal(await box.pause(), false);
      assert.equal((await box.getInfo()).state, 'paused');
      assert.deepEqual(await vmmsOf(served), []);
      const again = await e2b.Sandbox.connect(box.sandboxId, { ...served.options, timeoutMs: 500_000 });
      assert.equal(await again.isRunning(), true);
      const { endAt } = await again.getInfo();
      assert.ok(Math.abs(endAt.getTime() - Date.now() - 500_000) < 60_000);
      assert.ok((await again.commands.list()).some(({ pid }) => pid === sleeper.pid));
      assert.equal((await again.commands.run('cat /dev/shm/file')).stdout, 'memory\n');
      assert.equal(await again.files.read('file'), 'disk');
      await again.pause();
      assert.equal(await e2b.Sandbox.kill(box.sandboxId, served.options), true);
      assert.equal(await e2b.Sandbox.kill(box.sandboxId, served.options), false);
    });

    test('ten pauses with a file each lose nothing', async () => {
      await using box = await create();
      for (let cycle = 1; cycle <= 10; cycle++) {
        await box.files.write(`file${cycle}`, `${cycle}`);
        assert.equal(await (cycle % 2 === 0 ? box.pause() : box.betaPause()), true);
        await e2b.Sandbox.connect(box.sandboxId, served.options);
      }
      const names = Array.from({ length: 10 }, (_, index) => `file${index + 1}`);
      const contents = await Promise.all(names.map((name) => box.files.read(name)));
      assert.deepEqual(
        contents,
        Array.from({ length: 10 }, (_, index) => `${index + 1}`),
      );
    });

    test('paused at its end instead of killed, where that was asked for', async () => {
      await using box = await create({ timeoutMs: 2000, lifecycle: { onTimeout: 'pause' } });
      assert.deepEqual((await box.getInfo()).lifecycle, { onTimeout: 'pause', autoResume: false });
      await eventually('it is paused', async () => (await box.getInfo()).state === 'paused', 20_000);
      await assert.rejects(box.commands.run('true'), e2b.SandboxNotFoundError);
      const again = await e2b.Sandbox.connect(box.sandboxId, served.options);
      assert.equal((await again.commands.run('echo back')).stdout, 'back\n');
      await again.setTimeout(0);
      await eventually('it is paused again', async () => (await box.getInfo()).state === 'paused', 20_000);
    });

    test('resumed by requests, where that was asked for, for five minutes at least', async () => {
      await using box = await create({ timeoutMs: 60_000, lifecycle: { onTimeout: 'pause', autoResume: true } });
      await box.commands.run(`python3 -c "${briefServer}"`, { background: true, timeoutMs: 0 });
      const host = box.getHost(3000);
      const serves = async (): Promise<boolean> => (await get(served.url, host, '/')).status === 200;
      await eventually('it serves', serves);
      await box.pause();
      assert.equal(await box.isRunning(), false, 'a health check has resumed it');
      const [first, second, port] = await Promise.all([
        box.commands.run('echo awake'),
        box.files.exists('/etc/passwd'),
        get(served.url, host, '/'),
      ]);
      assert.deepEqual([first.stdout, second, port.body], ['awake\n', true, 'ok']);
      assert.equal(await box.isRunning(), true);
      assert.ok((await box.getInfo()).endAt.getTime() > Date.now() + 200_000);
      await box.setTimeout(1000);
      await eventually('it is paused once more', async () => (await box.getInfo()).state === 'paused', 20_000);
      assert.ok(await serves());
    });

    test('with its disk alone it boots when it is resumed, by connecting only', async () => {
      await using box = await create({
        timeoutMs: 3000,
        lifecycle: { onTimeout: { action: 'pause', keepMemory: false } },
      } as SandboxOpts);
      if (version !== clients[0]?.version) return;
      const boots = async (): Promise<string> =>
        (await again.commands.run('cat /proc/sys/kernel/random/boot_id')).stdout;
      let again: Box = box;
      await box.files.write('file', 'disk');
      const boot = await boots();
      await eventually('it is paused', async () => (await box.getInfo()).state === 'paused', 20_000);
      again = await e2b.Sandbox.connect(box.sandboxId, served.options);
      assert.equal(await again.files.read('file'), 'disk');
      const second = await boots();
      assert.notEqual(second, boot);
      assert.equal(await again.pause({ keepMemory: false }), true);
      again = await e2b.Sandbox.connect(box.sandboxId, served.options);
      const third = await boots();
      assert.notEqual(third, second);
      await again.pause();
      again = await e2b.Sandbox.connect(box.sandboxId, { ...served.options, onResume: 'reboot' });
      assert.notEqual(await boots(), third);
      assert.equal(await again.files.read('file'), 'disk');
    });

    test('the agent API asks for the token of just this sandbox', async () => {
      await using box = await create();
      await using other = await create();
      const list = (token: string | undefined) =>
        fetch(`${served.url}/process.Process/List`, {
          method: 'POST',
          headers: {
            'content-type': 'application/json',
            'e2b-sandbox-id': box.sandboxId,
            ...(token === undefined ? {} : { 'x-access-token': token }),
          },
          body: '{}',
        });
      const tokenOf = (of: Box): string => String((of as unknown as { envdAccessToken: string }).envdAccessToken);
      assert.equal((await list(tokenOf(box))).status, 200);
      assert.equal((await list(tokenOf(other))).status, 401);
      assert.equal((await list(undefined)).status, 401);
      assert.equal((await list(served.options.apiKey)).status, 401);
    });

    test('ports of the guest: HTTP, streams, WebSockets', async () => {
      await using box = await create();
      await box.files.write('web.py', webServer);
      await box.commands.run('python3 web.py', { background: true, timeoutMs: 0 });
      const host = box.getHost(3000);
      assert.equal(host, `3000-${box.sandboxId}.localhost`);
      await eventually('it serves', async () => (await get(served.url, host, '/')).status === 200, 20_000);

      const seen = JSON.parse(
        (await get(served.url, host, '/a?b=c', { 'x-own': '1', 'x-api-key': served.options.apiKey })).body,
      ) as {
        path: string;
        headers: Record<string, string>;
      };
      assert.equal(seen.path, '/a?b=c');
      assert.equal(seen.headers['x-own'] ?? seen.headers['X-Own'], '1');
      assert.ok(!JSON.stringify(seen.headers).includes(served.options.apiKey), 'the guest was shown the API key');
      const routed = await fetch(`${served.url}/by-header`, {
        method: 'POST',
        body: 'x'.repeat(500_000),
        headers: { 'e2b-sandbox-id': box.sandboxId, 'e2b-sandbox-port': '3000' },
      });
      assert.equal(((await routed.json()) as { body: string }).body.length, 500_000);

      const startedAt = performance.now();
      const slow = await fetch(`${served.url}/slow`, {
        headers: { 'e2b-sandbox-id': box.sandboxId, 'e2b-sandbox-port': '3000' },
      });
      const reader = slow.body?.getReader();
      await reader?.read();
      const firstMs = performance.now() - startedAt;
      while (reader !== undefined && !(await reader.read()).done);
      assert.ok(performance.now() - startedAt - firstMs > 300, 'it came all at once');

      const closed = await get(served.url, box.getHost(3999), '/');
      assert.equal(closed.status, 502);
      assert.deepEqual(JSON.parse(closed.body), {
        sandboxId: box.sandboxId,
        message: 'The sandbox is running but port is not open',
        port: 3999,
        code: 502,
      });
      assert.equal((await get(served.url, '3000-nosuchsandbox.localhost', '/')).status, 502);
      assert.equal(await echoed(served.url, host, 'over a socket'), 'over a socket');
    });

    test('ports that are not public ask for the traffic token', async () => {
      await using box = await create({ network: { allowPublicTraffic: false } });
      await box.commands.run(`python3 -c "${briefServer}"`, { background: true, timeoutMs: 0 });
      const token = box.trafficAccessToken ?? '';
      const host = box.getHost(3000);
      await eventually(
        'it serves',
        async () => (await get(served.url, host, '/', { 'e2b-traffic-access-token': token })).status === 200,
        20_000,
      );
      assert.equal((await get(served.url, host, '/')).status, 403);
      assert.equal((await get(served.url, host, '/', { 'e2b-traffic-access-token': 'x' })).status, 403);
    });
  });
}

/** The VMMs of the server's sandboxes. */
async function vmmsOf({ home }: E2bUnderTest): Promise<number[]> {
  const ids = await readdir(home.layout.run);
  return ids.flatMap((id) => processesNaming(home.layout.sockets(id)).map(({ pid }) => pid));
}

function get(
  url: string,
  host: string,
  path: string,
  headers: Record<string, string> = {},
): Promise<{ status: number; body: string }> {
  return new Promise((resolve, reject) => {
    request(url + path, { headers: { host, ...headers } }, (response) => {
      let body = '';
      response.on('data', (chunk: Buffer) => (body += chunk.toString()));
      response.on('end', () => resolve({ status: response.statusCode ?? 0, body }));
      response.on('error', reject);
    })
      .on('error', reject)
      .end();
  });
}

/** Sends one message over a WebSocket to a host that no name server knows. */
function echoed(url: string, host: string, text: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const upgrade = { connection: 'Upgrade', upgrade: 'websocket', 'sec-websocket-version': '13' };
    const outgoing = request(url, { headers: { host, ...upgrade, 'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==' } });
    outgoing.on('error', reject);
    outgoing.on('response', ({ statusCode }) => reject(new Error(`answered ${statusCode}`)));
    outgoing.on('upgrade', (response, socket) => {
      assert.equal(response.headers['sec-websocket-accept'], 's3pPLMBiTxaQ9kYGzzhZRbK+xOo=');
      socket.write(Buffer.from([0x81, 0x80 | text.length, 0, 0, 0, 0, ...Buffer.from(text)]));
      socket.on('data', (data: Buffer) => {
        socket.destroy();
        resolve(data.subarray(2).toString());
      });
    });
    outgoing.end();
  });
}
