import { appendFile } from 'node:fs/promises';
import { parse, sandboxConfigSchema } from '@novasandbox/protocol';
import { CommandFailure } from '../programs/command.ts';
import type { EngineContext } from '../context.ts';
import type { GuestAgent, GuestIdentity } from '../ports/guest-agent.ts';
import type { GuestWork, ImageOptions } from '../ports/image-source.ts';
import type { Machine, MachineSpec } from '../ports/vmm-driver.ts';
import { bringUp } from '../guest/bring-up.ts';
import { uniqueIdentity } from '../guest/identity.ts';
import { chooseDriver } from '../guest/choose-driver.ts';
import { makeWorkPlace } from '../guest/work-place.ts';
import { giveFile } from '../vmm/ownership.ts';
import { waitForEnd } from '../vmm/terminate.ts';

const memoryMb = 1024;
/** Scripts run one program at a time. */
const vcpus = 1;
const bootTimeoutMs = 120_000;
/** Setting up the packages of a large template takes minutes when emulated. */
const workTimeoutMs = 3_600_000;
const powerOffMs = 60_000;
/** The most that a script may print. A list of packages is far smaller. */
const largestOutput = 1 << 20;
const largestLine = 1 << 16;

/** Boots a guest that lives for one script. Only what it wrote to its target is left. */
export async function runInGuest(context: EngineContext, work: GuestWork, options: ImageOptions): Promise<string> {
  const { template, system, target, directory } = work;
  const { signal } = options;
  const { architecture } = template;
  const config = parse(sandboxConfigSchema, { architecture, enableNetwork: false }, 'config');
  const { driver } = await chooseDriver(context, { ...config, vcpus }, options);
  const { kernel, initramfs } = await context.images.boot(template, options);

  await using undo = new AsyncDisposableStack();
  const place = undo.use(await makeWorkPlace(context.layout, 'root', directory));
  undo.defer(() => giveFile(target, process.getuid?.() ?? 0, process.getgid?.() ?? 0));
  const spec: MachineSpec = {
    id: place.id,
    sequence: 0,
    directory,
    socketDirectory: place.socketDirectory,
    architecture,
    memoryMb,
    vcpus,
    kernel: kernel.path,
    initramfs: initramfs.path,
    kernelArguments: [
      'nova.root=vda',
      'nova.write=tmpfs',
      'nova.drive=vdb:/mnt:ext4:rw',
      // The guest ends by itself if this process is killed.
      `nova.deadline=${workTimeoutMs}`,
      // Scripts start program after program. At the same addresses, QEMU can reuse code that it has translated already.
      'norandmaps',
    ],
    drives: [
      { path: system, readOnly: true, foreign: false },
      { path: target, readOnly: false, foreign: false },
    ],
    network: { mode: 'none' },
    channels: 1,
  };
  const identity = (): GuestIdentity => uniqueIdentity('builder');
  const { agent, machine } = undo.use(await bringUp(context, { driver, spec, bootTimeoutMs, identity, signal }));
  const output = await run(agent, work, signal);
  await powerOff(agent, machine);
  return output;
}

async function run(agent: GuestAgent, { script, log, onLine }: GuestWork, signal?: AbortSignal): Promise<string> {
  const attached = await agent.exec(
    // Root by its number, because an unpacked tree has no accounts yet.
    { argv: ['/bin/sh', '-c', script, 'sh', '/mnt'], user: '0', cwd: '/', timeoutMs: workTimeoutMs },
    { signal },
  );
  await using _ = attached;
  const onAbort = (): void => void agent.close();
  signal?.addEventListener('abort', onAbort, { once: true });
  try {
    const decoders = { stdout: new TextDecoder(), stderr: new TextDecoder(), pty: new TextDecoder() };
    let output = '';
    let line = '';
    let last = '';
    for await (const { channel, bytes } of attached.output) {
      const text = decoders[channel].decode(bytes, { stream: true });
      if (channel === 'stdout') {
        output += text;
        if (output.length > largestOutput) throw new CommandFailure('sh', null, 'it prints too much');
        continue;
      }
      await appendFile(log, text);
      const lines = `${line}${text}`.split('\n');
      line = (lines.pop() ?? '').slice(-largestLine);
      for (const each of lines) onLine(each);
      last = lines.findLast((each) => each.trim() !== '') ?? last;
    }
    const exit = await attached.exit;
    if (exit.exitCode !== 0) throw new CommandFailure('sh', exit.exitCode, last);
    return output;
  } catch (error) {
    signal?.throwIfAborted();
    throw error;
  } finally {
    signal?.removeEventListener('abort', onAbort);
  }
}

/** Tells the guest to write out and unmount its disks and to power off. */
async function powerOff(agent: GuestAgent, machine: Machine): Promise<void> {
  await agent.shutdown(1000, { timeoutMs: 10_000 });
  if (!(await waitForEnd(machine.record, powerOffMs)))
    throw new CommandFailure('poweroff', null, 'the guest did not power off');
}
