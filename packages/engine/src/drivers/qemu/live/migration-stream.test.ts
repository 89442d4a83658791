import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isNovaError } from '@novasandbox/protocol';
import { devicesOf, headOf, StreamSplitter, type Page } from './migration-stream.ts';

const u32 = (value: number): Buffer => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
};
const u64 = (value: number): Buffer => {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(BigInt(value));
  return bytes;
};
const text = (value: string): Buffer => Buffer.concat([Buffer.of(value.length), Buffer.from(value)]);
const footer = Buffer.concat([Buffer.of(0x7e), u32(2)]);
const endOfSection = u64(0x10);
const filled = (byte: number): Buffer => Buffer.alloc(4096, byte);

const memoryBytes = 4 * 4096;
const header = Buffer.concat([u32(0x5145564d), u32(3)]);
const capabilities = ['configuration/capabilities', 1, 'x-ignore-shared'] as const;
const configuration = Buffer.concat([
  Buffer.of(7),
  u32(7),
  Buffer.from('microvm'),
  ...[Buffer.of(5), text(capabilities[0]), u32(1), u32(capabilities[1]), text(capabilities[2])],
]);
const blocks = Buffer.concat([
  ...[Buffer.of(1), u32(2), text('ram'), u32(0), u32(4)],
  ...[u64((memoryBytes + 4096) | 4), text('ram0'), u64(memoryBytes), u64(0), text('rom'), u64(4096), u64(0xffff0000)],
  ...[endOfSection, footer],
]);
/** Two pages of memory, of which the second comes in a section of its own, an empty one, and one of a ROM. */
const pages = Buffer.concat([
  ...[Buffer.of(2), u32(2), u64(4096 | 0x08), text('ram0'), filled(1), endOfSection, footer],
  ...[Buffer.of(2), u32(2), u64(8192 | 0x28), filled(2), u64(0x22), Buffer.of(0)],
  ...[u64(0x08), text('rom'), filled(9), endOfSection, footer],
]);
const emptySection = Buffer.concat([Buffer.of(2), u32(2), endOfSection, footer]);
const romPages = Buffer.concat([...[Buffer.of(2), u32(2), u64(0x08), text('rom'), filled(9), endOfSection, footer]]);
const end = Buffer.concat([Buffer.of(3), u32(2), endOfSection, footer]);
const devices = Buffer.concat([Buffer.of(4), u32(0), text('timer'), u32(0), u32(2), Buffer.from('whatever')]);
/** Number, length, and as many bytes. */
const command = Buffer.from([8, 0, 1, 0, 2, 0xab, 0xcd]);
const stream = Buffer.concat([header, configuration, command, blocks, pages, end, devices]);
const head = Buffer.concat([header, configuration, command, blocks, emptySection, romPages, end]);

function refused(body: () => unknown, why: RegExp): void {
  assert.throws(body, (error) => isNovaError(error, 'snapshot_failed') && why.test(error.message));
}

test('a stream is taken apart into the pages of the memory and its head, however it is cut into pieces', () => {
  for (const size of [1, 7, 4096, stream.length]) {
    const splitter = new StreamSplitter(memoryBytes);
    const found: Page[] = [];
    for (let at = 0; at < stream.length; at += size)
      for (const { offset, bytes } of splitter.push(stream.subarray(at, at + size)))
        found.push({ offset, bytes: Buffer.from(bytes) });
    assert.deepEqual(found, [
      { offset: 4096, bytes: filled(1) },
      { offset: 8192, bytes: filled(2) },
    ]);
    assert.ok(splitter.end().equals(head));
  }
});

test('the head of a template, whose memory lies in a file, is all before its devices', () => {
  const state = Buffer.concat([header, configuration, command, blocks, romPages, end, devices]);
  assert.ok(headOf(state).equals(state.subarray(0, state.length - devices.length)));
});

test('streams that are cut short, are no streams, or do not fit are refused', () => {
  refused(() => headOf(Buffer.from('not a stream of QEMU at all')), /magic/);
  for (const length of [0, 8, header.length + 3, stream.length - devices.length])
    refused(() => {
      const splitter = new StreamSplitter(memoryBytes);
      splitter.push(stream.subarray(0, length));
      splitter.end();
    }, /cut short/);
  refused(() => new StreamSplitter(8192).push(stream), /beyond the memory/);
  refused(() => headOf(Buffer.concat([header, configuration, devices])), /before its memory/);
  refused(() => headOf(Buffer.concat([header, Buffer.of(0x55), u32(1), endOfSection])), /unknown type/);
  const endless = Buffer.concat([header, Buffer.of(1), u32(2), text('ram'), u32(0), u32(4), u64(2 ** 50)]);
  const block = Buffer.concat([text('x'), u64(1), u64(0)]);
  refused(() => headOf(Buffer.concat([endless, ...Array.from({ length: 1100 }, () => block)])), /no end/);
});

test('the state of devices follows a head without its own header, and a broken one is refused', () => {
  const saved = Buffer.concat([header, devices, Buffer.of(0)]);
  assert.ok(devicesOf(saved).equals(Buffer.concat([devices, Buffer.of(0, 6, 0, 0, 0, 0)])));
  refused(() => devicesOf(saved.subarray(0, -1)), /cut short/);
  refused(() => devicesOf(Buffer.alloc(100)), /magic/);
});
