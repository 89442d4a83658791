import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { createImageSource, createLauncher, openNetwork, openVmmUsers, type Layout } from '@novasandbox/engine';
import { openEgress } from '../../packages/engine/src/egress/index.ts';
import type { Egress } from '../../packages/engine/src/ports/egress.ts';
import { nodeOptions } from '../../packages/engine/src/egress/process/start.ts';
import { interceptionScript } from '../../packages/engine/src/network/interception.ts';
import type { Order, Outcome } from './egress-client.ts';
import type { Seen } from './egress-servers.ts';
import { runOnHost } from './run-on-host.ts';
import { makeSlotGuest, type SlotGuest } from './slot-guest.ts';

/**
 * A world of network namespaces for the egress process: a guest in a slot, the host that the process runs on, and
 * servers beyond it. Nothing leaves the machine, and the machine's own network plays no part.
 *
 *     guest --tap0-- slot nova-N --listeners--> egress process in `host` --veth-- servers in `world`
 */
export interface EgressWorld extends AsyncDisposable {
  readonly egress: Egress;
  readonly guest: SlotGuest;
  /** Has a program of the guest do something. */
  ask(order: Order): Promise<Outcome>;
  /** Has the same program do it on the host, which is linked to the servers. */
  askOnHost(order: Order): Promise<Outcome>;
  readonly slot: number;
  /** The egress process. */
  process: ChildProcess;
  /** Starts the process again after it has ended. */
  restart(): Promise<void>;
  /** Everything that the servers have seen so far. */
  seen(): Promise<Seen>;
  /** A file with the certificate of the servers. */
  readonly certificate: string;
}

const client = join(import.meta.dirname, 'egress-client.ts');
const servers = join(import.meta.dirname, 'egress-servers.ts');
const main = join(import.meta.dirname, '../../packages/engine/src/egress/process/main.ts');

export async function makeEgressWorld(layout: Layout): Promise<EgressWorld> {
  await using undo = new AsyncDisposableStack();
  const [host, world] = [`eghost${process.pid}`, `egworld${process.pid}`];
  const scratch = await mkdtemp(join(tmpdir(), 'nova-egress-'));
  undo.defer(() => rmSync(scratch, { recursive: true, force: true }));
  const [key, certificate] = [join(scratch, 'key.pem'), join(scratch, 'certificate.pem')];
  runOnHost(`openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -keyout ${key} \
    -out ${certificate} -subj /CN=allowed.test -addext subjectAltName=DNS:allowed.test,DNS:other.test,DNS:*.wild.test,DNS:*.open.test 2>&1`);

  undo.defer(() => void runOnHost(`ip netns del ${host}; ip netns del ${world}`));
  runOnHost(`set -e
    ip netns add ${host}
    ip netns add ${world}
    ip -n ${host} link add out0 type veth peer name in0 netns ${world}
    ip -n ${host} link set lo up
    ip -n ${world} link set lo up
    ip -n ${host} addr add 198.51.100.1/24 dev out0
    ip -n ${host} link set out0 up
    ip -n ${world} addr add 198.51.100.2/24 dev in0
    for address in 198.51.100.3/24 10.9.8.7/32 169.254.169.254/32 203.0.113.7/32; do
      ip -n ${world} addr add $address dev in0
    done
    ip -n ${world} link set in0 up
    ip -n ${host} route add default via 198.51.100.2`);
  nameServer(undo, host, '198.51.100.2');

  const repositories = join(scratch, 'repositories');
  runOnHost(
    `git init -q --bare ${repositories}/some.git && git -C ${repositories}/some.git config http.receivepack true`,
  );
  const child = await runIn(undo, world, [servers, key, certificate, repositories]);

  const network = undo.use(openNetwork(layout, createLauncher()));
  await network.take('box', { forwards: [] });
  undo.defer(() => network.giveBack('box'));
  const held = network.held('box')?.machine.namespace ?? '';
  const slot = Number(/\d+$/.exec(held)?.[0]);
  const guest = undo.use(makeSlotGuest(slot));
  const guestName = `guest${process.pid}-${slot}`;
  nameServer(undo, guestName, '172.16.255.1');
  const inGuest = asking(await runIn(undo, guestName, [client]));
  const onHost = asking(await runIn(undo, host, [client]));
  runOnHost(
    `nsenter --net=/run/netns/${held} /bin/sh -ec '${interceptionScript(slot, 'all').replaceAll("'", String.raw`'\''`)}'`,
  );

  const listener = (await createImageSource(layout).listener({})).program;
  const users = undo.use(openVmmUsers(layout));
  const start = (): Promise<ChildProcess> => startIn(host, layout.egress.socket, listener, certificate);
  const egress = openEgress({ layout, users, listener: () => Promise.resolve({ program: listener }) });
  const made: EgressWorld = {
    egress,
    guest,
    slot,
    certificate,
    process: await start(),
    ask: inGuest,
    askOnHost: onHost,
    async restart() {
      made.process = await start();
    },
    async seen() {
      const said = once(child, 'message');
      child.send('seen');
      return ((await said) as [Seen])[0];
    },
    [Symbol.asyncDispose]: () => held_.disposeAsync(),
  };
  undo.defer(async () => {
    if (made.process.exitCode !== null || made.process.signalCode !== null) return;
    const ended = once(made.process, 'exit');
    made.process.kill('SIGKILL');
    await ended;
  });
  const held_ = undo.move();
  return made;
}

