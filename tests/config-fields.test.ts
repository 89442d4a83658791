import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { Command } from 'commander';
import {
  fields,
  parse,
  sandboxConfigSchema,
  type Field,
  type FieldName,
  type SandboxConfigInput,
} from '@novasandbox/protocol';
import {
  configOfCreateVm,
  configOfVmConfig,
  createVmSchema,
  daemonShape,
  toWire,
  vmConfigOf,
  vmConfigSchema,
} from '@novasandbox/protocol/api';
import { addSandboxOptions, toSandboxConfig, type SandboxOptions } from '../packages/cli/src/args/sandbox-options.ts';
import { fieldDocuments } from '../build/field-documents.ts';

const root = join(import.meta.dirname, '..');
const rows = Object.entries<Field>(fields) as [FieldName, Field][];

test('what is written from the table of config fields is what it would be written as now', () => {
  for (const { file, text } of fieldDocuments) {
    const is = readFileSync(join(root, file), 'utf8');
    assert.equal(text(is), is, `${file}: run node build/write-field-documents.ts`);
  }
});

/** For each field, a value that is not its default, and the command-line options that set it. */
const samples: { readonly [N in FieldName]: readonly [SandboxConfigInput[N], ...(readonly string[])] } = {
  templateId: ['minimal', '--template', 'minimal'],
  image: ['alpine:3.22', '--image', 'alpine:3.22'],
  name: ['box', '--name', 'box'],
  vcpus: [2, '--vcpus', '2'],
  memoryMb: [512, '--memory', '512m'],
  diskSizeMb: [2048, '--disk', '2g'],
  maxProcesses: [64, '--max-processes', '64'],
  env: [{ A: 'b' }, '--env', 'A=b'],
  user: ['root', '--user', 'root'],
  labels: [{ team: 'infra' }, '--label', 'team=infra'],
  timeoutMs: [1500, '--ttl', '1500ms'],
  onTimeout: ['hibernate', '--on-timeout', 'hibernate'],
  autoResume: [true, '--auto-resume'],
  ephemeral: [true],
  enableNetwork: [false, '--no-network'],
  policy: ['none', '--net', 'none'],
  networks: [['backend', 'front'], '--network', 'backend', '--network', 'front'],
  secrets: [[{ name: 'TOKEN', value: 'a-long-secret', hosts: [{ host: 'api.example.com' }] }]],
  hostPort: [8080, '--port', '8080:80'],
  guestPort: [80, '--port', '8080:80'],
  rateLimits: [{ disk: { bytesPerSecond: 1_048_576, operationsPerSecond: 5 } }, '--rate-limit', 'disk=1m,5ops'],
  readOnlyRootfs: [true, '--read-only'],
  rootfsPath: ['/image', '--rootfs', '/image'],
  extraDrives: [[{ path: '/image', mountPath: '/mnt', readOnly: true }], '--drive', '/image:/mnt'],
  volumes: [[{ name: 'cache', path: '/var/cache', readOnly: true }]],
  firmwarePath: ['/firmware', '--firmware', '/firmware'],
  kernelArgs: ['quiet', '--kernel-args', 'quiet'],
  hyperv: [true, '--hyperv'],
  bootTimeoutMs: [2500, '--boot-timeout', '2500ms'],
  hypervisor: ['qemu', '--hypervisor', 'qemu'],
  architecture: ['arm64', '--arch', 'arm64'],
};

const checked = (config: unknown, name: FieldName): unknown =>
  JSON.parse(JSON.stringify(parse(sandboxConfigSchema, config, 'config')[name]));

