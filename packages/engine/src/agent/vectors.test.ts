import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { isNovaError } from '@novasandbox/protocol';
import type { GuestAgent } from '../ports/guest-agent.ts';
import { FrameDecoder, encodeFrame } from './frame.ts';
import { EchoHunter, HIGHEST_VERSION, LOWEST_VERSION, MAGIC, encodeHello } from './handshake.ts';
import { Fields, RecordWriter } from './record.ts';
import { openHostile } from './testing/hostile-guest.ts';
import { outputOf } from './testing/real-agent.ts';
import { rejects } from './testing/rejects.ts';
import { frameKinds } from './numbers.ts';

/** The golden vectors of the wire, which the agent is tested against too (guest/vectors/README.md). */

interface Vectors {
  'frames.json': { name: string; kind: number; stream: number; payload: string; bytes: string };
  'records.json': { name: string; fields: { tag: number; int?: string; bytes?: string }[]; bytes: string };
  'handshakes.json': Record<'name' | 'nonce' | 'host' | 'guest', string> &
    Record<'flush' | 'lowest' | 'highest', number>;
  'malformed.json': { name: string; by: 'guest' | 'host' | 'both'; bytes: string; repeat?: number };
  'dialogues.json': { name: string; steps: { from: 'host' | 'guest'; bytes: string; repeat?: number }[] };
}

function load<Name extends keyof Vectors>(name: Name): Vectors[Name][] {
  const path = join(import.meta.dirname, '../../../../guest/vectors', name);
  const vectors = JSON.parse(readFileSync(path, 'utf8')) as Vectors[Name][];
  assert.ok(vectors.length > 0);
  return vectors;
}

function unhex(hex: string, repeat = 1): Buffer {
  const bytes = Buffer.from(hex, 'hex');
  assert.equal(bytes.length * 2, hex.length);
  return Buffer.concat(Array.from({ length: repeat }, () => bytes));
}

for (const vector of load('frames.json')) {
  test(`frame: ${vector.name}`, () => {
    const [payload, bytes] = [unhex(vector.payload), unhex(vector.bytes)];
    assert.ok(encodeFrame(vector.kind, vector.stream, null, payload).equals(bytes));
    for (const size of [bytes.length, 1]) {
      const found: [number, number, boolean][] = [];
      const decoder = new FrameDecoder((kind, stream, got) => found.push([kind, stream, got.equals(payload)]));
      for (let at = 0; at < bytes.length; at += size) decoder.push(bytes.subarray(at, at + size));
      assert.deepEqual(found, [[vector.kind, vector.stream, true]]);
    }
  });
}

for (const vector of load('records.json')) {
  test(`record: ${vector.name}`, () => {
    const bytes = unhex(vector.bytes);
    const writer = new RecordWriter();
    for (const { tag, int, bytes: value } of vector.fields) {
      if (int !== undefined) writer.integer(tag, BigInt(int));
      else writer.bytes(tag, unhex(value ?? ''));
    }
    assert.ok(writer.finish().equals(bytes));
    const fields = new Fields(bytes);
    for (const { tag, int, bytes: value } of vector.fields) {
      const all = vector.fields.filter((field) => field.tag === tag);
      if (int !== undefined) assert.equal(fields.bigint(tag), BigInt(all[0]?.int ?? -1));
      else {
        assert.ok(fields.bytes(tag).equals(unhex(all[0]?.bytes ?? '')));
        assert.deepEqual(
          fields.strings(tag),
          all.map((field) => unhex(field.bytes ?? '').toString()),
        );
      }
      assert.equal(int === undefined, value !== undefined);
    }
  });
}

for (const vector of load('handshakes.json')) {
  test(`handshake: ${vector.name}`, () => {
    const [nonce, host, guest] = [unhex(vector.nonce), unhex(vector.host), unhex(vector.guest)];
    if (vector.lowest === LOWEST_VERSION && vector.highest === HIGHEST_VERSION) {
      const hello = encodeHello(nonce, vector.flush > 0);
      assert.ok(hello.subarray(-host.length).equals(host));
      assert.ok(hello.subarray(0, -host.length).every((byte) => byte === 0xff));
    }
    const version = guest[MAGIC.length];
    if (version === 0) assert.throws(() => new EchoHunter(nonce).push(guest), /no version/);
    else assert.equal(new EchoHunter(nonce).push(guest)?.version, version);
  });
}

for (const vector of load('malformed.json')) {
  if (vector.by === 'guest') continue;
  test(`malformed: ${vector.name}`, { timeout: 10_000 }, async () => {
    const { agent, guest } = await openHostile();
    const ping = rejects(agent.ping(), 'guest_protocol_error');
    assert.equal((await guest.next()).stream, 1);
    await guest.raw(unhex(vector.bytes, vector.repeat));
    assert.ok(isNovaError(await agent.closed, 'guest_protocol_error'));
    await ping;
  });
}

const dialogues = load('dialogues.json');

/** The calls that produce the host's side of each dialogue. */
const calls: Record<string, (agent: GuestAgent) => Promise<void>> = {
  'no such process': async (agent) => rejects(agent.signal(99, 15), 'process_not_found'),
  'no such file': async (agent) =>
    assert.rejects(agent.stat('/no/such/file'), (error) => {
      assert.ok(isNovaError(error, 'file_not_found'));
      return error.details['errno'] === 2;
    }),
  'a guest that goes on': async (agent) =>
    agent.configure({
      entropy: Buffer.from(Array.from({ length: 32 }, (_, at) => at)),
      continued: { generation: 'gen-2', cutConnections: true, parentId: 'box1' },
    }),
  'a process': async (agent) => {
    const child = await agent.exec({ argv: ['/bin/sh', '-c', 'echo hi; exit 3'] });
    assert.deepEqual(await outputOf(child), { stdout: 'hi\n', stderr: '', pty: '' });
    assert.equal((await child.exit).exitCode, 3);
  },
  'a process of a request': async (agent) => {
    const child = await agent.exec({ argv: ['true'], requestId: 'trace-1' });
    await child.exit;
  },
  'a process that is left': async (agent) => {
    const child = await agent.exec({ argv: ['cat'], stdin: true, waitMs: 10_000 });
    await child.leave(60_000);
    await agent.ping();
  },
  'a process with input': async (agent) => {
    const child = await agent.exec({ argv: ['cat'], stdin: true });
    await child.writeStdin(Buffer.from('hello'));
    for await (const chunk of child.output) {
      assert.equal(Buffer.from(chunk.bytes).toString(), 'hello');
      await child.closeStdin();
    }
  },
};

for (const [name, call] of Object.entries(calls)) {
  test(`dialogue: ${name}`, { timeout: 10_000 }, async () => {
    const dialogue = dialogues.find((candidate) => candidate.name === name);
    assert.ok(dialogue, `guest/vectors has no dialogue ${name}`);
    const { agent, guest } = await openHostile();
    const calling = call(agent);
    // The handshake has a nonce of its own, so the dialogue begins after it.
    for (const { from, bytes } of dialogue.steps.slice(2)) {
      const wire = unhex(bytes);
      if (from === 'guest') await guest.raw(wire);
      // The host chooses when to grant credit, so its CREDIT frames are not compared.
      else if (wire[4] !== frameKinds.credit) {
        const { kind, stream, lead, body } = await guest.next();
        const hasLead = kind === frameKinds.open || kind === frameKinds.data || kind === frameKinds.message;
        assert.ok(encodeFrame(kind, stream, hasLead ? lead : null, body).equals(wire), `${kind} on ${stream}`);
      }
    }
    await calling;
    await agent.close();
  });
}
