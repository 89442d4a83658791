import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { request, type IncomingMessage } from 'node:http';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { serverUnderTest, type ServerUnderTest } from '../support/server.ts';

let server: ServerUnderTest;
let id: string;
before(async () => {
  server = await serverUnderTest();
  ({ id } = await server.vm());
});
after(() => server?.[Symbol.asyncDispose]());

/** A request whose path is sent unchanged: `fetch` would resolve the dots first. */
async function asItIs(method: string, path: string, key: string | null): Promise<{ status: number; body: string }> {
  const asked = request(server.url, { method, path, headers: key === null ? {} : { 'x-api-key': key } });
  asked.end();
  const [response] = (await once(asked, 'response')) as [IncomingMessage];
  let body = '';
  for await (const part of response) body += String(part);
  return { status: response.statusCode ?? 0, body };
}

interface Schema {
  readonly $ref?: string;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly items?: Schema;
  readonly anyOf?: readonly Schema[];
  readonly oneOf?: readonly Schema[];
  readonly allOf?: readonly Schema[];
}
interface OpenApi {
  readonly paths: Readonly<
    Record<string, Readonly<Record<string, { requestBody?: { content: Record<string, { schema: Schema }> } }>>>
  >;
  readonly components: { readonly schemas: Readonly<Record<string, Schema>> };
}

/**
 * Paths in the routes about a guest's files and commands, and those at which it mounts volumes, are paths in the guest.
 * The paths of rules, of requests and of a secret's positions are those of URLs. An image may be a file for an
 * administrator of the daemon alone. No other field may name a file.
 */
const namesNoFileOfTheHost = new Set([
  ...['working_directory', 'read_only_rootfs', 'volumes.path', 'image'],
  ...['policy.rules.paths', 'rules.paths', 'to.request.path', 'secrets.positions.path', 'positions.path'],
]);

test('no body of the API has a field that could name a file of the host', () => {
  const document = JSON.parse(readFileSync(join(import.meta.dirname, '../../docs/openapi.json'), 'utf8')) as OpenApi;
  /** Names of all fields, each after those that it is in. */
  const fields = (schema: Schema, within = ''): string[] => {
    const named = schema.$ref?.split('/').at(-1);
    if (named !== undefined) return fields(document.components.schemas[named] ?? {}, within);
    const below = [schema.items, ...(schema.anyOf ?? []), ...(schema.oneOf ?? []), ...(schema.allOf ?? [])];
    return [
      ...Object.entries(schema.properties ?? {}).flatMap(([name, each]) => [
        within + name,
        ...fields(each, `${within}${name}.`),
      ]),
      ...below.flatMap((each) => (each === undefined ? [] : fields(each, within))),
    ];
  };
  const suspects: string[] = [];
  let seen = 0;
  for (const [path, methods] of Object.entries(document.paths)) {
    if (path.includes('/files')) continue;
    for (const [method, { requestBody }] of Object.entries(methods)) {
      for (const { schema } of Object.values(requestBody?.content ?? {})) {
        for (const name of fields(schema)) {
          seen++;
          if (
            /path|file|drive|kernel|firmware|rootfs|socket|folder|director|image|mount|binary|url/.test(
              name.slice(name.lastIndexOf('.') + 1),
            )
          )
            if (!namesNoFileOfTheHost.has(name)) suspects.push(`${method} ${path}: ${name}`);
        }
      }
    }
  }
  assert.ok(seen > 50);
  assert.deepEqual(suspects, []);
});

const secretFile = '/etc/shadow';
const fields = {
  rootfs_path: secretFile,
  rootfsPath: secretFile,
  firmware_path: secretFile,
  firmwarePath: secretFile,
  kernel: secretFile,
  kernel_args: 'init=/bin/sh',
  kernelArgs: 'init=/bin/sh',
  extra_drives: [{ path: secretFile, mount_path: '/mnt' }],
  extraDrives: [{ path: secretFile, mountPath: '/mnt' }],
  template_path: '/etc',
  env_file: secretFile,
};

