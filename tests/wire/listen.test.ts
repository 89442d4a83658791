import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { createLauncher, openNetwork, type Network } from '@novasandbox/engine';
import { builtInPolicies } from '@novasandbox/protocol';
import type { Egress } from '../../packages/engine/src/ports/egress.ts';
import { makeInternet, type Internet } from '../support/internet.ts';
import { assertNoLeaks } from '../support/leaks.ts';
import { makeSlotGuest, type SlotGuest } from '../support/slot-guest.ts';
import { startListener, type Listener, type SlotListeners } from '../support/slot-listeners.ts';
import { whyNoSlots } from '../support/slots.ts';
import { testHome, type TestHome } from '../support/test-home.ts';

/**
 * The listener program and the rules of a slot with a policy, without a VM. The test stands for the egress process: it
 * answers whoever connects with the address that was connected to.
 */
const skip = await whyNoSlots();
const governance = { policy: builtInPolicies.none, names: [], answers: [], memberships: [], hostnames: [] };
const fromGuest = ['--noproxy', '*', '-sS', '--max-time', '5'];

let home: TestHome;
let internet: Internet;
let listener: Listener;
let network: Network;
let guest: SlotGuest;
let number: number;
/** The listeners of the slot that is served. */
let listeners: SlotListeners | null = null;

const egress: Egress = {
  async serve(_sandbox, { slot }) {
    if (listeners !== null || typeof slot !== 'number') return;
    listeners = await listener.open(slot);
    listeners.tcp.on('connection', (socket) => {
      socket.on('error', () => undefined).resume();
      const body = `${socket.localAddress}:${socket.localPort}\n`;
      socket.end(`HTTP/1.0 200 OK\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
    });
    const { dnsUdp } = listeners;
    dnsUdp.on('message', (query, { port, address }) => dnsUdp.send(`asked: ${query.toString()}`, port, address));
    listeners.dnsTcp.on('connection', (socket) => socket.resume().end('asked over TCP'));
  },
  async forget() {
    await listeners?.close();
    listeners = null;
  },
  names: () => Promise.resolve([]),
  secretUses: () => Promise.resolve({}),
  async *decisions() {},
  contacts: () => Promise.resolve(null),
  questions: () => Promise.resolve([]),
  answer: () => Promise.resolve(false),
  async *tidings() {},
  served: () => Promise.resolve(listeners === null ? [] : ['box']),
  [Symbol.asyncDispose]: () => Promise.resolve(),
};

before(async () => {
  if (skip !== false) return;
  home = await testHome();
  internet = await makeInternet('second');
  listener = await startListener(home.layout);
  network = openNetwork(home.layout, createLauncher(), null, egress);
  ({ number } = await network.take('box', { forwards: [], governance }));
  guest = makeSlotGuest(number);
});
after(async () => {
  if (skip !== false) return;
  await guest[Symbol.asyncDispose]();
  await network.giveBack('box');
  await network[Symbol.asyncDispose]();
  await listener[Symbol.asyncDispose]();
  await internet[Symbol.asyncDispose]();
  await assertNoLeaks(home.layout);
  await home[Symbol.asyncDispose]();
});

const get = (target: string): Promise<string> => guest.run('curl', ...fromGuest, `http://${target}/`);
/** A program of the guest asks by UDP, and gets the answer or the code of the error. */
const ask = (address: string, port: number): Promise<string> =>
  guest.run(
    process.execPath,
    '-e',
    `const s = require('dgram').createSocket('udp4');
     const tell = (text) => { console.log(text); s.close(); };
     const late = setTimeout(() => tell('nothing'), 4000);
     s.on('message', (text, { address, port }) => { clearTimeout(late); tell(text + ' by ' + address + ':' + port); });
     s.on('error', ({ code }) => { clearTimeout(late); tell(code); });
     s.connect(${port}, '${address}', () => s.send('who is it'));`,
  );
/** curl says how long it took. */
const refusedTcp = /after \d{1,3} ms/;

test('a connection to any address and port comes to the listener, which learns both', { skip }, async () => {
  for (const target of ['192.0.2.9:80', `${internet.address}:8443`, '10.1.2.3:22', '172.16.255.1:1', '198.18.0.1:80'])
    assert.equal(await get(target), `${target}\n`);
});

test('queries for names come to their listener, whichever server they are sent to', { skip }, async () => {
  for (const server of ['172.16.255.1', internet.address, '192.0.2.53'])
    assert.equal((await ask(server, 53)).trim(), `asked: who is it by ${server}:53`);
  const overTcp = await guest.run(
    process.execPath,
    '-e',
    `require('net').connect(53, '${internet.address}').pipe(process.stdout)`,
  );
  assert.equal(overTcp, 'asked over TCP');
});

test('all else is refused at once: UDP and QUIC, near and far', { skip }, async () => {
  // The answer is "administratively prohibited".
  assert.equal((await ask(internet.address, 443)).trim(), 'EHOSTUNREACH');
  assert.equal((await ask('172.16.255.1', 123)).trim(), 'EHOSTUNREACH');
  assert.equal((await ask(internet.address, 123)).trim(), 'EHOSTUNREACH');
});

test('without a listener connections and queries are refused, until there is one again', { skip }, async () => {
  await egress.forget('box');
  await assert.rejects(get(`${internet.address}:80`), refusedTcp);
  await assert.rejects(get('172.16.255.1:80'), refusedTcp);
  assert.equal((await ask(internet.address, 53)).trim(), 'ECONNREFUSED');
  await network.governAgain(new Map([['box', governance]]), () => 'forget');
  assert.equal(await get('192.0.2.9:80'), '192.0.2.9:80\n');
});

test('a policy that comes or goes while the guest runs ends what it had before', { skip }, async () => {
  await network.govern('box', null);
  assert.match(await get(`${internet.address}:80`), /^hello/);
  // Private networks are not reachable directly either.
  await assert.rejects(guest.run('curl', ...fromGuest, '--connect-timeout', '1', 'http://10.255.255.1/'));
  const open = guest.run(
    process.execPath,
    '-e',
    `const s = require('net').connect(80, '${internet.address}');
     s.write('GET / HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n');
     s.on('error', ({ code }) => { console.log(code); process.exit(); });
     s.on('data', () => setInterval(() => s.write('GET / HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n'), 50));
     s.on('close', () => { console.log('closed'); process.exit(); });`,
  );
  await get(`${internet.address}:80`);
  await network.govern('box', governance);
  assert.match(await open, /ECONNRESET|EPIPE|closed|ECONNREFUSED/);
  assert.equal(await get(`${internet.address}:80`), `${internet.address}:80\n`);
});

test('a slot that does not exist is an error, and anything but a number ends the program', { skip }, async () => {
  await assert.rejects(listener.open(8192), /opening the slot's namespace/);
  await using other = await startListener(home.layout);
  assert.equal(await other.send({ slot: '1/../../../proc/1/ns/net' }), 1);
});