/** A query for a name, as bytes. */
export function queryFor(name: string, type: number): string {
  const labels = name.split('.').map((label) => String.fromCharCode(label.length) + label);
  return `\x12\x34\x01\x00\0\x01\0\0\0\0\0\0${labels.join('')}\0\0${String.fromCharCode(type)}\0\x01`;
}

/** Gives orders to a program. */
function asking(program: ChildProcess): (order: Order) => Promise<Outcome> {
  let last = 0;
  return (order) => {
    const id = ++last;
    const { promise, resolve } = Promise.withResolvers<Outcome>();
    const hear = (message: { readonly id: number; readonly outcome: Outcome }): void => {
      if (message.id !== id) return;
      program.off('message', hear);
      resolve(message.outcome);
    };
    program.on('message', hear);
    program.send({ id, order });
    return promise;
  };
}

/** Runs a program of the tests in a namespace, and waits until it is ready. */
async function runIn(undo: AsyncDisposableStack, namespace: string, words: readonly string[]): Promise<ChildProcess> {
  const child = spawn('ip', ['netns', 'exec', namespace, process.execPath, ...words], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  undo.defer(async () => {
    const ended = once(child, 'exit');
    child.kill('SIGKILL');
    await ended;
  });
  await once(child, 'message');
  return child;
}

/** ip(8) puts the file in the place of /etc/resolv.conf for programs that it runs in the namespace. */
function nameServer(undo: AsyncDisposableStack, namespace: string, address: string): void {
  const folder = `/etc/netns/${namespace}`;
  mkdirSync(folder, { recursive: true });
  undo.defer(() => rmSync(folder, { recursive: true, force: true }));
  writeFileSync(join(folder, 'resolv.conf'), `nameserver ${address}\n`);
}

async function startIn(namespace: string, socket: string, program: string, certificate: string): Promise<ChildProcess> {
  rmSync(socket, { force: true });
  const child = spawn(
    'ip',
    ['netns', 'exec', namespace, process.execPath, ...nodeOptions, main, socket, '700001', program],
    {
      stdio: ['ignore', 'inherit', 'inherit', 'pipe'],
      env: { ...process.env, NOVA_EXTRA_CA: certificate },
    },
  );
  const said = await text(child.stdio[3] as NodeJS.ReadableStream);
  if (!said.includes('"ready":true')) throw new Error(`The egress process did not start: ${said}`);
  return child;
}
