import { once } from 'node:events';
import { accessSync, constants, existsSync, openSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Guest, plainly } from './guest.ts';

/**
 * Stands in for vfkit at the wire: its command line, split and refused as vfkit does it, its REST service with the
 * states of Apple's framework, and its vsock sockets. The agent, which is beside this program, runs in place of a
 * guest. It is no VMM, and a test that passes on it proves nothing about macOS.
 */
const agentBinary = join(import.meta.dirname, 'nova-agent');
const said = readFileSync(join(import.meta.dirname, 'version'), 'utf8').trim();
const version = said === '' ? '0.6.4' : said;
const agentPort = 1024;

/** The framework refuses more CPUs and memory than any Mac has. */
const most = { cpus: 64, memoryMiB: 1 << 20 };
/** VZVirtualMachineConfiguration.minimumAllowedMemorySize. */
const leastMemoryMiB = 4;
/** Unix sockets on macOS: 104 bytes with the NUL. */
const longestSocket = 103;

function fail(message: string): never {
  process.stderr.write(`${message}\n`);
  process.exit(1);
}

const known = ['cpus', 'memory', 'bootloader', 'restful-uri', 'device', 'log-level'];

/** Arguments of the form `--name value`. vfkit knows more of them than are accepted here. */
function flags(words: readonly string[]): Map<string, string[]> {
  const found = new Map<string, string[]>();
  for (let index = 0; index < words.length; index += 2) {
    const name = words[index]?.replace(/^--/, '') ?? '';
    const value = words[index + 1];
    if (!words[index]?.startsWith('--') || !known.includes(name)) fail(`unknown flag: ${words[index]}`);
    if (value === undefined) fail(`flag needs an argument: --${name}`);
    found.set(name, [...(found.get(name) ?? []), value]);
  }
  return found;
}

function one(found: Map<string, string[]>, name: string): string {
  const values = found.get(name) ?? fail(`missing --${name}`);
  return values.length === 1 ? (values[0] ?? '') : fail(`--${name} was given ${values.length} times`);
}

function whole(text: string, name: string): number {
  return /^\d{1,9}$|^\d{10}$/.test(text) ? Number(text) : fail(`invalid argument "${text}" for "--${name}" flag`);
}

/**
 * Commas separate options, except within quotation marks; an argument that is quoted as a whole loses its quotation
 * marks.
 */
function splitBootloader(text: string): string[] {
  const parts = [''];
  let quoted = false;
  for (const letter of text) {
    if (letter === '"') quoted = !quoted;
    if (letter === ',' && !quoted) parts.push('');
    else parts[parts.length - 1] += letter;
  }
  return quoted ? fail('mismatched "') : parts.map(unquoted);
}
const unquoted = (text: string): string =>
  text.startsWith('"') && text.endsWith('"') ? text.replaceAll(/^"+|"+$/g, '') : text;

const option = (text: string): [string, string] => {
  const [key = '', ...rest] = text.split('=');
  return [key, rest.join('=')];
};

function readable(path: string, what: string, write = false): void {
  try {
    accessSync(path, write ? constants.R_OK | constants.W_OK : constants.R_OK);
  } catch (error) {
    fail(`${what}: ${String(error)}`);
  }
}

function boot(text: string): string {
  const [kind, ...options] = splitBootloader(text);
  if (kind !== 'linux') fail(`unknown bootloader type: ${kind}`);
  let [kernel, initrd, words] = ['', '', ''];
  for (const [key, value] of options.map(option)) {
    if (key === 'kernel') kernel = value;
    else if (key === 'initrd') initrd = value;
    else if (key === 'cmdline') words = unquoted(value);
    else fail(`unknown option for Linux bootloaders: ${key}`);
  }
  if (words === '') fail('missing kernel command line');
  readable(kernel, 'failed to open kernel');
  readable(initrd, 'failed to open initrd');
  return words;
}

interface Devices {
  console?: string;
  agent?: string;
  drives: { path: string; readOnly: boolean }[];
  network: string[];
}

/** Split only at commas. */
function device(text: string, devices: Devices): void {
  const [kind = '', ...rest] = text.split(',');
  const options = rest.map(option);
  const unknown = (key: string): never => fail(`unknown option for ${kind} devices: ${key}`);
  switch (kind) {
    case 'virtio-rng':
      if (options.length > 0) fail(`unknown options for virtio-rng devices: ${rest.join(' ')}`);
      return;
    case 'virtio-serial':
      for (const [key, value] of options) {
        if (key !== 'logFilePath') unknown(key);
        devices.console = value;
      }
      return;
    case 'virtio-vsock': {
      let [port, path, listen] = [0, '', true];
      for (const [key, value] of options) {
        if (key === 'port') port = whole(value, 'port');
        else if (key === 'socketURL') path = value;
        else if (key === 'connect') listen = false;
        else if (key === 'listen') listen = true;
        else unknown(key);
      }
      if (port !== agentPort || listen) fail('the stand-in plays one port of the guest, which the host connects to');
      devices.agent = path;
      return;
    }
    case 'virtio-blk': {
      let [path, readOnly] = ['', false];
      for (const [key, value] of options) {
        if (key === 'path') path = value;
        else if (key === 'readonly' && value === '') readOnly = true;
        else if (key !== 'deviceId') unknown(key);
      }
      readable(path, `failed to open file ${path}`, !readOnly);
      if (readFileSync(path).subarray(0, 4).toString('latin1') === 'QFI\xfb')
        fail('vfkit does not support qcow2 image format');
      devices.drives.push({ path, readOnly });
      return;
    }
    case 'virtio-net': {
      for (const [key, value] of options) {
        if (key === 'nat' && value === '') continue;
        if (key !== 'mac') unknown(key);
        if (!/^([0-9a-f]{2}:){5}[0-9a-f]{2}$/.test(value)) fail(`address ${value}: invalid MAC address`);
      }
      devices.network.push(rest.join(','));
      return;
    }
    default:
      fail(`unknown device type: ${kind}`);
  }
}

