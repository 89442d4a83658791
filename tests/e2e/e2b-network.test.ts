import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { clients, type Box } from '../support/e2b-clients.ts';
import { e2bUnderTest, type E2bUnderTest } from '../support/e2b-server.ts';
import { eventually } from '../support/eventually.ts';
import { program, pythonWith } from '../support/python.ts';
import { runOnHost } from '../support/run-on-host.ts';
import { whyNoSlots } from '../support/slots.ts';

const noSlots = await whyNoSlots();
let served: E2bUnderTest;
let folder: string;

before(async () => {
  served = await e2bUnderTest();
  folder = await mkdtemp(join(tmpdir(), 'nova-e2b-network-'));
  runOnHost(
    `openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -keyout ${folder}/key -out ${folder}/crt -subj /CN=self 2>&1`,
  );
});
after(async () => {
  await rm(folder, { recursive: true, force: true });
  await served[Symbol.asyncDispose]();
});

/** Servers in the guest that say which Host and Origin they were asked with: 3000 plainly, 8443 by TLS. */
const servers = `
import http.server, ssl, threading
class Says(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = (self.headers.get('Host', '') + ' ' + self.headers.get('Origin', '-')).encode()
        self.send_response(200); self.send_header('Content-Length', str(len(body))); self.end_headers(); self.wfile.write(body)
    def log_message(self, *_): pass
plain = http.server.ThreadingHTTPServer(('127.0.0.1', 3000), Says)
threading.Thread(target=plain.serve_forever, daemon=True).start()
tls = http.server.ThreadingHTTPServer(('127.0.0.1', 8443), Says)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain('crt', 'key')
tls.socket = context.wrap_socket(tls.socket, server_side=True)
print('ready', flush=True)
tls.serve_forever()
`;

const killed = (box: Box): Box & AsyncDisposable =>
  Object.assign(box, { [Symbol.asyncDispose]: async () => void (await box.kill()) });

async function startServers(box: Box): Promise<void> {
  for (const name of ['crt', 'key']) await box.files.write(name, await readFile(join(folder, name), 'utf8'));
  await box.files.write('servers.py', servers);
  let said = '';
  await box.commands.run('python3 servers.py', {
    background: true,
    timeoutMs: 0,
    onStdout: (text) => void (said += text),
    onStderr: (text) => void (said += text),
  });
  await eventually('the servers are ready', () => {
    assert.doesNotMatch(said, /Error/);
    return said.includes('ready');
  });
}

function get(host: string, headers: Record<string, string> = {}): Promise<{ status: number; body: string }> {
  return new Promise((resolve, reject) => {
    request(served.url, { headers: { host, ...headers } }, (response) => {
      let body = '';
      response.on('data', (chunk: Buffer) => (body += chunk.toString()));
      response.on('end', () => resolve({ status: response.statusCode ?? 0, body })).on('error', reject);
    })
      .on('error', reject)
      .end();
  });
}

for (const { version, e2b } of clients) {
  suite(`npm e2b ${version}: network options`, () => {
    test('servers get the Host of the mask, and those that speak TLS are reached by it', async () => {
      const network = { maskRequestHost: 'app-${PORT}.test', httpsPorts: [8443] };
      await using box = killed(await e2b.Sandbox.create({ network, ...served.options }));
      await startServers(box);
      const [plain, tls] = [box.getHost(3000), box.getHost(8443)];
      assert.deepEqual(await get(plain), { status: 200, body: 'app-3000.test -' });
      assert.deepEqual(await get(plain, { origin: `http://${plain}` }), {
        status: 200,
        body: 'app-3000.test http://app-3000.test',
      });
      assert.deepEqual(await get(plain, { origin: 'http://other.test' }), {
        status: 200,
        body: 'app-3000.test http://other.test',
      });
      // The older client does not pass the ports on.
      const told = (await box.getInfo()).network;
      const asTold = told?.httpsPorts === undefined ? 502 : 200;
      assert.equal((await get(tls)).status, asTold);
      if (asTold === 200) assert.equal((await get(tls)).body, 'app-8443.test -');
      assert.equal(told?.maskRequestHost, network.maskRequestHost);
    });

    test('allowances beat denials, and an update replaces all of them at once', { skip: noSlots }, async () => {
      await using box = killed(await e2b.Sandbox.create(served.options));
      const policy = async () => (await served.engine.sandboxes.config(box.sandboxId)).policy;
      const reaches = async (host: string): Promise<string> => {
        const run = await box.commands.run(`getent hosts ${host} >/dev/null && echo yes || echo no`);
        return run.stdout.trim();
      };
      await box.updateNetwork({ allowOut: ['allowed.test'], denyOut: ['0.0.0.0/0'] });
      assert.deepEqual([await reaches('allowed.test'), await reaches('denied.test')], ['yes', 'no']);
      const { network } = await box.getInfo();
      assert.deepEqual([network?.allowOut, network?.denyOut], [['allowed.test'], ['0.0.0.0/0']]);
      await box.updateNetwork({ allowOut: ['1.1.1.1'], denyOut: ['1.1.1.0/24'] });
      assert.deepEqual(
        await policy(),
        await policyOf(
          [
            ['allow', '1.1.1.1'],
            ['deny', '1.1.1.0/24'],
          ],
          'allow',
        ),
      );
      await box.updateNetwork({ allowInternetAccess: false });
      assert.equal(await reaches('allowed.test'), 'no');
      assert.deepEqual(await policy(), await policyOf([], 'deny'));
      await box.updateNetwork({});
      assert.equal(await policy(), 'all');
      await assert.rejects(box.updateNetwork({ allowOut: ['allowed.test'] }), /0\.0\.0\.0\/0/);
      await assert.rejects(box.updateNetwork({ egressProxy: { address: 'proxy.test:1080' } }), /not there yet/);
    });
  });
}

async function policyOf(
  rules: readonly (readonly ['allow' | 'deny', string])[],
  otherwise: 'allow' | 'deny',
): Promise<unknown> {
  const { networkPolicySchema } = await import('@novasandbox/protocol');
  return networkPolicySchema.parse({ rules: rules.map(([action, cidr]) => ({ action, cidr })), otherwise });
}

for (const version of ['2.63.0', '2.45.1']) {
  test(`PyPI e2b ${version}: network options`, { skip: noSlots }, async () => {
    const python = await pythonWith(`e2b-python-${version}`, [`e2b==${version}`]);
    const { code, stdout, stderr } = await program([python, join(import.meta.dirname, 'e2b-python/network.py')], {
      E2B_API_KEY: served.options.apiKey,
      E2B_API_URL: served.url,
      E2B_SANDBOX_URL: served.url,
      PYTHONDONTWRITEBYTECODE: '1',
    });
    assert.equal(code, 0, `${stdout}\n${stderr}`);
  });
}
