import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { open } from 'node:fs/promises';
import { createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { isNovaError, NovaError } from '@novasandbox/protocol';
import { bindable, consoleLog, fileTail, findProgram, openSession, vmmLog, type GuestAgent } from '@novasandbox/engine';
import type { Disk } from './disks.ts';

export interface MachineOptions {
  /** Folder of this run, for logs, the socket, and writes to scratch disks. */
  readonly directory: string;
  readonly kernel: string;
  readonly initramfs: string;
  readonly disks: readonly Disk[];
  readonly memoryMb: number;
  readonly vcpus: number;
  readonly signal?: AbortSignal | undefined;
}

const binary = 'qemu-system-x86_64';
const agentSocket = 'agent';
/** The machine is emulated on a host that may be busy, so only a hang takes this long. */
const bootTimeoutMs = 180_000;
/** A process that closes its sockets because it is ending has ended within this time. */
const endsWithinMs = 5000;
/** Size in MiB of the cache of translated code, for the lab and the guests in it. */
const tcgCacheMb = 512;

export interface LabMachine {
  /** Session with the lab's agent. */
  readonly agent: GuestAgent;
  /**
   * Returns the error to throw after a call of the agent has thrown `error`. If the machine has ended, it says so, with
   * the last lines of the logs.
   */
  readonly explain: (error: unknown) => Promise<unknown>;
}

/**
 * Boots the lab and resolves once its agent answers. QEMU ends with `undo`, and with this process however that ends.
 * @throws NovaError `boot_failed` with the last lines of the console
 */
export async function bootMachine(undo: AsyncDisposableStack, options: MachineOptions): Promise<LabMachine> {
  const { directory, signal } = options;
  if (findProgram(binary) === null) throw new NovaError('set_up_failed', `${binary} is not installed.`);
  // QEMU connects to this process, so there is no need to poll for its socket.
  const server = createServer();
  undo.defer(() => void server.close());
  const connected = Promise.withResolvers<Socket>();
  server.once('connection', connected.resolve);
  await once(server.listen(bindable(join(directory, agentSocket))), 'listening');

  await using log = await open(join(directory, vmmLog), 'a', 0o600);
  const withUs = findProgram('setpriv') === null ? [] : ['setpriv', '--pdeathsig', 'KILL'];
  const [program = binary, ...rest] = [...withUs, binary, ...qemuArguments(options)];
  const child = spawn(program, rest, {
    cwd: directory,
    // QEMU puts writes to scratch disks there, in files without a name.
    env: { PATH: process.env['PATH'] ?? '', TMPDIR: directory },
    stdio: ['ignore', log.fd, log.fd],
  });
  const gone = Promise.withResolvers<string>();
  child.once('error', (error) => gone.resolve(error.message));
  child.once('close', (code, name) => gone.resolve(`QEMU ended with ${name ?? code}`));
  undo.defer(async () => {
    child.kill('SIGKILL');
    await gone.promise;
  });
  const ended = gone.promise.then((how) => Promise.reject(new Error(how)));
  ended.catch(() => undefined);

  const aborted = new Promise<never>((_, reject) => {
    const abort = (): void => reject(new NovaError('cancelled', 'Cancelled while the lab was booting.'));
    signal?.addEventListener('abort', abort, { once: true });
    undo.defer(() => signal?.removeEventListener('abort', abort));
    if (signal?.aborted === true) abort();
  });
  aborted.catch(() => undefined);
  try {
    const stream = await Promise.race([connected.promise, ended, aborted]);
    undo.defer(() => void stream.destroy());
    const session = openSession(stream, { flush: false, timeoutMs: bootTimeoutMs, signal });
    session.catch(() => undefined);
    return {
      agent: await Promise.race([session, ended, aborted]),
      explain: async (error) => {
        if (!isNovaError(error, 'guest_unreachable')) return error;
        const how = await Promise.race([gone.promise, delay(endsWithinMs, 'QEMU is still running', { ref: false })]);
        return new NovaError('guest_unreachable', `The lab is lost: ${how}\n${await lastWords(directory)}`.trim(), {
          hint: "Run it again, with a newer QEMU in the PATH: its emulation of AMD's SVM has been seen to end so.",
          cause: error,
        });
      },
    };
  } catch (error) {
    if (signal?.aborted === true) throw new NovaError('cancelled', 'Cancelled while the lab was booting.');
    const reason = error instanceof Error ? error.message : String(error);
    throw new NovaError('boot_failed', `The lab did not boot: ${reason}\n${await lastWords(directory)}`.trim(), {
      cause: error,
    });
  }
}

/** The last lines of the guest's console and of QEMU's log. */
async function lastWords(directory: string): Promise<string> {
  return `${await fileTail(join(directory, consoleLog), 1500)}\n${await fileTail(join(directory, vmmLog), 500)}`.trim();
}

function qemuArguments({ directory, kernel, initramfs, disks, memoryMb, vcpus }: MachineOptions): string[] {
  const escape = (value: string): string => value.replaceAll(',', ',,');
  return [
    ...['-name', 'nova-lab', '-machine', 'q35', '-cpu', 'EPYC,+svm,+npt'],
    ...['-accel', `tcg,thread=multi,tb-size=${tcgCacheMb}`, '-smp', `${vcpus}`, '-m', `${memoryMb}M`],
    ...['-nodefaults', '-no-user-config', '-display', 'none', '-no-reboot'],
    ...['-kernel', kernel, '-initrd', initramfs, '-append', commandLine(disks)],
    ...['-chardev', `file,id=console,path=${escape(join(directory, consoleLog))}`, '-serial', 'chardev:console'],
    ...['-device', 'virtio-rng-pci', '-device', 'virtio-serial-pci,id=serial0'],
    ...['-chardev', `socket,id=agent,path=${escape(bindable(join(directory, agentSocket)))}`],
    ...['-device', 'virtserialport,bus=serial0.0,nr=1,chardev=agent,name=nova.0'],
    ...disks.flatMap(({ path, access }, index) => [
      '-drive',
      // The disks need not survive a crash of the host.
      `id=disk${index},file=${escape(path)},format=raw,if=none,cache=unsafe,${how[access]}`,
      '-device',
      `virtio-blk-pci,drive=disk${index}`,
    ]),
  ];
}

const how = { read: 'read-only=on', write: 'discard=unmap', scratch: 'snapshot=on' } as const;

function commandLine(disks: readonly Disk[]): string {
  const drives = disks.flatMap(({ mountPoint, access }, index) =>
    mountPoint === null ? [] : [`nova.drive=${device(index)}:${mountPoint}:ext4:${access === 'read' ? 'ro' : 'rw'}`],
  );
  return [
    ...['console=ttyS0', 'quiet', 'loglevel=5', 'reboot=t', 'panic=-1', 'random.trust_cpu=on', 'mitigations=off'],
    ...['nova.channel=serial', `nova.root=${device(0)}`, `nova.write=${device(1)}`],
    ...drives,
  ].join(' ');
}

const device = (index: number): string => `vd${String.fromCodePoint(97 + index)}`;