type State = 'Starting' | 'Running' | 'Pausing' | 'Paused' | 'Resuming' | 'Stopping' | 'Stopped';
let state: State = 'Stopped';
let guest: Guest | null = null;
let rest = '';

function leave(code: number): never {
  guest?.end();
  if (rest !== '') rmSync(rest, { force: true });
  process.exit(code);
}

const transition = (): never => {
  throw new Error(
    `Error Domain=VZErrorDomain Code=3 Description="Invalid virtual machine state transition. Transition from state “${state}” is invalid."`,
  );
};

const changes: Readonly<Record<string, () => Promise<void>>> = {
  Pause: async () => {
    if (state !== 'Running') transition();
    state = 'Pausing';
    guest?.pause();
    state = 'Paused';
  },
  Resume: async () => {
    if (state !== 'Paused') transition();
    state = 'Resuming';
    guest?.resume();
    state = 'Running';
  },
  // The guest is asked to stop, and ours has nothing that would react.
  Stop: async () => void (state !== 'Running' && transition()),
  HardStop: async () => void setImmediate(() => leave(0)),
};

async function serve(path: string, config: unknown): Promise<void> {
  const server = createServer((request, response) => {
    const send = (status: number, body?: unknown): void => {
      const text = body === undefined ? '' : JSON.stringify(body);
      response.writeHead(status, {
        'content-type': 'application/json; charset=utf-8',
        'content-length': Buffer.byteLength(text),
      });
      response.end(text);
    };
    void (async () => {
      let text = '';
      for await (const chunk of request) text += String(chunk);
      const call = `${request.method} ${request.url}`;
      if (call === 'GET /vm/inspect') return send(200, config);
      if (call === 'GET /vm/state')
        return send(200, {
          state: `VirtualMachineState${state}`,
          canStart: state === 'Stopped',
          canPause: state === 'Running',
          canResume: state === 'Paused',
          canStop: state === 'Running',
          canHardStop: state !== 'Stopped',
        });
      if (call !== 'POST /vm/state') return send(404);
      let wanted: string;
      try {
        wanted = String((JSON.parse(text) as { state?: unknown }).state);
      } catch (error) {
        return send(400, { error: String(error) });
      }
      try {
        await (changes[wanted] ?? (() => Promise.reject(new Error(`invalid new VMState: ${wanted}`))))();
        return send(202);
      } catch (error) {
        return send(500, { error: error instanceof Error ? error.message : String(error) });
      }
    })();
  });
  await once(server.listen(path), 'listening');
}

const words = process.argv.slice(2);
if (words.join(' ') === '--version') {
  process.stdout.write(`vfkit version: v${version}\n`);
} else {
  process.on('SIGTERM', () => leave(0));
  const found = flags(words);
  const cpus = whole(one(found, 'cpus'), 'cpus');
  const memory = whole(one(found, 'memory'), 'memory');
  const commandLine = boot(one(found, 'bootloader'));
  const devices: Devices = { drives: [], network: [] };
  for (const each of found.get('device') ?? []) device(each, devices);
  if (cpus < 1 || cpus > most.cpus || memory < leastMemoryMiB || memory > most.memoryMiB)
    fail('Error Domain=VZErrorDomain Code=2 Description="Invalid virtual machine configuration."');
  if (!commandLine.split(' ').includes(`nova.channel=vsock:${agentPort}`)) fail('no guest of ours would answer');
  rest = one(found, 'restful-uri').replace(/^unix:\/\//, '');
  if (!rest.startsWith('/') || Buffer.byteLength(rest) > longestSocket) fail('invalid unix uri');
  const { agent = fail('no vsock device'), console: log = fail('no serial device') } = devices;
  if (existsSync(agent)) fail(`listen unix ${agent}: bind: address already in use`);
  await serve(rest, { vcpus: cpus, memoryBytes: memory * 1024 * 1024, commandLine, ...devices });
  state = 'Starting';
  // The framework takes some time, and the REST service is available meanwhile.
  await delay(5);
  const booted = await Guest.boot(agentBinary, agent, { serve: plainly, console: openSync(log, 'w', 0o600) });
  guest = booted;
  state = 'Running';
  void booted.ended.then(() => leave(0));
}