test('a VM cannot be made of files of the host, by REST or as an E2B client', async () => {
  for (const [name, value] of Object.entries(fields)) {
    for (const path of ['/vms', '/vms/validate'])
      assert.equal((await server.call('POST', path, { body: { [name]: value } })).status, 422, `${path} ${name}`);
    const made = await server.call('POST', '//sandboxes', { body: { templateID: 'base', [name]: value } });
    if (made.status === 201) {
      const { config } = JSON.parse((await asItIs('GET', `/api/v1/vms/${made.body.sandboxID}`, server.key)).body);
      assert.ok(!JSON.stringify(config ?? {}).includes(secretFile), name);
      await server.ok('DELETE', `/vms/${made.body.sandboxID}?force=true`);
    } else assert.ok([400, 422].includes(made.status), `${made.status} ${name}`);
  }
  for (const templateID of ['../../etc', '/etc', '..', 'base/../base', 'base\0', '%2e%2e']) {
    const { status } = await server.call('POST', '//sandboxes', { body: { templateID } });
    assert.ok([400, 404, 422].includes(status), `${templateID}: ${status}`);
  }
});

test('an image that is a file of the host, or of an engine on it, is for an administrator of the daemon alone', async () => {
  const { key } = (await server.ok('POST', '/security/api-keys', { name: 'imager', role: 'power_user' })) as {
    key: string;
  };
  for (const image of [secretFile, '/etc', './images', '../up', 'docker:base', 'podman:base']) {
    for (const [path, body] of [
      ['/vms', { image }],
      ['/vms/validate', { image }],
      ['/templates/from-host/build', { image }],
    ] as const) {
      const { status, body: answer } = await server.call('POST', path, { body, key });
      assert.ok(status === 403 || status === 422, `${path} ${image}: ${status} ${JSON.stringify(answer)}`);
    }
  }
});

test("paths of files are the guest's, however they climb", async () => {
  const key = server.home.layout.daemon.keyFile;
  for (const path of [key, `/..${key}`, `/../../../..${key}`, `../../../../..${key}`, `/proc/1/root${key}`]) {
    const query = `path=${encodeURIComponent(path)}&user=root`;
    for (const route of ['files/stat', 'files/archive', 'files/download', 'files']) {
      const { status, body } = await asItIs('GET', `/api/v1/vms/${id}/${route}?${query}`, server.key);
      assert.equal(status, 404, `${route} ${path}: ${body.slice(0, 200)}`);
      assert.ok(!body.includes(server.key));
    }
  }
});

test('tricks with the path of a request reach no file of the host and no route past its permission', async () => {
  const tricks = [
    '/../../../../etc/passwd',
    '/%2e%2e/%2e%2e/%2e%2e/etc/passwd',
    '/..%2f..%2f..%2fetc%2fpasswd',
    '/..%5c..%5cetc%5cpasswd',
    String.raw`/..\..\etc\passwd`,
    '//etc/passwd',
    '/docs/../../package.json',
    '/docs/..%2f..%2fpackage.json',
    '/docs/%2e%2e/%2e%2e/package.json',
    '/docs/swagger-ui.css/../package.json',
    '/docs/swagger-ui.css%00.json',
    '/redoc/..;/package.json',
    '/health/../api/v1/vms',
    '/health/%2e%2e/api/v1/vms',
    '/health%2f..%2fapi%2fv1%2fvms',
    '/docs/..;/api/v1/vms',
    '//api/v1/vms',
    '/api/v1//vms',
    '/api/v1/./vms',
    '/api/v1/vms/',
    '/api/v1/vms%2f',
    '/api/v1/vms;x=/health',
    '/api/v1/vms%23/health',
    '/API/V1/VMS',
    '/api/v1/vms%00',
    '/api/v1/vms%3f',
    `/api/v1/vms/${id}/../${id}`,
    `/api/v1/vms/${id}%2f..%2f${id}`,
    `/api/v1/vms/${id}/%2e%2e`,
    '/api/v1/templates/..%2f..%2f..%2fetc',
    '/api/v1/templates/%2e%2e',
    'http://localhost/api/v1/vms',
    'http://elsewhere.example/api/v1/vms',
    '*',
  ];
  for (const path of tricks) {
    for (const method of ['GET', 'DELETE', 'POST']) {
      const without = await asItIs(method, path, null);
      assert.ok(without.status >= 400 && without.status < 500, `${method} ${path}: ${without.status}`);
      const { status, body } = await asItIs(method, path, server.key);
      assert.ok(status < 500, `${method} ${path}: ${status}`);
      assert.doesNotMatch(body, /root:|"(name|private|workspaces)": ?"?novasandbox/, `${method} ${path}`);
    }
  }
  assert.equal((await server.ok('GET', `/vms/${id}`)).id, id, 'nothing of it ended the VM');
});
