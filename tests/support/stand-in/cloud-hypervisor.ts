import {
  accessSync,
  constants,
  existsSync,
  ftruncateSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { serveApi, type Answer } from './api-server.ts';
import { bodies, vmConfig } from './cloud-hypervisor-schema.ts';
import { Guest } from './guest.ts';
import { whatIsWrong } from './schema.ts';

/**
 * Stands in for Cloud Hypervisor at the wire: the part of its command line that we use, its API with its order of calls
 * and its refusals, and the files it reads and writes. The agent, which is beside this program, runs in place of a
 * guest. It is no VMM, and a test that passes on it proves nothing about one.
 */
const version = 'v53.0.0';

interface Disk {
  id?: string;
  path: string;
  readonly?: boolean;
  rate_limiter_config?: { bandwidth?: unknown; ops?: unknown };
}
interface Config {
  payload: { kernel?: string; initramfs?: string; firmware?: string };
  cpus: { boot_vcpus: number; max_vcpus: number };
  memory: { size: number; hotplug_size?: number };
  disks?: Disk[];
  net?: { id?: string; tap?: string; mac?: string }[];
  vsock: { socket: string };
  balloon?: { size: number };
  landlock_enable?: boolean;
  landlock_rules?: { path: string; access: string }[];
}

class Refusal extends Error {
  readonly status: number;
  readonly reasons: readonly string[];

  constructor(status: number, ...reasons: readonly string[]) {
    super(reasons.join(': '));
    this.status = status;
    this.reasons = reasons;
  }
}
const refuse = (...reasons: readonly string[]): never => {
  throw new Refusal(500, 'Error from API', ...reasons);
};

const agentBinary = join(import.meta.dirname, 'nova-agent');
/** The largest address space that the kernel gives a process. */
const mappableBytes = 2 ** 47;
const memoryStepBytes = 128 << 20;
const mostVcpus = 8192;

let config: Config | null = null;
let guest: Guest | null = null;
let paused = false;

function validate(wanted: Config): void {
  const { cpus, memory, landlock_rules: rules = [] } = wanted;
  if (cpus.max_vcpus < cpus.boot_vcpus) refuse('Max CPUs lower than boot CPUs');
  if (cpus.max_vcpus > mostVcpus) refuse(`Too many CPUs: ${cpus.max_vcpus}`);
  if (memory.size + (memory.hotplug_size ?? 0) > mappableBytes)
    refuse('Cannot create memory region', 'Cannot allocate memory');
  for (const { path } of rules)
    if (!existsSync(path)) refuse(`Path "${path}" provided in landlock-rules does not exist`);
  const ids = (wanted.disks ?? []).flatMap(({ id }) => (id === undefined ? [] : [id]));
  if (new Set(ids).size !== ids.length) refuse('Identifier is not unique');
}

function open(path: string, write: boolean, what: string): void {
  try {
    accessSync(path, write ? constants.R_OK | constants.W_OK : constants.R_OK);
  } catch (error) {
    refuse(what, String(error));
  }
}

async function run(wanted: Config): Promise<void> {
  validate(wanted);
  for (const each of wanted.disks ?? []) open(each.path, each.readonly !== true, 'Cannot open disk path');
  if (existsSync(wanted.vsock.socket)) refuse('Cannot create virtio-vsock backend', 'Address in use');
  const booted = await Guest.boot(agentBinary, wanted.vsock.socket);
  guest = booted;
  void booted.ended.then(() => leave(0));
}

const running = (): Guest => guest ?? refuse('VM is not running');
const created = (): Config =>
  config ??
  ((): never => {
    throw new Refusal(404, 'Error from API', 'VM is not created');
  })();

const folderOf = (url: unknown): string => {
  const path = /^file:\/\/(\/.*)$/.exec(String(url))?.[1];
  return path ?? refuse('Invalid URL');
};

const calls: Readonly<Record<string, (body: never) => unknown>> = {
  'vmm.ping': () => ({ build_version: `${version}-stand-in`, version, pid: process.pid, features: ['kvm'] }),
  'vmm.shutdown': () => void setImmediate(() => leave(0)),
  'vm.create': (wanted: Config) => {
    if (config !== null) refuse('VM is already created');
    config = wanted;
    // Limits that were not given are reported as null.
    for (const { rate_limiter_config: limits } of wanted.disks ?? [])
      if (limits !== undefined) Object.assign(limits, { bandwidth: null, ops: null, ...limits });
  },
  'vm.boot': async () => {
    const wanted = created();
    if (guest !== null) refuse('VM is already created');
    const { kernel, initramfs, firmware } = wanted.payload;
    const payload = kernel ?? firmware ?? refuse('No payload');
    open(payload, false, 'Cannot open kernel file');
    if (initramfs !== undefined) open(initramfs, false, 'Cannot open initramfs file');
    await run(wanted);
  },
  'vm.info': () => ({
    config: created(),
    state: guest === null ? 'Created' : paused ? 'Paused' : 'Running',
    memory_actual_size: created().memory.size - (created().balloon?.size ?? 0),
  }),
  'vm.pause': () => {
    if (paused) refuse('Error pausing VM', 'Invalid transition: InvalidStateTransition(Paused, Paused)');
    running().pause();
    paused = true;
  },
  'vm.resume': () => {
    running();
    if (!paused) refuse('Error resuming VM', 'Invalid transition: InvalidStateTransition(Running, Running)');
    running().resume();
    paused = false;
  },
  'vm.snapshot': ({ destination_url: url }: { destination_url: string }) => {
    running();
    if (!paused) refuse('Error taking a snapshot', 'Trying to snapshot while VM is running');
    const directory = folderOf(url);
    confined(directory);
    const memory = openSync(join(directory, 'memory-ranges'), 'wx', 0o600);
    ftruncateSync(memory, created().memory.size);
    writeFileSync(join(directory, 'config.json'), JSON.stringify(created()), { mode: 0o600 });
    writeFileSync(join(directory, 'state.json'), JSON.stringify({ snapshots: {} }), { mode: 0o600 });
  },
  'vm.restore': async (how: {
    source_url: string;
    prefault?: boolean;
    memory_restore_mode?: string;
    resume?: boolean;
  }) => {
    if (config !== null) refuse('VM is already created');
    if (how.prefault === true && how.memory_restore_mode === 'OnDemand')
      refuse('prefault is not supported with OnDemand');
    const directory = folderOf(how.source_url);
    const wanted = JSON.parse(readFileSync(join(directory, 'config.json'), 'utf8')) as Config;
    const wrong = whatIsWrong(vmConfig, wanted);
    if (wrong !== null) refuse('Cannot deserialize the VM config', wrong);
    readFileSync(join(directory, 'state.json'));
    open(join(directory, 'memory-ranges'), false, 'Cannot open the memory file');
    await run(wanted);
    config = wanted;
    paused = how.resume !== true;
    if (paused) running().pause();
  },
  'vm.resize': (to: { desired_vcpus?: number; desired_ram?: number; desired_balloon?: number }) => {
    const { cpus, memory, balloon } = created();
    running();
    if (to.desired_vcpus !== undefined) {
      if (to.desired_vcpus > cpus.max_vcpus) refuse('Error resizing VM', 'Desired vCPU count exceeds the maximum');
      cpus.boot_vcpus = to.desired_vcpus;
    }
    if (to.desired_ram !== undefined) {
      const added = to.desired_ram - memory.size;
      if (added % memoryStepBytes !== 0) refuse('Error resizing VM', 'Invalid size');
      if (added > (memory.hotplug_size ?? 0)) refuse('Error resizing VM', 'Insufficient space to hotplug RAM');
      // A smaller size is recorded and has no other effect.
      memory.size = to.desired_ram;
    }
    if (to.desired_balloon !== undefined) {
      if (balloon === undefined) return refuse('Error resizing VM', 'Missing balloon');
      if (to.desired_balloon >= memory.size) refuse('Error resizing VM', 'The balloon is larger than the RAM');
      balloon.size = to.desired_balloon;
    }
  },
  'vm.add-disk': (disk: Disk) => {
    const { disks = [] } = created();
    running();
    if (disks.some(({ id }) => id === disk.id)) refuse('Identifier is not unique');
    confined(disk.path);
    open(disk.path, disk.readonly !== true, 'Cannot open disk path');
    created().disks = [...disks, disk];
    return { id: disk.id ?? `_disk${disks.length}`, bdf: `0000:00:0${disks.length + 5}.0` };
  },
  'vm.add-net': (added: { id?: string }) => {
    const { disks = [], net = [] } = created();
    running();
    if ([...disks, ...net].some(({ id }) => id === added.id)) refuse('Identifier is not unique');
    confined('/dev/net/tun');
    created().net = [...net, added];
    return { id: added.id ?? `_net${net.length}`, bdf: `0000:00:0${net.length + 5}.0` };
  },
  'vm.remove-device': ({ id }: { id: string }) => {
    const { disks = [], net = [] } = created();
    running();
    if (![...disks, ...net].some((each) => each.id === id)) refuse('Cannot remove device', `Missing PCI device ${id}`);
    created().disks = disks.filter((disk) => disk.id !== id);
    created().net = net.filter((each) => each.id !== id);
  },
};

/** Refuses what Landlock would refuse: paths that are below none of the rules. */
function confined(path: string): void {
  const { landlock_enable: enabled, landlock_rules: rules = [] } = created();
  if (enabled !== true) return;
  if (!rules.some((rule) => path === rule.path || path.startsWith(`${rule.path}/`)))
    refuse('Cannot open file', 'Permission denied (os error 13)');
}

async function serve(method: string, path: string, text: string): Promise<unknown> {
  const name = /^\/api\/v1\/([a-z.-]+)$/.exec(path)?.[1] ?? '';
  const call = calls[name];
  if (call === undefined) throw new Refusal(404, 'Not Found');
  const wanted = name === 'vmm.ping' || name === 'vm.info' ? 'GET' : 'PUT';
  const schema = bodies[name];
  if (method !== wanted || (schema === undefined) !== (text === '')) throw new Refusal(400, 'Bad Request');
  let body: unknown;
  if (schema !== undefined) {
    body = JSON.parse(text);
    const wrong = whatIsWrong(schema, body);
    if (wrong !== null) throw new Refusal(400, 'Failed to deserialize JSON', wrong);
  }
  return call(body as never);
}

async function answer(method: string, path: string, text: string): Promise<Answer> {
  try {
    const body = await serve(method, path, text);
    return { status: body === undefined ? 204 : 200, body };
  } catch (error) {
    const { status, reasons } = error instanceof Refusal ? error : new Refusal(500, 'Error from API', String(error));
    return { status, body: reasons };
  }
}

function leave(code: number): never {
  guest?.end();
  if (socket !== '') rmSync(socket, { force: true });
  process.exit(code);
}

const [, , ...words] = process.argv;
const socket = /^path=(.+)$/.exec(words[words.indexOf('--api-socket') + 1] ?? '')?.[1] ?? '';
if (words.includes('--version')) {
  process.stdout.write(`cloud-hypervisor ${version}\n`);
} else if (words.join(' ') !== `--api-socket path=${socket} --seccomp true` || !existsSync(dirname(socket))) {
  process.stderr.write(`error: unexpected argument in '${words.join(' ')}'\n`);
  process.exit(2);
} else {
  process.on('SIGTERM', () => leave(0));
  await serveApi({ socket, answer, log: 2 });
}
