import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { drivers } from '@novasandbox/engine';
import { ownHypervisors, type OwnHypervisor } from '@novasandbox/protocol';

const root = join(import.meta.dirname, '..');
const folder = 'packages/engine/src/drivers';

/** ARCHITECTURE.md, "Where a new thing goes": a driver changes only its own folder, a name and a line. */

test('every folder of drivers is registered, and every driver has one', () => {
  const folders = readdirSync(join(root, folder), { withFileTypes: true }).filter((entry) => entry.isDirectory());
  assert.deepEqual(folders.map(({ name }) => name).toSorted(), ownHypervisors.toSorted());
  for (const { name } of folders) assert.ok(existsSync(join(root, folder, name, 'driver.ts')), name);
});

/** Drivers that are tested without a stand-in, each with the reason. */
const withoutStandIn: Partial<Record<OwnHypervisor, string>> = {
  qemu: 'QEMU itself is there wherever the tests run',
  process: 'it starts no VMM',
};

test('every driver has a stand-in for its VMM and a test at the wire, or a reason to have none', () => {
  for (const name of ownHypervisors) {
    const [program] = drivers[name].vmm?.programs ?? [];
    const standIn = program !== undefined && existsSync(join(root, `tests/support/stand-in/${program.name}.ts`));
    assert.equal(standIn, withoutStandIn[name] === undefined, name);
    assert.equal(existsSync(join(root, `tests/wire/${name}.test.ts`)), standIn, name);
  }
});

test('docs/hypervisors.md has a chapter about every VMM', () => {
  const page = readFileSync(join(root, 'docs/hypervisors.md'), 'utf8');
  for (const vmm of Object.values(drivers).flatMap((driver) => driver.vmm ?? []))
    assert.match(page, new RegExp(`^## [^\n]+\n[^#]*\\b${vmm.title}\\b`, 'm'), vmm.title);
});

/** Other files that name a driver, each with the reason. A new driver need not be in any of them. */
const alsoNames: Readonly<Record<string, string>> = {
  'packages/protocol/src/own-hypervisors.ts': 'the list of names',
  [`${folder}/registry.ts`]: 'the line',
  'packages/engine/src/setup/releases.json': 'what `nova setup` fetches',
  'packages/engine/src/layout.ts': 'the folders of a jail are paths like others',
  'packages/engine/src/setup/install.ts': 'what to use on a Mac, where nothing is released',
  'packages/engine/src/images/vmlinux.ts': 'which loaders a kernel is checked for',
  'packages/engine/src/vmm/hybrid-vsock.ts': 'whose protocol it is',
  'packages/protocol/src/config/fields.ts': 'an example in a document',
  'packages/sdk/src/administration/hypervisor.ts':
    'classes with names of their own, as users know them; `Hypervisor` takes any name',
  'packages/sdk/src/admin.ts': 'the same',
  'sdks/python/src/novasandbox/providers/__init__.py': 'the same, as they are in the MicroVM Sandbox',
  'packages/cli/src/commands/lab.ts': 'examples in the help',
  'packages/cli/src/commands/setup.ts': 'examples in the help',
  'lab/main.ts': 'why the lab sets a word for the kernel',
  'bench/measures/driver.ts': 'the drivers whose own share of a launch is measured',
};

test('no other file names a driver', () => {
  const files = execFileSync(
    'git',
    ['ls-files', '--cached', '--others', '--exclude-standard', 'packages', 'sdks/python/src', 'lab', 'bench', 'build'],
    { cwd: root, encoding: 'utf8' },
  )
    .split('\n')
    .filter((file) => /\.(ts|json|py)$/.test(file) && !/\.test\.ts$|\/testing\//.test(file));
  const names = /firecracker|cloud[- ]?hypervisor|apple-?vz|vfkit/i;
  const found = files.filter((file) => names.test(readFileSync(join(root, file), 'utf8')));
  const others = found.filter((file) => !new RegExp(`^${folder}/[^/]+/`).test(file));
  assert.deepEqual(others.toSorted(), Object.keys(alsoNames).toSorted());
  // Drivers must not import each other either.
  for (const file of found) {
    const own = new RegExp(`^${folder}/([^/]+)/`).exec(file)?.[1];
    if (own === undefined) continue;
    // `process` is also an ordinary word.
    const foreign = ownHypervisors.filter((name) => name !== own && name !== 'process');
    const text = readFileSync(join(root, file), 'utf8');
    for (const name of foreign) assert.doesNotMatch(text, new RegExp(`\\b${name}\\b`), `${file} names ${name}`);
  }
});
