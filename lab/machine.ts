import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { open } from 'node:fs/promises';
import { createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { NovaError } from '@novasandbox/protocol';
import {
  consoleLog,
  fileTail,
  findProgram,
  openSession,
  socketPath,
  vmmLog,
  type GuestAgent,
} from '@novasandbox/engine';
import type { Disk } from './disks.ts';

export interface MachineOptions {
  /** Folder of this run: logs, the socket, what is written to scratch disks. */
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
/** Emulated, on a machine that does other things as well: only a hang takes so long. */
const bootTimeoutMs = 180_000;
/** Translated code, MiB: the lab's, and that of the guests in it. */
const tcgCacheMb = 512;

/**
 * Boots the lab and resolves to a session with the agent in it. QEMU ends with `undo`, and with this process however that ends.
 * @throws NovaError `boot_failed` with the console's last words
 */
export async function bootMachine(undo: AsyncDisposableStack, options: MachineOptions): Promise<GuestAgent> {
  const { directory, signal } = options;
  if (findProgram(binary) === null) throw new NovaError('set_up_failed', `${binary} is not installed.`);
  // QEMU connects to us: nobody has to look whether its socket is there yet.
  const server = createServer();
  undo.defer(() => void server.close());
  const connected = Promise.withResolvers<Socket>();
  server.once('connection', connected.resolve);
  await once(server.listen(socketPath(directory, agentSocket)), 'listening');

  await using log = await open(join(directory, vmmLog), 'a', 0o600);
  const withUs = findProgram('setpriv') === null ? [] : ['setpriv', '--pdeathsig', 'KILL'];
  const [program = binary, ...rest] = [...withUs, binary, ...qemuArguments(options)];
  const child = spawn(program, rest, {
    cwd: directory,
    // What is written to scratch disks lies there, in files without a name.
    env: { PATH: process.env['PATH'] ?? '', TMPDIR: directory },
    stdio: ['ignore', log.fd, log.fd],
  });
  const ended = Promise.withResolvers<never>();
  ended.promise.catch(() => undefined);
  const gone = new Promise<void>((resolve) => child.once('close', () => resolve()));
  child.once('error', (error) => ended.reject(error));
  child.once('close', (code, name) => ended.reject(new Error(`QEMU ended with ${name ?? code}`)));
  undo.defer(async () => {
    child.kill('SIGKILL');
    if (child.pid !== undefined) await gone;
  });

  const aborted = new Promise<never>((_, reject) => {
    const abort = (): void => reject(new NovaError('cancelled', 'Cancelled while the lab was booting.'));
    signal?.addEventListener('abort', abort, { once: true });
    undo.defer(() => signal?.removeEventListener('abort', abort));
    if (signal?.aborted === true) abort();
  });
  aborted.catch(() => undefined);
  try {
    const stream = await Promise.race([connected.promise, ended.promise, aborted]);
    undo.defer(() => void stream.destroy());
    const session = openSession(stream, { flush: false, timeoutMs: bootTimeoutMs, signal });
    session.catch(() => undefined);
    return await Promise.race([session, ended.promise, aborted]);
  } catch (error) {
    if (signal?.aborted === true) throw new NovaError('cancelled', 'Cancelled while the lab was booting.');
    const said = [await fileTail(join(directory, consoleLog), 1500), await fileTail(join(directory, vmmLog), 500)];
    const reason = error instanceof Error ? error.message : String(error);
    throw new NovaError('boot_failed', `The lab did not boot: ${reason}\n${said.join('\n').trim()}`.trim(), {
      cause: error,
    });
  }
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
    ...['-chardev', `socket,id=agent,path=${escape(socketPath(directory, agentSocket))}`],
    ...['-device', 'virtserialport,bus=serial0.0,nr=1,chardev=agent,name=nova.0'],
    ...disks.flatMap(({ path, access }, index) => [
      '-drive',
      // Nothing of it has to survive the host.
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
