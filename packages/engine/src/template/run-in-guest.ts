import { randomBytes } from 'node:crypto';
import { appendFile, mkdir } from 'node:fs/promises';
import { parse, sandboxConfigSchema } from '@novasandbox/protocol';
import { CommandFailure } from '../images/command.ts';
import type { EngineContext } from '../context.ts';
import type { GuestAgent } from '../ports/guest-agent.ts';
import type { GuestWork, ImageOptions } from '../ports/image-source.ts';
import type { Machine, MachineSpec } from '../ports/vmm-driver.ts';
import { firstAnswer } from '../sandbox/first-answer.ts';
import { uniqueIdentity } from '../sandbox/identity.ts';
import { chooseDriver } from '../sandbox/choose-driver.ts';
import { startMachine } from '../sandbox/start-machine.ts';
import { giveFile } from '../vmm/ownership.ts';
import { removeFolder } from '../vmm/remove-folder.ts';
import { waitForEnd } from '../vmm/terminate.ts';
import { noteUnfinished } from '../vmm/unfinished.ts';

const memoryMb = 1024;
/** Scripts run one after the other. */
const vcpus = 1;
const bootTimeoutMs = 120_000;
/** Setting up what a large template names, emulated, takes minutes. */
const workTimeoutMs = 3_600_000;
const powerOffMs = 60_000;
/** Of what the script prints; a list of packages is far smaller. */
const largestOutput = 1 << 20;
const largestLine = 1 << 16;

/** Boots a guest that lives for one script. Nothing is left of it but what it wrote to its target. */
export async function runInGuest(context: EngineContext, work: GuestWork, options: ImageOptions): Promise<string> {
  const { template, system, target, directory } = work;
  const { signal } = options;
  const { architecture } = template;
  const config = parse(sandboxConfigSchema, { architecture, enableNetwork: false }, 'config');
  const { driver } = await chooseDriver(context, { ...config, vcpus }, options);
  const { kernel, initramfs } = await context.images.boot(template, options);

  await using undo = new AsyncDisposableStack();
  const id = `root${randomBytes(10).toString('hex')}`;
  const socketDirectory = context.layout.sockets(id);
  undo.use(noteUnfinished(context.layout.making, { id, socketDirectory, folders: [directory] }));
  await mkdir(directory, { mode: 0o700 });
  undo.defer(() => removeFolder(directory));
  undo.defer(() => giveFile(target, process.getuid?.() ?? 0, process.getgid?.() ?? 0));
  const spec: MachineSpec = {
    id,
    sequence: 0,
    directory,
    socketDirectory,
    architecture,
    memoryMb,
    vcpus,
    kernel: kernel.path,
    initramfs: initramfs.path,
    kernelArguments: [
      'nova.root=vda',
      'nova.write=tmpfs',
      'nova.drive=vdb:/mnt:ext4:rw',
      // It ends by itself where this process is killed.
      `nova.deadline=${workTimeoutMs}`,
      // Scripts start program after program: at the same addresses again, QEMU has their code translated already.
      'norandmaps',
    ],
    drives: [
      { path: system, readOnly: true, foreign: false },
      { path: target, readOnly: false, foreign: false },
    ],
    network: { mode: 'none' },
    channels: 1,
  };
  const machine = await startMachine(bootTimeoutMs, signal, (within) => driver.launch(spec, { signal: within }));
  undo.use(machine);
  const { agent, channel } = await firstAnswer(context, driver, machine, {
    signal,
    timeoutMs: bootTimeoutMs,
    flush: false,
  });
  undo.defer(() => context.store.releaseLease(id, channel));
  undo.use(agent);
  await agent.configure(uniqueIdentity('builder'), { signal });
  const output = await run(agent, work, signal);
  await powerOff(agent, machine);
  return output;
}

async function run(agent: GuestAgent, { script, log, onLine }: GuestWork, signal?: AbortSignal): Promise<string> {
  const attached = await agent.exec(
    // By number: an unpacked tree has no accounts yet.
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

/** The guest writes and unmounts its disks before it goes. */
async function powerOff(agent: GuestAgent, machine: Machine): Promise<void> {
  await agent.shutdown(1000, { timeoutMs: 10_000 });
  if (!(await waitForEnd(machine.record, powerOffMs)))
    throw new CommandFailure('poweroff', null, 'the guest did not power off');
}
