import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import {
  createLauncher,
  drivers as registered,
  layoutAt,
  openVmmUsers,
  releases,
  vmms,
  type DriverOptions,
} from '@novasandbox/engine';
import { driverFeaturesSchema, ownHypervisors, type DriverFeatures } from '@novasandbox/protocol';

const page = readFileSync(join(import.meta.dirname, '../docs/hypervisors.md'), 'utf8');
const notAskedFor = () => Promise.reject(new Error('only features are read'));
const launcher = createLauncher();
const users = openVmmUsers(layoutAt());
const options: DriverOptions = {
  launcher,
  users,
  confiner: notAskedFor,
  probeDirectory: '',
  vmmDirectory: '',
  probeGuest: notAskedFor,
  agentBinary: notAskedFor,
};
const drivers = ownHypervisors.map((name) => registered[name].create(options));

/** Rows of the first table whose header begins with `first`, without the line below the header. */
function table(first: string): string[][] {
  const lines = page.split('\n');
  const from = lines.findIndex((line) => line.startsWith(`| ${first} |`));
  assert.ok(from >= 0, first);
  const to = lines.findIndex((line, index) => index > from && !line.startsWith('|'));
  const rows = lines.slice(from, to).map((line) =>
    line
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim()),
  );
  return rows.filter((_, index) => index !== 1);
}

test("docs/hypervisors.md has each driver's features as they are", () => {
  const [header = [], ...rows] = table('feature');
  assert.deepEqual(
    header.slice(2),
    drivers.map(({ name }) => name),
  );
  const expected = (Object.keys(driverFeaturesSchema.shape) as (keyof DriverFeatures)[]).map((feature) => [
    `\`${feature}\``,
    driverFeaturesSchema.shape[feature].description ?? '',
    ...drivers.map(({ features }) => (features[feature] ? 'yes' : '')),
  ]);
  assert.deepEqual(rows, expected);
});

test('docs/hypervisors.md has the versions as they are', () => {
  const [, ...rows] = table('VMM');
  const pinned = (vmm: string): string => Object.entries(releases).find(([name]) => name === vmm)?.[1].version ?? '';
  const expected = vmms.map(({ name, versions: { floor, tested } }) => [name, floor, tested.join(', '), pinned(name)]);
  assert.deepEqual(rows, expected);
});
