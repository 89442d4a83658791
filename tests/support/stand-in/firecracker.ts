import {
  accessSync,
  closeSync,
  constants,
  existsSync,
  ftruncateSync,
  openSync,
  readFileSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { serveApi, type Answer } from './api-server.ts';
import { bodies } from './firecracker-schema.ts';
import { Guest } from './guest.ts';
import { whatIsWrong } from './schema.ts';

/**
 * Stands in for Firecracker at the wire: the part of its command line that we use, its API with its order of calls and
 * its refusals, and the files it reads and writes. The agent runs in place of a guest. It is no VMM, and a test that
 * passes on it proves nothing about one. It reports the version in the file `version` beside it.
 */
const agentBinary = join(import.meta.dirname, 'nova-agent');
const version = readFileSync(join(import.meta.dirname, 'version'), 'utf8');
const { values: options } = parseArgs({
  options: {
    version: { type: 'boolean' },
    id: { type: 'string' },
    'api-sock': { type: 'string' },
    'log-path': { type: 'string' },
    level: { type: 'string' },
  },
});
if (options.version === true) {
  process.stdout.write(`Firecracker v${version}\n\n`);
  process.exit(0);
}

/**
 * From that version on vsock continues after a pause. Before, it waits for the guest to process a reset that nobody has
 * sent.
 */
const pauseKeepsVsock = !version.startsWith('1.16.');
/** The largest address space that the kernel gives a process, MiB. */
const mappableMib = 2 ** 27;

interface Drive {
  drive_id: string;
  path_on_host?: string;
  is_read_only?: boolean;
  rate_limiter?: unknown;
}
interface NetworkInterface {
  iface_id: string;
  host_dev_name: string;
  rx_rate_limiter?: unknown;
  tx_rate_limiter?: unknown;
}
interface BootSource {
  kernel_image_path: string;
  initrd_path?: string;
}
interface Config {
  'machine-config': { vcpu_count: number; mem_size_mib: number };
  'boot-source'?: BootSource;
  drives: Drive[];
  'network-interfaces': NetworkInterface[];
  vsock?: { uds_path: string };
  balloon?: { amount_mib: number };
  entropy?: unknown;
}

class Refusal extends Error {}
const refuse = (message: string): never => {
  throw new Refusal(message);
};

let config: Config = {
  'machine-config': { vcpu_count: 1, mem_size_mib: 128 },
  drives: [],
  'network-interfaces': [],
};
/** Whether something was configured that makes it a machine to be booted. */
let bootPath = false;
let guest: Guest | null = null;
let state: 'Not started' | 'Running' | 'Paused' = 'Not started';
/** Whether a reset of the vsock device was announced since the machine was paused. */
let resetAnnounced = false;

function open(path: string, write: boolean, what: string): void {
  try {
    accessSync(path, write ? constants.R_OK | constants.W_OK : constants.R_OK);
  } catch (error) {
    refuse(`${what}: ${String(error)} ${path}`);
  }
}

async function boot(): Promise<void> {
  const { vsock } = config;
  if (vsock === undefined) return refuse('the stand-in has no guest without vsock');
  if (existsSync(vsock.uds_path)) refuse('Vsock config error: Cannot create backend: Address in use (os error 98)');
  guest = await Guest.boot(agentBinary, vsock.uds_path);
  // Written to its console, as the guest itself would do.
  process.stdout.write('nova-agent: ready\n');
  void guest.ended.then(() => process.exit(0));
}

const running = (): Guest => guest ?? refuse('The requested operation is not supported before starting the microVM.');

function replaced<T>(all: readonly T[], isSame: (each: T) => boolean, next: T): T[] {
  return [...all.filter((each) => !isSame(each)), next];
}

const before: Readonly<Record<string, (body: never) => unknown>> = {
  'PUT /serial': () => undefined,
  'PUT /machine-config': (wanted: Config['machine-config']) => {
    if (wanted.vcpu_count < 1 || wanted.vcpu_count > 32)
      refuse('The number of vCPUs must be greater than 0, less than 32 and must be 1 or an even number if SMT is on.');
    if (wanted.mem_size_mib === 0) refuse('The memory size (MiB) is invalid.');
    config['machine-config'] = wanted;
  },
  'PUT /boot-source': (source: BootSource) => {
    open(source.kernel_image_path, false, 'Boot source error: The kernel file cannot be opened');
    if (source.initrd_path !== undefined) open(source.initrd_path, false, 'The initrd file cannot be opened');
    config['boot-source'] = source;
  },
  'PUT /drives/*': (drive: Drive) => {
    open(drive.path_on_host ?? refuse('no path'), drive.is_read_only !== true, 'Drive config error: Unable to open');
    config.drives = replaced(config.drives, (each) => each.drive_id === drive.drive_id, drive);
  },
  'PUT /network-interfaces/*': (network: NetworkInterface) => {
    const { iface_id: id } = network;
    config['network-interfaces'] = replaced(config['network-interfaces'], (each) => each.iface_id === id, network);
  },
  'PUT /vsock': (vsock: { uds_path: string }) => {
    if (existsSync(vsock.uds_path)) refuse('Vsock config error: Cannot create backend: Address in use (os error 98)');
    config.vsock = vsock;
  },
  'PUT /entropy': (entropy: unknown) => {
    config.entropy = entropy;
  },
  'PUT /balloon': (balloon: { amount_mib: number }) => {
    if (balloon.amount_mib > config['machine-config'].mem_size_mib) refuse('Amount of pages requested is too large.');
    config.balloon = balloon;
  },
  'PUT /actions': async ({ action_type: action }: { action_type: string }) => {
    if (action !== 'InstanceStart') return refuse('The requested operation is not supported before starting.');
    if (config['boot-source'] === undefined)
      return refuse('Start microvm error: Cannot start microvm without kernel configuration.');
    if (config['machine-config'].mem_size_mib > mappableMib)
      return refuse('Start microvm error: Cannot create guest memory: Cannot allocate memory (os error 12)');
    await boot();
    state = 'Running';
  },
  'PUT /snapshot/load': async (how: {
    snapshot_path: string;
    mem_backend?: { backend_type: string; backend_path: string };
    vsock_override?: { uds_path: string };
    network_overrides?: { iface_id: string; host_dev_name: string }[];
    resume_vm?: boolean;
  }) => {
    if (bootPath) refuse('Loading a microVM snapshot not allowed after configuring boot-specific resources.');
    try {
      if (how.mem_backend?.backend_type !== 'File') return refuse('the stand-in loads memory from files alone');
      const saved = JSON.parse(readFileSync(how.snapshot_path, 'utf8')) as Config;
      const { size } = statSync(how.mem_backend.backend_path);
      if (size !== saved['machine-config'].mem_size_mib * 2 ** 20) refuse('The memory file has another size.');
      open(how.mem_backend.backend_path, false, 'Failed to load guest memory');
      for (const drive of saved.drives) open(drive.path_on_host ?? '', drive.is_read_only !== true, 'Block');
      if (how.vsock_override !== undefined && saved.vsock !== undefined) saved.vsock = how.vsock_override;
      for (const { iface_id: id, host_dev_name: tap } of how.network_overrides ?? []) {
        const network = saved['network-interfaces'].find((each) => each.iface_id === id);
        if (network === undefined) return refuse('Unknown Network Device.');
        network.host_dev_name = tap;
      }
      config = saved;
      await boot();
      state = 'Paused';
      // The snapshot announced the reset.
      resetAnnounced = true;
      if (how.resume_vm === true) resume();
      else running().pause();
    } catch (error) {
      // No other request is possible any more: the process ends once it has answered.
      setTimeout(() => process.exit(1), 5);
      throw new Refusal(`Load snapshot error: Failed to restore from snapshot: ${String(error)}`);
    }
  },
};

function resume(): void {
  // Without the reset nothing reaches the guest any more.
  if (state === 'Paused' && (resetAnnounced || pauseKeepsVsock)) running().resume();
  resetAnnounced = false;
  state = 'Running';
}

const after: Readonly<Record<string, (body: never) => unknown>> = {
  'PATCH /vm': ({ state: wanted }: { state: string }) => {
    if (wanted === 'Resumed') return resume();
    running().pause();
    state = 'Paused';
  },
  'PUT /snapshot/create': (how: { snapshot_path: string; mem_file_path: string; snapshot_type?: string }) => {
    if (state !== 'Paused') refuse('Create snapshot error: Cannot save the microVM state: Operation not allowed');
    resetAnnounced = true;
    try {
      writeFileSync(how.snapshot_path, JSON.stringify(config));
    } catch (error) {
      refuse(`Create snapshot error: Cannot perform open on the snapshot backing file: ${String(error)}`);
    }
    const file = openSync(how.mem_file_path, constants.O_WRONLY | constants.O_CREAT, 0o644);
    ftruncateSync(file, config['machine-config'].mem_size_mib * 2 ** 20);
    closeSync(file);
  },
  'PATCH /drives/*': (change: Drive) => {
    const drive = config.drives.find((each) => each.drive_id === change.drive_id);
    if (drive === undefined) return refuse('Drive config error: Device not found');
    Object.assign(drive, change);
  },
  'PATCH /network-interfaces/*': (change: NetworkInterface) => {
    const network = config['network-interfaces'].find((each) => each.iface_id === change.iface_id);
    if (network === undefined) return refuse('Network config error: Device not found');
    Object.assign(network, change);
  },
  'PATCH /balloon': ({ amount_mib: amount }: { amount_mib: number }) => {
    const { balloon } = config;
    if (balloon === undefined) return refuse('Balloon update error: Device not found');
    if (amount > config['machine-config'].mem_size_mib) refuse('Balloon update error: Amount is too large.');
    balloon.amount_mib = amount;
  },
};

const reads: Readonly<Record<string, () => unknown>> = {
  'GET /': () => ({ app_name: 'Firecracker', id: options.id, state, vmm_version: version }),
  'GET /version': () => ({ firecracker_version: version }),
  'GET /vm/config': () => config,
};

/** Requests that are allowed before a snapshot is loaded, because they are about the process. */
const aboutProcess = ['PUT /serial', 'PUT /snapshot/load'];

async function serve(method: string, path: string, text: string): Promise<unknown> {
  const read = reads[`${method} ${path}`];
  if (read !== undefined) return read();
  const [, resource, id] = /^(\/(?:drives|network-interfaces))\/([A-Za-z0-9_]+)$/.exec(path) ?? [];
  const what = resource === undefined ? `${method} ${path}` : `${method} ${resource}/*`;
  const known = bodies[what];
  if (known === undefined) return refuse(`Invalid request method and/or path: ${method} ${path}`);
  let body: unknown;
  try {
    body = JSON.parse(text);
  } catch (error) {
    return refuse(`An error occurred when deserializing the json body of a request: ${String(error)}`);
  }
  const wrong = whatIsWrong(known.body, body);
  if (wrong !== null) refuse(`An error occurred when deserializing the json body of a request: ${wrong}`);
  if (known.id !== undefined && (body as Record<string, unknown>)[known.id] !== id)
    refuse('The id from the path does not match the id from the body!');
  const [now, otherwise] = guest === null ? [before, after] : [after, before];
  const act = now[what];
  if (act === undefined) {
    return refuse(
      otherwise[what] === undefined
        ? 'the stand-in cannot do that'
        : `The requested operation is not supported ${guest === null ? 'before' : 'after'} starting the microVM.`,
    );
  }
  const outcome = await act(body as never);
  if (!aboutProcess.includes(what)) bootPath = true;
  return outcome;
}

async function answer(method: string, path: string, text: string): Promise<Answer> {
  try {
    const said = await serve(method, path, text);
    return said === undefined ? { status: 204 } : { status: 200, body: said };
  } catch (error) {
    return { status: 400, body: { fault_message: error instanceof Error ? error.message : String(error) } };
  }
}

await serveApi({
  socket: options['api-sock'] ?? '',
  answer,
  log: options['log-path'] === undefined ? undefined : openSync(options['log-path'], 'a', 0o600),
});
