import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { createReadStream, existsSync, readFileSync, statSync } from 'node:fs';
import { once } from 'node:events';
import { chmod, cp, mkdir, readdir, rm, symlink } from 'node:fs/promises';
import { createServer } from 'node:net';
import { dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { after, test } from 'node:test';
import { isNovaError } from '@novasandbox/protocol';
import {
  consoleLog,
  fileTail,
  openSession,
  processesNaming,
  removeCgroup,
  socketPath,
  vmmLog,
  type Machine,
  type MachineRecord,
  type MachineSpec,
  type VmmDriver,
} from '@novasandbox/engine';
import { eventually } from '../support/eventually.ts';
import { assertNoLeaks } from '../support/leaks.ts';
import type { TestHome } from '../support/test-home.ts';

export interface DriverUnderTest {
  readonly name: string;
  readonly home: TestHome;
  readonly driver: VmmDriver;
  /** A guest that boots to its agent with only an initramfs, or its stand-in. */
  readonly guest: Pick<MachineSpec, 'architecture' | 'kernel' | 'initramfs' | 'kernelArguments'>;
  /**
   * Script that launches a machine of this driver in a process of its own and prints its record
   * (support/launch-machine.ts).
   */
  readonly launcher: readonly string[];
  /** Whether a stand-in replaces the VMM: its guests are the agent as a process. */
  readonly standIn?: boolean;
}

const memoryMb = 192;
/** A limit against hangs only. It is long, because in the lab ten guests boot on two emulated processors. */
const callTimeoutMs = 300_000;
let sequence = 0;

/** The content of every file of a folder, by its name. */
async function contents(directory: string): Promise<Record<string, string>> {
  const found: Record<string, string> = {};
  for (const name of (await readdir(directory)).toSorted()) {
    const hash = createHash('sha256');
    for await (const chunk of createReadStream(join(directory, name))) hash.update(chunk as Buffer);
    found[name] = hash.digest('hex');
  }
  return found;
}

/** The checks that every driver must pass, the same for all. */
export function driverSuite({ name, home, driver, guest, launcher, standIn = false }: DriverUnderTest): void {
  const { layout } = home;
  const made: MachineSpec[] = [];
  /** The agent is the first process of a real guest. */
  const inGuest = driver.features.virtualMachine && !standIn;
  const specOf = async (): Promise<MachineSpec> => {
    sequence += 1;
    const id = `conf${process.pid}x${sequence}`;
    const directory = layout.sandbox(id);
    await mkdir(directory, { recursive: true });
    await chmod(directory, 0o711);
    const spec: MachineSpec = {
      id,
      sequence,
      directory,
      socketDirectory: layout.sockets(id),
      memoryMb,
      vcpus: 1,
      ...guest,
      drives: [],
      network: { mode: 'none' },
      channels: 2,
    };
    made.push(spec);
    return spec;
  };
  const session = async (machine: Machine, channel = 0) =>
    openSession(await machine.connect(channel, {}), { flush: true, timeoutMs: callTimeoutMs });
  /** The caller removes the folder; everything else must have gone by itself. */
  const nothingLeft = async (spec: MachineSpec): Promise<void> => {
    assert.deepEqual(processesNaming(spec.socketDirectory), []);
    await rm(spec.directory, { recursive: true });
    await assertNoLeaks(layout);
  };
  /** Leftovers of a failed check must not fail those that follow. */
  const clear = async (): Promise<void> => {
    for (const { id, directory, socketDirectory } of made) {
      for (const { pid } of processesNaming(socketDirectory)) process.kill(pid, 'SIGKILL');
      await removeCgroup(id);
      for (const each of [directory, socketDirectory]) await rm(each, { recursive: true, force: true });
    }
  };
  /** The latest output of VMMs and guests of a failed check, which is removed with their folders. */
  const said = async (): Promise<string[]> => {
    const logs = made.flatMap(({ directory }) => [consoleLog, vmmLog].map((log) => join(directory, log)));
    const tails = await Promise.all(logs.map(async (log) => `${log}: ${(await fileTail(log, 1500)).trim()}`));
    return tails.filter((tail) => !tail.endsWith(': '));
  };
  const check = (what: string, body: () => Promise<void>): void =>
    void test(`${name}: ${what}`, { timeout: 600_000 }, async (context) => {
      made.length = 0;
      try {
        await body();
      } catch (error) {
        for (const tail of await said()) context.diagnostic(tail);
        await clear();
        throw error;
      }
    });

  after(() => home[Symbol.asyncDispose]());

  check('a machine is launched, answers on every channel, and is gone after stop', async () => {
    const spec = await specOf();
    const machine = await driver.launch(spec, {});
    assert.equal(machine.record.driver, driver.name);
    const first = await session(machine, 0);
    const second = await session(machine, 1);
    const [one, two] = await Promise.all([first.info(), second.info()]);
    assert.equal(one.bootId, two.bootId);
    assert.equal(inGuest, one.pid === 1);
    assert.ok((await machine.stats()).rssBytes > 0);
    await machine.stop();
    await machine.stop();
    await machine.exited;
    assert.ok((await first.closed) !== undefined);
    await nothingLeft(spec);
  });

  // vfkit itself chooses where its log begins (tests/wire/apple-vz.test.ts).
  if (driver.features.virtualMachine && driver.name !== 'apple-vz' && process.platform === 'linux') {
    check('what a guest writes to its console takes no more than 4 MiB, whoever is there to look', async () => {
      const spec = await specOf();
      await using machine = await driver.launch(spec, {});
      // The log begins at an offset from which the kernel lets the VMM write no more than that.
      const limits = readFileSync(`/proc/${machine.record.pid}/limits`, 'utf8');
      const limit = Number(/^Max file size\s+(\d+)/m.exec(limits)?.[1]);
      const { size } = statSync(join(spec.directory, consoleLog));
      assert.ok(limit - size <= 4 << 20, `${limit - size} bytes more are let through`);
      await machine.stop();
      await nothingLeft(spec);
    });
  }

  check(
    'links that a VMM has put in the place of its sockets are not followed, nor are they as they are removed',
    async () => {
      const spec = await specOf();
      const elsewhere = join(layout.home, 'elsewhere');
      await mkdir(elsewhere);
      let visits = 0;
      const server = createServer((visitor) => {
        visits++;
        visitor.destroy();
      });
      await once(server.listen(join(elsewhere, 'socket')), 'listening');
      try {
        await using machine = await driver.launch(spec, {});
        const folder = dirname(socketPath(spec.socketDirectory, 'any'));
        for (const name of await readdir(folder)) {
          await rm(join(folder, name));
          await symlink(join(elsewhere, 'socket'), join(folder, name));
        }
        await symlink(elsewhere, join(folder, 'folder'));
        const exchanged = (error: unknown): boolean => isNovaError(error, 'vmm_failed');
        await assert.rejects(machine.connect(0, { signal: AbortSignal.timeout(30_000) }), exchanged);
        if (machine.pause !== undefined) await assert.rejects(machine.pause({}), exchanged);
        await machine.stop();
        assert.equal(visits, 0);
        assert.deepEqual(await readdir(elsewhere), ['socket']);
      } finally {
        server.close();
        await rm(elsewhere, { recursive: true });
      }
      await nothingLeft(spec);
    },
  );

  check('each feature is there exactly when its method is', async () => {
    const spec = await specOf();
    await using machine = await driver.launch(spec, {});
    assert.equal(machine.pause !== undefined, driver.features.pause);
    assert.equal(machine.resume !== undefined, driver.features.pause);
    assert.equal(machine.snapshot !== undefined, driver.features.snapshot);
    assert.equal(driver.restore !== undefined, driver.features.restore);
    assert.equal(machine.resize !== undefined, driver.features.resize);
    assert.equal(machine.setBalloon !== undefined, driver.features.balloon);
    assert.equal(machine.growDrive !== undefined, driver.features.growDrives);
    assert.equal(machine.addDrive !== undefined, driver.features.hotplug);
    assert.equal(machine.removeDevice !== undefined, driver.features.hotplug);
    assert.equal(machine.addNetwork !== undefined, driver.features.hotplug);
    assert.equal(machine.removeNetwork !== undefined, driver.features.hotplug);
    await machine.stop();
    await nothingLeft(spec);
  });

  check('an abort at any moment of the launch leaves nothing', async () => {
    for (const afterMs of [0, 1, 3, 10, 25, 50, 100, 200]) {
      const spec = await specOf();
      const controller = new AbortController();
      const launching = driver.launch(spec, { signal: controller.signal });
      const outcome = launching.then(
        (machine) => machine,
        (error: unknown) => error,
      );
      if (afterMs > 0) await delay(afterMs);
      controller.abort();
      const result = await outcome;
      // The caller has to act on an abort after the launch.
      if (result instanceof Error) assert.ok(isNovaError(result, 'cancelled'), String(result));
      else await (result as Machine).stop();
      await nothingLeft(spec);
    }
  });

  check('an abort before the launch starts nothing', async () => {
    const spec = await specOf();
    await assert.rejects(driver.launch(spec, { signal: AbortSignal.abort() }), (error) =>
      isNovaError(error, 'cancelled'),
    );
    await nothingLeft(spec);
  });

  check('a process that dies is noticed, and what it held is given back', async () => {
    const spec = await specOf();
    const machine = await driver.launch(spec, {});
    const agent = await session(machine);
    process.kill(machine.record.pid, 'SIGKILL');
    await machine.exited;
    await agent.closed;
    await assert.rejects(agent.ping(), (error) => isNovaError(error, 'guest_unreachable'));
    await machine.stop();
    await nothingLeft(spec);
  });

  check('a machine outlives the process that launched it and is attached again', async () => {
    const spec = await specOf();
    const child = spawn(process.execPath, [...launcher, JSON.stringify(spec)], {
      stdio: ['ignore', 'pipe', 'inherit'],
      env: home.env,
    });
    let printed = '';
    for await (const chunk of child.stdout) {
      printed += String(chunk);
      if (printed.endsWith('\n')) break;
    }
    child.kill('SIGKILL');
    const record = JSON.parse(printed) as MachineRecord;
    const machine = await driver.attach(record);
    assert.ok(machine !== null);
    const agent = await session(machine);
    assert.equal((await agent.info()).pid === 1, inGuest);
    await machine.stop();
    assert.equal(await driver.attach(record), null);
    await nothingLeft(spec);
  });

  check('ten machines are launched at once', async () => {
    const specs = await Promise.all(Array.from({ length: 10 }, specOf));
    const machines = await Promise.all(specs.map((spec) => driver.launch(spec, {})));
    const agents = await Promise.all(machines.map((machine) => session(machine)));
    await Promise.all(agents.map((agent) => agent.ping({ timeoutMs: callTimeoutMs })));
    await Promise.all(machines.map((machine) => machine.stop()));
    await Promise.all(specs.map((spec) => rm(spec.directory, { recursive: true })));
    await assertNoLeaks(layout);
  });

  if (driver.features.pause) {
    check('pause and resume are idempotent, and a paused guest stands still', async () => {
      const spec = await specOf();
      await using machine = await driver.launch(spec, {});
      const agent = await session(machine);
      await machine.pause?.({});
      await machine.pause?.({});
      await assert.rejects(agent.ping({ timeoutMs: 300 }), (error) => isNovaError(error, 'guest_unreachable'));
      const before = await machine.stats();
      await delay(300);
      assert.ok((await machine.stats()).cpuUs - before.cpuUs <= 20_000);
      await machine.resume?.({});
      await machine.resume?.({});
      await (await session(machine, 1)).ping();
      await machine.stop();
      await nothingLeft(spec);
    });
  }

  if (driver.features.virtualMachine) {
    check('a bad configuration is refused with the reason, and nothing is left', async () => {
      for (const change of [{ kernel: '/nonexistent/vmlinux' }, { memoryMb: 1 << 30 }, { vcpus: 100_000 }]) {
        const spec = { ...(await specOf()), ...change };
        await assert.rejects(
          driver.launch(spec, {}),
          (error) => isNovaError(error, 'vmm_failed') && error.message.length > 20,
        );
        await nothingLeft(spec);
      }
    });
  }

  if (driver.features.balloon && inGuest) {
    check('memory is taken back from a guest and returned', async () => {
      const spec = await specOf();
      await using machine = await driver.launch(spec, {});
      const agent = await session(machine);
      const available = async (): Promise<number> =>
        (await agent.metrics({ timeoutMs: callTimeoutMs })).memAvailableBytes;
      const before = await available();
      await machine.setBalloon?.(64, {});
      await eventually('the guest has less', async () => before - (await available()) > 48 << 20, callTimeoutMs);
      await machine.setBalloon?.(0, {});
      await eventually('the guest has it again', async () => before - (await available()) < 16 << 20, callTimeoutMs);
      await machine.stop();
      await nothingLeft(spec);
    });
  }

  if (driver.features.restore) {
    check('clones of a snapshot run side by side and never change it', async () => {
      const spec = await specOf();
      const directory = join(spec.directory, 'snapshot');
      await mkdir(directory);
      const original = await driver.launch(spec, { snapshotTo: directory });
      const agent = await session(original);
      const { bootId } = await agent.info();
      await agent.quiesce({ dropCaches: false, trim: false });
      await agent.close();
      const snapshot = await original.snapshot?.(directory, {});
      assert.ok(snapshot !== undefined);
      await original.stop();
      const before = await contents(directory);

      const specs = [await specOf(), await specOf()];
      const clones: Machine[] = [];
      for (const each of specs) {
        const clone = await driver.restore?.(each, snapshot, {});
        assert.ok(clone !== undefined);
        clones.push(clone);
      }
      for (const clone of clones) {
        const there = await session(clone);
        assert.equal((await there.info()).bootId, bootId);
      }
      await Promise.all(clones.map((clone) => clone.stop()));
      assert.deepEqual(await contents(directory), before);
      for (const each of specs) await rm(each.directory, { recursive: true });
      await nothingLeft(spec);
    });

    if (driver.features.liveSnapshot) {
      check('a snapshot of any machine leaves it as it was, running or paused', async () => {
        const spec = await specOf();
        const [first, second] = [join(spec.directory, 'first'), join(spec.directory, 'second')];
        for (const directory of [first, second]) await mkdir(directory);
        await using machine = await driver.launch(spec, {});
        const before = await session(machine);
        await before.ping({ timeoutMs: callTimeoutMs });
        await machine.snapshot?.(first, {});
        // Sessions may have been reset, so there is a new one.
        await before.close();
        const agent = await session(machine);
        await agent.ping({ timeoutMs: callTimeoutMs });
        await machine.pause?.({});
        await machine.snapshot?.(second, {});
        await assert.rejects(agent.ping({ timeoutMs: 300 }), (error) => isNovaError(error, 'guest_unreachable'));
        await machine.resume?.({});
        await agent.close();
        await (await session(machine)).ping({ timeoutMs: callTimeoutMs });
        await machine.stop();
        await nothingLeft(spec);
      });

      if (inGuest) {
        check('children of a snapshot of a running clone go on from that instant, and so do theirs', async () => {
          const spec = await specOf();
          const template = join(spec.directory, 'template');
          await mkdir(template);
          const original = await driver.launch(spec, { snapshotTo: template });
          const first = await session(original);
          await first.quiesce({ dropCaches: false, trim: false });
          await first.close();
          let snapshot = await original.snapshot?.(template, {});
          await original.stop();
          assert.ok(snapshot !== undefined);
          // A clone of the template, a child of it, and a child of that: each adds a change of its own, and has all
          // earlier ones.
          let hostname: string | undefined;
          const folders: string[] = [];
          for (const generation of ['clone', 'child', 'grandchild']) {
            const own = await specOf();
            folders.push(own.directory);
            const directory = join(own.directory, 'snapshot');
            await mkdir(directory);
            await using machine: Machine | undefined = await driver.restore?.(own, snapshot, {});
            assert.ok(machine !== undefined);
            const agent = await session(machine);
            if (hostname !== undefined) assert.equal((await agent.info()).hostname, hostname);
            await agent.configure({ hostname: generation });
            hostname = generation;
            snapshot = await machine.snapshot?.(directory, {});
            assert.ok(snapshot !== undefined);
            // Later changes are not part of the snapshot.
            await agent.configure({ hostname: 'later' });
            assert.equal((await agent.info()).hostname, 'later');
            await machine.stop();
          }
          for (const folder of folders) await rm(folder, { recursive: true });
          await nothingLeft(spec);
        });
      }
    }

    if (driver.features.diffSnapshot && inGuest) {
      check('a diff over the copy of a snapshot is the machine as it is now', async () => {
        const spec = await specOf();
        const [first, second] = [join(spec.directory, 'first'), join(spec.directory, 'second')];
        await mkdir(first);
        await using machine = await driver.launch(spec, {});
        await session(machine);
        await machine.snapshot?.(first, {});
        await cp(first, second, { recursive: true });
        const before = await contents(first);
        await (await session(machine)).configure({ hostname: 'later' });
        await machine.snapshot?.(second, { kind: 'diff' });
        await machine.stop();
        assert.deepEqual(await contents(first), before);
        const hostnames: string[] = [];
        for (const directory of [first, second]) {
          const own = await specOf();
          await using clone = await driver.restore?.(own, { directory }, {});
          assert.ok(clone !== undefined);
          hostnames.push((await (await session(clone)).info()).hostname);
          await clone.stop();
          await rm(own.directory, { recursive: true });
        }
        assert.notEqual(hostnames[0], 'later');
        assert.equal(hostnames[1], 'later');
        await nothingLeft(spec);
      });
    }

    check('a damaged snapshot is refused with the reason, and nothing is left', async () => {
      const spec = await specOf();
      const directory = join(spec.directory, 'snapshot');
      await mkdir(directory);
      await assert.rejects(async () => driver.restore?.(spec, { directory }, {}));
      assert.ok(!existsSync(spec.socketDirectory));
      await nothingLeft(spec);
    });
  }
}
