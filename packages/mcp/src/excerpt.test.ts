import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Excerpt } from './excerpt.ts';

const excerptOf = (text: string, most: number, piece: number, start = 0): Excerpt => {
  const excerpt = new Excerpt(most, start);
  const bytes = Buffer.from(text);
  for (let at = 0; at < bytes.length; at += piece) excerpt.add(bytes.subarray(at, at + piece));
  return excerpt;
};

test('what fits is whole, however it arrives', () => {
  for (const piece of [1, 3, 100]) {
    const text = 'äöü'.repeat(10);
    assert.deepEqual(excerptOf(text, 60, piece).show(), { text, omitted: 0, omittedFrom: 0 });
  }
});

test('of what does not fit, beginning and end are kept, with the place of what is missing', () => {
  for (const piece of [1, 7, 64, 10_000]) {
    const text = Array.from({ length: 1000 }, (_, line) => `line ${line}\n`).join('');
    const excerpt = excerptOf(text, 100, piece, 500);
    const { text: shown, omitted, omittedFrom } = excerpt.show();
    assert.equal(excerpt.total, text.length);
    assert.equal(omitted, text.length - 100);
    assert.equal(omittedFrom, 550);
    const mark = `\n[... ${omitted} bytes left out, from offset 550 on ...]\n`;
    assert.equal(shown, text.slice(0, 50) + mark + text.slice(-50));
  }
});

test('no character is cut in two', () => {
  for (let most = 8; most < 40; most++) {
    const { text, omitted } = excerptOf('€'.repeat(100), most, 5).show();
    assert.ok(!text.includes('\ufffd'), text);
    assert.equal(Buffer.from(text.replace(/\n\[.*\]\n/s, '')).length + omitted, 300);
  }
});

test('a stream of any length takes bounded memory', () => {
  const excerpt = new Excerpt(1000);
  const piece = new Uint8Array(64 * 1024).fill(0x61);
  const before = process.memoryUsage().arrayBuffers;
  for (let round = 0; round < 4000; round++) excerpt.add(piece);
  assert.equal(excerpt.total, 4000 * piece.length);
  assert.equal(excerpt.show().text.replace(/\n\[.*\]\n/s, '').length, 1000);
  assert.ok(process.memoryUsage().arrayBuffers - before < 64 * 1024 * 1024);
});
