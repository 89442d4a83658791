import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { chmod, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, test } from 'node:test';
import { promisify } from 'node:util';
import { isNovaError, type ErrorCode, type ProgressEvent } from '@novasandbox/protocol';
import { hostArchitecture, layoutAt, prepareLayout, runCommand, sha256, type Layout } from '@novasandbox/engine';
import { pullImage } from '../../packages/engine/src/images/oci/pull.ts';
import {
  makeImage,
  makeIndex,
  type MadeEntry,
  type MadeImage,
} from '../../packages/engine/src/images/oci/testing/make-image.ts';
import { eventually } from '../support/eventually.ts';
import { startRegistry, type TestRegistry } from '../support/registry.ts';

const architecture = hostArchitecture().name;
const other = architecture === 'amd64' ? 'arm64' : 'amd64';

interface World extends AsyncDisposable {
  readonly registry: TestRegistry;
  readonly layout: Layout;
  readonly folder: string;
  /** Pulls an image of the registry and gives its record. */
  pull(name: string, signal?: AbortSignal): ReturnType<typeof pullImage>;
  /** Names of whole blobs. */
  blobs(): Promise<string[]>;
}

const environment = { ...process.env };
afterEach(() => {
  process.env = { ...environment };
});

async function world(tls?: Parameters<typeof startRegistry>[0]): Promise<World> {
  const folder = await mkdtemp(join(tmpdir(), 'nova-registry-'));
  await chmod(folder, 0o711);
  // Credentials of whoever runs the tests play no part.
  process.env['DOCKER_CONFIG'] = folder;
  const registry = await startRegistry(tls);
  const layout = { ...layoutAt(join(folder, 'home')), run: join(folder, 'run') };
  prepareLayout(layout);
  return {
    ...{ registry, layout, folder },
    pull: (name, signal) =>
      pullImage(layout, { id: 'test', image: `${registry.host}/${name}`, architecture }, { signal }),
    blobs: () => readdir(layout.oci.blobs),
    async [Symbol.asyncDispose]() {
      await registry[Symbol.asyncDispose]();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

const random = (bytes: number): string =>
  Array.from({ length: bytes }, () => String.fromCodePoint(97 + Math.floor(Math.random() * 26))).join('');
const layerOf = (name: string, bytes = 200_000): MadeEntry[] => [{ name, content: random(bytes) }];
const putImage = ({ registry }: World, repository: string, image: MadeImage, tag = 'latest'): void =>
  registry.put(repository, tag, image.manifest, image.blobs);

const refusal =
  (code: ErrorCode, pattern: RegExp) =>
  (error: unknown): true => {
    assert.ok(isNovaError(error, code), String(error));
    assert.match(error.message, pattern);
    return true;
  };

test('an image is fetched once: other tags of it, and images with its layers, fetch only what is new', async () => {
  await using it = await world();
  const shared = layerOf('shared');
  const first = makeImage([shared, layerOf('own')], {
    architecture,
    config: { Env: ['A=b', 'PATH=/x'], User: '5:6', Entrypoint: ['/e'], Cmd: ['c'] },
  });
  putImage(it, 'team/first', first);
  putImage(it, 'team/first', first, 'again');
  const record = await it.pull('team/first');
  assert.deepEqual(
    record.layers.map(({ digest }) => digest),
    first.layers.map(({ digest }) => digest),
  );
  assert.deepEqual([record.env, record.user, record.start], [{ A: 'b', PATH: '/x' }, '5', ['/e', 'c']]);
  for (const name of await it.blobs()) assert.equal((await stat(join(it.layout.oci.blobs, name))).mode & 0o777, 0o600);
  const asked = it.registry.requests.length;
  assert.deepEqual(await it.pull('team/first'), record);
  assert.equal(it.registry.requests.length, asked, 'what is known is not asked for');
  await it.pull('team/first:again');
  assert.deepEqual(it.registry.requests.slice(asked), ['GET /v2/team/first/manifests/again']);
  const second = makeImage([shared, layerOf('other')], { architecture });
  putImage(it, 'team/second', second);
  const before = it.registry.requests.length;
  await it.pull('team/second');
  const fetched = it.registry.requests.slice(before).filter((request) => request.includes('/blobs/'));
  assert.equal(fetched.length, 2, 'its config and its own layer');
});

test('of an index the image for the processor is taken, and attestations are passed over', async () => {
  await using it = await world();
  const right = makeImage([layerOf('right')], { architecture });
  const wrong = makeImage([layerOf('wrong')], { architecture: other });
  const index = makeIndex([
    { image: wrong, os: 'unknown', architecture: 'unknown' },
    { image: wrong, os: 'linux', architecture: other },
    { image: right, os: 'linux', architecture },
  ]);
  it.registry.put('multi', 'latest', index, [...right.blobs, ...wrong.blobs]);
  assert.equal((await it.pull('multi')).digest, right.manifest.digest);
  const lacking = makeIndex([{ image: wrong, os: 'linux', architecture: other }]);
  it.registry.put('lacking', 'latest', lacking, wrong.blobs);
  await assert.rejects(it.pull('lacking'), refusal('image_not_found', new RegExp(`but for linux/${other}`)));
});

test('names that the registry does not know, and digests that are pinned', async () => {
  await using it = await world();
  const image = makeImage([layerOf('a')], { architecture });
  putImage(it, 'a', image);
  await assert.rejects(it.pull('nothing'), refusal('image_not_found', /manifests\/latest .*manifest unknown/));
  await it.pull(`a@${image.manifest.digest}`);
  it.registry.intercept = (request, response) => {
    if (request.url?.includes('/manifests/') !== true) return false;
    response.end('{"schemaVersion":2}');
    return true;
  };
  const pinned = `sha256:${'0'.repeat(64)}`;
  await assert.rejects(it.pull(`a:other@${pinned}`), refusal('checksum_mismatch', /is not the one with the digest/));
});

test('basic credentials, tokens and helpers of docker are used, and wrong ones are told', async () => {
  await using it = await world();
  const { host } = it.registry;
  putImage(it, 'private', makeImage([layerOf('a')], { architecture }));
  const auth = Buffer.from('ann:secret').toString('base64');
  it.registry.auth = { type: 'basic', user: 'ann', password: 'secret' };
  await assert.rejects(it.pull('private'), refusal('registry_denied', /does not let us read private .*log in/));
  const config = (value: object): Promise<void> => writeFile(join(it.folder, 'config.json'), JSON.stringify(value));
  await config({ auths: { [host]: { auth } } });
  await it.pull('private');

  it.registry.auth = { type: 'token', credentials: `Basic ${auth}`, uses: 100 };
  putImage(it, 'private', makeImage([layerOf('b')], { architecture }), 'b');
  await it.pull('private:b');
  await config({ auths: { [host]: { auth: Buffer.from('ann:wrong').toString('base64') } } });
  await assert.rejects(it.pull('private:c'), refusal('registry_denied', /gives no token .*wrong credentials/));

  const helper = join(it.folder, 'docker-credential-tests');
  await writeFile(
    helper,
    `#!/bin/sh\nread name\n[ "$name" = '${host}' ] && echo '{"Username":"ann","Secret":"secret"}'\n`,
    { mode: 0o755 },
  );
  process.env['PATH'] = `${it.folder}:${process.env['PATH'] ?? ''}`;
  await config({ credHelpers: { [host]: 'tests' } });
  putImage(it, 'private', makeImage([layerOf('d')], { architecture }), 'd');
  await it.pull('private:d');
});

test('a token that ends in the middle of a pull is renewed', async () => {
  await using it = await world();
  it.registry.auth = { type: 'token', credentials: null, uses: 6 };
  const image = makeImage(
    Array.from({ length: 20 }, (_, index) => layerOf(`${index}`, 20_000)),
    { architecture },
  );
  putImage(it, 'long', image);
  assert.equal((await it.pull('long')).layers.length, 20);
  assert.ok(it.registry.requests.filter((request) => request === 'GET /token').length > 2);
});

test('a redirect to another host is followed without the credentials', async () => {
  await using it = await world();
  await using store = await startRegistry();
  it.registry.auth = { type: 'token', credentials: null, uses: 100 };
  const image = makeImage([layerOf('a')], { architecture });
  putImage(it, 'a', image);
  store.put('a', 'latest', image.manifest, image.blobs);
  it.registry.intercept = (request, response) => {
    if (request.url?.includes('/blobs/') !== true || request.headers.authorization === undefined) return false;
    response.writeHead(307, { location: `http://${store.host}${request.url}` }).end();
    return true;
  };
  await it.pull('a');
  assert.ok(store.requests.length >= 2);
  assert.deepEqual(new Set(store.authorizations), new Set(['']));
});

test('redirects without end, and servers without TLS that are not of this host, are refused', async () => {
  await using it = await world();
  it.registry.intercept = (request, response) => {
    response
      .writeHead(307, {
        location: request.url?.includes('far') === true ? 'http://192.0.2.1/v2/' : (request.url ?? ''),
      })
      .end();
    return true;
  };
  await assert.rejects(it.pull('near'), refusal('download_failed', /redirects more than 5 times/));
  await assert.rejects(it.pull('far'), refusal('registry_denied', /192\.0\.2\.1 would be spoken to without TLS/));
});

/** Cuts answers to requests of blobs after so many bytes, as often as `times` says. */
function cutBlobs(
  { registry, layout }: World,
  image: MadeImage,
  after: number,
  times: number,
): { readonly ranges: string[] } {
  const ranges: string[] = [];
  let left = times;
  registry.intercept = (request, response) => {
    const layer = image.layers.find(({ digest }) => request.url?.endsWith(digest) === true);
    if (layer === undefined) return false;
    ranges.push(request.headers.range ?? '');
    if (left === 0) return false;
    left -= 1;
    const from = Number(/\d+/.exec(request.headers.range ?? '')?.[0] ?? 0);
    response.writeHead(from === 0 ? 200 : 206, {
      'content-length': layer.bytes.length - from,
      ...(from === 0 ? {} : { 'content-range': `bytes ${from}-${layer.bytes.length - 1}/${layer.bytes.length}` }),
    });
    response.write(layer.bytes.subarray(from, from + after));
    // The connection is cut once the client has kept what was sent.
    const part = layout.oci.partial(layer.digest.slice('sha256:'.length));
    const isKept = (): boolean =>
      after === 0 || statSync(part, { throwIfNoEntry: false })?.size === from + after || response.destroyed;
    void eventually('the part is kept', isKept).then(() => response.destroy());
    return true;
  };
  return { ranges };
}

test('a transfer that is cut goes on where it was, in this pull and in the next', async () => {
  await using it = await world();
  const image = makeImage([layerOf('a', 400_000)], { architecture });
  putImage(it, 'cut', image);
  const cut = cutBlobs(it, image, 50_000, 3);
  await it.pull('cut');
  assert.ok(cut.ranges.length === 4 && cut.ranges.slice(1).every((range) => range !== ''), String(cut.ranges));

  const next = makeImage([layerOf('b', 400_000)], { architecture });
  putImage(it, 'cut', next, 'next');
  const first = cutBlobs(it, next, 0, 100);
  await assert.rejects(it.pull('cut:next'), refusal('download_failed', /ended after|cut/));
  assert.ok(first.ranges.length < 20, 'it is given up');
  const partly = cutBlobs(it, next, 30_000, 1);
  const gone = new AbortController();
  const told = it.registry.intercept;
  it.registry.intercept = (request, response) => {
    if (partly.ranges.length === 1) gone.abort();
    return told(request, response);
  };
  await assert.rejects(it.pull('cut:next', gone.signal));
  assert.deepEqual(
    (await it.blobs()).filter((name) => next.layers[0]?.digest.endsWith(name) === true),
    [],
  );
  const rest = cutBlobs(it, next, 0, 0);
  await it.pull('cut:next');
  assert.match(rest.ranges[0] ?? '', /^bytes=\d{4,}-$/, 'what had arrived is not fetched again');
});

test('a server that does not know ranges sends a blob anew', async () => {
  await using it = await world();
  const image = makeImage([layerOf('a', 100_000)], { architecture });
  putImage(it, 'a', image);
  const cut = cutBlobs(it, image, 20_000, 1);
  const cutting = it.registry.intercept;
  it.registry.intercept = (request, response) => {
    if (cut.ranges.length > 0) delete request.headers.range;
    return cutting(request, response);
  };
  await it.pull('a');
});

test('a blob that is another, or longer than its manifest says, is not kept', async () => {
  await using it = await world();
  const image = makeImage([layerOf('a')], { architecture });
  const [layer] = image.layers;
  putImage(it, 'a', image);
  let sent: Buffer = Buffer.from(layer?.bytes ?? '');
  it.registry.intercept = (request, response) => {
    if (request.url?.endsWith(layer?.digest ?? '-') !== true) return false;
    response.end(sent);
    return true;
  };
  sent[100] = (sent[100] ?? 0) ^ 1;
  await assert.rejects(it.pull('a'), refusal('checksum_mismatch', /has the digest/));
  sent = Buffer.concat([layer?.bytes ?? Buffer.of(), Buffer.from('more')]);
  await assert.rejects(it.pull('a'), refusal('checksum_mismatch', /longer than its manifest says/));
  assert.deepEqual(
    (await it.blobs()).filter((name) => layer?.digest.endsWith(name) === true),
    [],
  );
  it.registry.intercept = () => false;
  await it.pull('a');
});

test('a registry that is busy is asked again, and one that allows no more pulls is told', async () => {
  await using it = await world();
  putImage(it, 'a', makeImage([layerOf('a')], { architecture }));
  let refusals = 2;
  it.registry.intercept = (_, response) => {
    if (refusals === 0) return false;
    refusals -= 1;
    response.writeHead(refusals === 0 ? 429 : 503, { 'retry-after': '0' }).end();
    return true;
  };
  await it.pull('a');
  refusals = Number.POSITIVE_INFINITY;
  it.registry.intercept = (_, response) => {
    response.writeHead(429, { 'retry-after': '0' }).end('{"errors":[{"message":"toomanyrequests"}]}');
    return true;
  };
  await assert.rejects(it.pull('b'), refusal('download_failed', /allows no more pulls for now .*toomanyrequests/));
});

test('mirrors are asked first, and the registry where they fail', async () => {
  await using it = await world();
  await using mirror = await startRegistry();
  const image = makeImage([layerOf('a')], { architecture });
  mirror.put('library/alpine', '3', image.manifest, image.blobs);
  const mirrors = { [it.registry.host]: [`http://${mirror.host}`] };
  await writeFile(it.layout.oci.settings, JSON.stringify({ mirrors }));
  await it.pull('library/alpine:3');
  assert.equal(it.registry.requests.length, 0);
  putImage(it, 'library/other', image);
  await it.pull('library/other');
  assert.ok(mirror.requests.some((request) => request.includes('other')) && it.registry.requests.length > 0);
  await assert.rejects(it.pull('nowhere'), refusal('image_not_found', /The mirrors failed before/));
  await writeFile(it.layout.oci.settings, '{"proxies":{}}');
  await assert.rejects(it.pull('another'), refusal('invalid_argument', /registries\.json.*proxies/));
});

test('a registry with a certificate of its own is trusted where it is named', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'nova-certificate-'));
  try {
    const [key, cert] = [join(folder, 'key'), join(folder, 'cert')];
    const how = ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-subj', '/CN=tests'];
    await promisify(execFile)('openssl', [
      ...how,
      '-addext',
      'subjectAltName=IP:127.0.0.1',
      '-keyout',
      key,
      '-out',
      cert,
    ]);
    await using it = await world({ key: await readFile(key, 'utf8'), cert: await readFile(cert, 'utf8') });
    putImage(it, 'a', makeImage([layerOf('a')], { architecture }));
    await assert.rejects(it.pull('a'), refusal('download_failed', /does not answer/));
    await writeFile(it.layout.oci.settings, JSON.stringify({ certificates: { [it.registry.host]: cert } }));
    await it.pull('a');
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});

test('progress names layers and bytes', async () => {
  await using it = await world();
  putImage(it, 'a', makeImage([layerOf('a'), layerOf('b')], { architecture }));
  const events: ProgressEvent[] = [];
  await pullImage(
    it.layout,
    { id: 'test', image: `${it.registry.host}/a`, architecture },
    { progress: (event) => events.push(event) },
  );
  assert.ok(events.some(({ detail }) => /^layer \d of 2, [\d.]+ of [\d.]+ MiB$/.test(detail ?? '')));
  assert.deepEqual([events[0]?.state, events.at(-1)?.state], ['start', 'done']);
});

test('a build that is killed at any point leaves only what is whole, and the next one finishes', async () => {
  await using it = await world();
  const { layout, registry } = it;
  putImage(it, 'killed', makeImage([layerOf('a'), layerOf('b')], { architecture }));
  const script = join(import.meta.dirname, '../support/killed-build.ts');
  const argv = (n: number): string[] => [script, layout.home, `${registry.host}/killed`, String(n)];
  let kills = 0;
  // Each one gets further than the one before: what is whole already is not made again.
  for (let n = 1, isDone = false; !isDone; n += 1) {
    const ran = await promisify(execFile)(process.execPath, argv(n)).catch((error: unknown) => error);
    isDone = !(ran instanceof Error);
    if (!isDone) {
      assert.ok(ran instanceof Error && 'signal' in ran && ran.signal === 'SIGKILL', String(ran));
      kills += 1;
    }
    for (const name of await it.blobs()) assert.equal(sha256(await readFile(layout.oci.blob(name))), name);
    const roots = (await readdir(join(layout.rootfs('lock'), '..'))).filter((name) => /^[0-9a-f]{64}$/.test(name));
    for (const name of roots) await runCommand('e2fsck', ['-f', '-n', join(layout.rootfs(name), 'rootfs.ext4')]);
    if (isDone) assert.equal(roots.length, 1);
  }
  assert.ok(kills >= 5, `${kills} kills`);
  const left = (await readdir(layout.workDirectory)).filter((name) => !name.endsWith('.lock'));
  assert.deepEqual([left, await readdir(layout.oci.partials)], [[], []]);
});