for (const [name, row] of rows) {
  const [value, ...argv] = samples[name];
  const want = checked({ [name]: value }, name);

  test(`${name} has a default that is another`, () => {
    assert.notDeepEqual(want, JSON.parse(JSON.stringify(parse(sandboxConfigSchema, {}, 'config')[name] ?? null)));
  });

  test(`${name} goes over REST, or is for callers on the host alone`, () => {
    if (row.hostAlone !== undefined) {
      assert.equal(row.rest, null);
      assert.deepEqual(toWire({ [name]: value }), {});
      return;
    }
    assert.notEqual(row.rest, null);
    const body = JSON.parse(JSON.stringify(toWire({ [name]: value }))) as object;
    assert.deepEqual(Object.keys(body), [row.rest]);
    assert.deepEqual(checked(configOfCreateVm(parse(createVmSchema, body, 'body'), 300), name), want);
    const told = vmConfigSchema.parse(vmConfigOf(parse(sandboxConfigSchema, { [name]: value }, 'config')));
    assert.deepEqual(checked(configOfVmConfig(told), name), want);
  });

  test(`${name} can be asked for on the command line, or is exempt for a reason`, () => {
    const isExempt = 'because' in row.option;
    if (isExempt) assert.ok(row.option.because.endsWith('.'));
    if (argv.length === 0) return assert.ok(isExempt);
    const command = addSandboxOptions(new Command()).exitOverride();
    const config = toSandboxConfig(command.parse([...argv], { from: 'user' }).opts<SandboxOptions>());
    assert.deepEqual(checked(config, name), want);
    const others = Object.keys(config).filter((each) => each !== name);
    assert.deepEqual(others, name === 'hostPort' ? ['guestPort'] : name === 'guestPort' ? ['hostPort'] : []);
  });
}

/** Features of the daemon outside the engine do not belong in the config of a sandbox. */
const ofDaemon = {
  os_type: 'There are Linux guests only.',
  idle_timeout_seconds: 'The daemon alone sees what is idle; Python, which is always its client, takes idle_timeout.',
  guest_agent: 'Older clients send it, and it changes nothing.',
};

test('REST takes the fields, and beside them only what has a reason', () => {
  assert.deepEqual(Object.keys(daemonShape), Object.keys(ofDaemon));
  const expected = [...rows.flatMap(([, { rest }]) => rest ?? []), 'template_id', ...Object.keys(ofDaemon)];
  assert.deepEqual(Object.keys(createVmSchema.in.shape).toSorted(), expected.toSorted());
});

test('no name means two fields', () => {
  const ways: Readonly<Record<string, readonly string[]>> = {
    library: rows.flatMap(([name, { alias }]) => [name, ...(alias === undefined ? [] : [alias])]),
    rest: rows.flatMap(([, { rest }]) => rest ?? []),
    python: rows.flatMap(([, { rest, python }]) => python ?? rest ?? []),
    options: rows.flatMap(([, { option }]) => ('flags' in option ? (/--[a-z-]+/.exec(option.flags)?.[0] ?? []) : [])),
  };
  for (const [way, names] of Object.entries(ways)) assert.deepEqual([...new Set(names)], names, way);
});

test('a config is typed field by field', () => {
  const config: SandboxConfigInput = {
    memoryMb: 256,
    template: 'base',
    rateLimits: { disk: { bytesPerSecond: 70_000 } },
  };
  // @ts-expect-error There is no such field.
  const misspelt: SandboxConfigInput = { memroyMb: 256 };
  // @ts-expect-error It is a number.
  const mistyped: SandboxConfigInput = { vcpus: '2' };
  // @ts-expect-error There is no such processor.
  const unknown: SandboxConfigInput = { architecture: 'mips' };
  for (const each of [misspelt, mistyped, unknown]) assert.throws(() => parse(sandboxConfigSchema, each, 'config'));
  const { memoryMb, maxProcesses }: { memoryMb?: number | undefined; maxProcesses: number } = parse(
    sandboxConfigSchema,
    config,
    'config',
  );
  assert.deepEqual([memoryMb, maxProcesses], [256, 4096]);
});

/** ARCHITECTURE.md, "Where a new thing goes": the row of a config field names only these. */
test('a field is spelt in its table, where it is used, and in what is written from the table', () => {
  const written = fieldDocuments.map(({ file }) => file);
  const files = globSync(['packages/*/src/**/*.ts', 'sdks/python/src/**/*.py'], { cwd: root }).filter(
    (file) => !file.endsWith('.test.ts') && !file.includes('/testing/') && !written.includes(file),
  );
  const spelt = files.filter((file) => /max_?processes/i.test(readFileSync(join(root, file), 'utf8')));
  const table = 'packages/protocol/src/config/fields.ts';
  // REST mentions it among the limits of a VM.
  const told = 'packages/protocol/src/api/vm-config.ts';
  // Each field says there what it means for a clone of the warm pool.
  const pooled = 'packages/engine/src/sandbox/pool-fields.ts';
  const uses = spelt.filter((file) => ![table, told, pooled].includes(file));
  assert.ok(spelt.includes(table) && spelt.includes(told));
  assert.ok(uses.length <= 2 && uses.every((file) => file.startsWith('packages/engine/src/')), uses.join(', '));
});
