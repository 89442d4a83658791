import { spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Isolation } from '@novasandbox/protocol';
import type { Network } from '@novasandbox/engine';
import type { Governance, Membership } from '../../packages/engine/src/ports/network.ts';
import { makeSlotGuest, type SlotGuest } from './slot-guest.ts';

/** A network of a test. Ids of networks are as those of sandboxes. */
export const membership = (address: string, isolation: Isolation = 'minimal', name = 'backend'): Membership => ({
  network: `${name}${'0'.repeat(20 - name.length)}`,
  name,
  subnet: '10.213.7.0/24',
  prefixLength: 24,
  address,
  isolation,
  bridge: 'br0',
});

export const memberOf = (name: string, ...memberships: Membership[]): Governance => ({
  policy: null,
  names: [],
  answers: [],
  memberships,
  hostnames: [name, `${name}id`],
});

/** A stand-in for a VM in a slot, with servers that say whom they see: TCP and UDP, port 8080. */
export interface Member extends AsyncDisposable {
  readonly name: string;
  readonly slot: number;
  readonly guest: SlotGuest;
  /** What the server at an address says, or the code of the error; `nothing` where it does not answer in time. */
  tcp(address: string): Promise<string>;
  udp(address: string): Promise<string>;
  /** The addresses of a name, or the code of the error. */
  resolve(name: string): Promise<string>;
  pings(address: string, from?: string): Promise<boolean>;
}

const servers = `
require('net').createServer((s) => s.on('error', () => {}).resume().end(s.remoteAddress)).listen(8080, '0.0.0.0', () => {
  const u = require('dgram').createSocket('udp4');
  u.on('message', (_m, { port, address }) => u.send(address, port, address));
  u.bind(8080, () => console.log('ready'));
});`;

const overTcp = (address: string): string => `
const s = require('net').connect(8080, '${address}');
s.write('hello\\n');
const end = (text) => { console.log(text); process.exit(); };
s.setTimeout(1500, () => end('nothing')).on('error', ({ code }) => end(code)).on('data', (data) => end(data.toString()));`;
const overUdp = (address: string): string => `
const s = require('dgram').createSocket('udp4');
const end = (text) => { console.log(text); process.exit(); };
setTimeout(() => end('nothing'), 1500);
s.on('message', (data) => end(data.toString())).on('error', ({ code }) => end(code));
s.connect(8080, '${address}', () => s.send('who am I'));`;
/** One echo request and its answer; the program fails without one. Hosts need not have ping(8). */
const ping = (address: string, from: string): string[] => [
  '-c',
  `
import os, socket, struct, sys
def checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total >> 16) + (total & 0xffff)
    return ~(total + (total >> 16)) & 0xffff
s = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
s.settimeout(1)
if ${from === '' ? 'False' : 'True'}: s.bind(("${from}", 0))
head = struct.pack("!BBHHH", 8, 0, 0, os.getpid() & 0xffff, 1)
s.sendto(struct.pack("!BBHHH", 8, 0, checksum(head), os.getpid() & 0xffff, 1), ("${address}", 0))
while True:
    packet, (sender, _) = s.recvfrom(2048)
    if packet[20] == 0 and packet[24:26] == struct.pack("!H", os.getpid() & 0xffff): sys.exit(0)
`,
];
/** Runs a program that succeeds where the address answers pings. */
export const pingsBy = (
  run: (program: string, ...words: string[]) => Promise<string>,
  address: string,
  from = '',
): Promise<boolean> =>
  run('python3', ...ping(address, from)).then(
    () => true,
    () => false,
  );
const byName = (name: string): string => `
const r = new (require('dns').promises.Resolver)({ timeout: 5000, tries: 2 });
r.setServers(['172.16.255.1']);
r.resolve4('${name}').then((found) => console.log(found.join()), ({ code }) => console.log(code));`;

export async function makeMember(network: Network, name: string, governance: Governance): Promise<Member> {
  await using undo = new AsyncDisposableStack();
  const { number } = await network.take(name, { forwards: [], governance });
  undo.defer(() => network.giveBack(name));
  const guest = undo.use(makeSlotGuest(number));
  const child = spawn('/sbin/ip', ['netns', 'exec', `guest${process.pid}-${number}`, process.execPath, '-e', servers], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  undo.defer(async () => {
    const ended = once(child, 'exit');
    child.kill('SIGKILL');
    await ended;
  });
  await once(child.stdout, 'data');
  const kept = undo.move();
  const say = async (script: string): Promise<string> => (await guest.run(process.execPath, '-e', script)).trim();
  return {
    name,
    slot: number,
    guest,
    tcp: (address) => say(overTcp(address)),
    udp: (address) => say(overUdp(address)),
    resolve: (wanted) => say(byName(wanted)),
    pings: (address, from) => pingsBy((...words) => guest.run(...words), address, from),
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}
