import assert from 'node:assert/strict';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, test } from 'node:test';
import { isNovaError } from '@novasandbox/protocol';
import { expectedDigest } from './checksum.ts';
import { assetOf } from './releases.ts';

const digest = 'ab'.repeat(32);
let server: Server;
const answers = new Map<string, string>();
/** A server of our own answers in place of the Internet, at the real addresses. */
const asked: URL[] = [];
/** Addresses that are redirected, by host and path. */
const redirects = new Map<string, string>();

before(async () => {
  server = createServer((request, response) => {
    const location = redirects.get(request.url ?? '');
    if (location !== undefined) return void response.writeHead(302, { location }).end();
    const body = answers.get(request.url ?? '');
    response.statusCode = body === undefined ? 404 : 200;
    response.end(body ?? '');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
});
after(() => server.close());

const fetchHere: typeof globalThis.fetch = async (input, init) => {
  const url = new URL(input instanceof Request ? input.url : input);
  asked.push(url);
  const { port } = server.address() as AddressInfo;
  return fetch(`http://127.0.0.1:${port}/${url.host}${url.pathname}`, init);
};

// These versions are not the pinned ones, so their digests have to be fetched.
const firecracker = assetOf('firecracker', '1.99.0', 'x64');
const besides = '/github.com/firecracker-microvm/firecracker/releases/download/v1.99.0/';
const sumsFile = `${besides}firecracker-v1.99.0-x86_64.tgz.sha256.txt`;
const cloudHypervisor = assetOf('cloud-hypervisor', '99.0', 'arm64');
const release = '/api.github.com/repos/cloud-hypervisor/cloud-hypervisor/releases/tags/v99.0';

test("Firecracker's digest is in the file beside the asset, under the asset's name", async () => {
  const other = '00'.repeat(32);
  answers.set(sumsFile, `${other}  firecracker-v1.99.0-aarch64.tgz\n${digest}  firecracker-v1.99.0-x86_64.tgz\n`);
  assert.deepEqual(await expectedDigest(firecracker, undefined, { fetch: fetchHere }), {
    sha256: digest,
    from: 'release page',
  });
  answers.set(sumsFile, `${digest}  firecracker-v1.99.0-aarch64.tgz\n`);
  await assert.rejects(expectedDigest(firecracker, undefined, { fetch: fetchHere }), /has no SHA-256 of/);
});

test("Cloud Hypervisor's is what the release page's API tells", async () => {
  const name = 'cloud-hypervisor-static-aarch64';
  answers.set(release, JSON.stringify({ assets: [{ name, digest: `sha256:${digest}`, size: 1 }] }));
  assert.equal((await expectedDigest(cloudHypervisor, undefined, { fetch: fetchHere })).sha256, digest);
  for (const wrong of ['not json', '{}', JSON.stringify({ assets: [{ name, digest: null }] })]) {
    answers.set(release, wrong);
    await assert.rejects(
      expectedDigest(cloudHypervisor, undefined, { fetch: fetchHere }),
      (error) => isNovaError(error, 'download_failed') && error.hint.includes('--sha256'),
    );
  }
});

test('a digest may come from another host, but only over HTTPS all the way', async () => {
  const line = `${digest}  firecracker-v1.99.0-x86_64.tgz\n`;
  const ask = () => expectedDigest(firecracker, undefined, { fetch: fetchHere });
  answers.set('/objects.example/sums', line);
  try {
    redirects.set(sumsFile, 'https://objects.example/sums');
    assert.equal((await ask()).sha256, digest);
    // An attacker on the hop without a certificate can redirect us anywhere, also back to an address that has one.
    asked.splice(0);
    redirects.set(sumsFile, 'http://github.com/sums').set('/github.com/sums', 'https://objects.example/sums');
    await assert.rejects(ask(), /http:\/\/github\.com is no https/);
    assert.equal(asked.length, 1, 'it is not even asked');
    for (const elsewhere of ['file:///etc/passwd', 'data:text/plain,x', 'ftp://objects.example/sums']) {
      redirects.set(sumsFile, elsewhere);
      await assert.rejects(ask(), /is no https/);
    }
    redirects.set(sumsFile, `https:/${sumsFile}`);
    await assert.rejects(ask(), /redirected more than 5 times/);
  } finally {
    redirects.clear();
  }
});

test('a file larger than a list of digests is not read to its end', async () => {
  answers.set(sumsFile, 'x'.repeat(1 << 20));
  await assert.rejects(expectedDigest(firecracker, undefined, { fetch: fetchHere }), /larger than 4096 bytes/);
});

test('a digest that is given or pinned is not asked for, and no mirror is ever asked', async () => {
  asked.splice(0);
  assert.deepEqual(await expectedDigest(firecracker, digest, { fetch: fetchHere }), { sha256: digest, from: 'option' });
  const pinned = { ...firecracker, pinnedSha256: digest };
  assert.deepEqual(await expectedDigest(pinned, undefined, { fetch: fetchHere }), { sha256: digest, from: 'pin' });
  assert.deepEqual(asked, []);
  process.env['NOVA_MIRROR'] = 'http://mirror.invalid';
  try {
    await assert.rejects(expectedDigest(firecracker, undefined, { fetch: fetchHere }));
    assert.deepEqual(
      asked.map(({ host }) => host),
      ['github.com'],
    );
  } finally {
    delete process.env['NOVA_MIRROR'];
  }
});

test('a pin counts for its own version alone', () => {
  assert.equal(assetOf('firecracker', '1.17.0', 'arm64').name, 'firecracker-v1.17.0-aarch64.tgz');
  assert.equal(assetOf('firecracker', '1.17.0', 'arm64').pinnedSha256, null);
  assert.throws(
    () => assetOf('firecracker', undefined, 'riscv64'),
    (error) => isNovaError(error, 'feature_unsupported') && /x64 and arm64/.test(error.hint),
  );
});
