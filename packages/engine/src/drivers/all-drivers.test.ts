import assert from 'node:assert/strict';
import { test } from 'node:test';
import { driverFeatures, isNovaError, ownHypervisors } from '@novasandbox/protocol';
import type { CreateDriver, DriverMeans } from '../ports/driver-means.ts';
import type { MachineRecord, VmmDriver } from '../ports/vmm-driver.ts';
import { createLauncher } from '../vmm/launcher.ts';
import { createAllDrivers } from './all-drivers.ts';

const notAskedFor = () => Promise.reject(new Error('only names and features are read'));
const options = {
  launcher: createLauncher(),
  users: { take: () => null, [Symbol.dispose]: () => undefined },
  confiner: notAskedFor,
  vmmDirectory: '',
  probeDirectory: '/probes',
  probeGuest: notAskedFor,
  agentBinary: notAskedFor,
};

/** A driver whose methods need their `this`. */
class Mine implements VmmDriver {
  readonly name: string = 'mine';
  readonly features = driverFeatures({ virtualMachine: true });
  readonly #version = '3';
  probe = notAskedFor;
  launch = notAskedFor;
  snapshotKey(): Promise<string> {
    return Promise.resolve(`mine ${this.#version}`);
  }
  attach(record: MachineRecord): Promise<null> {
    return Promise.resolve(record.pid === Number(this.#version) ? null : null);
  }
}

const made = (...given: CreateDriver[]) => createAllDrivers(options, given);
const refused = (change: object, message: RegExp): void => {
  const create = (): VmmDriver => Object.assign(new Mine(), change);
  assert.throws(
    () => made(create),
    (error) => isNovaError(error, 'invalid_argument') && message.test(error.message),
  );
};

test('our own drivers come first, in the order of their names, and those that were given come last', async () => {
  let means: DriverMeans | undefined;
  const drivers = made((given) => {
    means = given;
    return new Mine();
  });
  assert.deepEqual([...drivers.keys()], [...ownHypervisors, 'mine']);
  for (const [name, driver] of drivers) assert.equal(driver.name, name);
  assert.deepEqual(Object.keys(means ?? {}).toSorted(), ['agentBinary', 'probeDirectory', 'probeGuest']);
  const mine = drivers.get('mine');
  assert.equal(await { ...mine }.snapshotKey?.('amd64'), 'mine 3');
});

test('a given driver whose name is none, or is taken, is refused', () => {
  for (const name of ['', 'Mine', 'mi ne', '../mine', '-mine', 'm'.repeat(65)]) refused({ name }, /^drivers\.name/);
  for (const name of ['auto', ...ownHypervisors]) refused({ name }, /is taken/);
  assert.throws(
    () =>
      made(
        () => new Mine(),
        () => new Mine(),
      ),
    /"mine" is taken/,
  );
});

test('a given driver that does not have what its features promise is refused', () => {
  refused({ features: driverFeatures({ restore: true }) }, /restore exactly when/);
  refused({ restore: notAskedFor }, /restore exactly when/);
  refused({ features: { pause: 'yes' } }, /drivers\.mine\.features/);
});
