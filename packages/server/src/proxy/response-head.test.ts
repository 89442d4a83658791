import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BadHead, tidyHead } from './response-head.ts';

const head = (...lines: string[]): string => lines.join('\r\n');

test('a head that keeps to the rules stays as it is, byte for byte', () => {
  const strict = head(
    'HTTP/1.1 200 OK',
    'x-LOWER: a',
    'X-Twice: 1',
    'X-Twice: 2',
    'X-Latin: caf\xe9 \xff',
    'Content-Length: 5',
  );
  assert.deepEqual(tidyHead(strict), { status: 200, text: `${strict}\r\n\r\n` });
});

test('what servers send loosely is taken as browsers take it', () => {
  const cases: Readonly<Record<string, [said: string, tidy: string]>> = {
    'line feeds alone': ['HTTP/1.0 200 OK\nA: b\nC: d', head('HTTP/1.0 200 OK', 'A: b', 'C: d')],
    'no reason': ['HTTP/1.1 200', 'HTTP/1.1 200'],
    'a reason with bytes': ['HTTP/1.1 404 Nicht gef\xfcnden', 'HTTP/1.1 404 Nicht gef\xfcnden'],
    'a folded line': [head('HTTP/1.1 200 OK', 'A: b', '\t c', 'D: e'), head('HTTP/1.1 200 OK', 'A: b c', 'D: e')],
    'a space before the colon': [head('HTTP/1.1 200 OK', 'A : b'), head('HTTP/1.1 200 OK', 'A: b')],
    'lines that are no header': [
      head('HTTP/1.1 200 OK', 'what', 'a b: c', ': d', 'A: b'),
      head('HTTP/1.1 200 OK', 'A: b'),
    ],
    'a carriage return in a value': [head('HTTP/1.1 200 OK', 'A: b\rC: d'), head('HTTP/1.1 200 OK', 'A: b C: d')],
    'control characters': [head('HTTP/1.1 200 O\x01K', 'A: b\x7fc\x1b[0m'), head('HTTP/1.1 200 O K', 'A: b c [0m')],
    'one length twice': [
      head('HTTP/1.1 200 OK', 'Content-Length: 5', 'A: b', 'content-length: 05'),
      head('HTTP/1.1 200 OK', 'Content-Length: 5', 'A: b'),
    ],
    'one length as a list': [
      head('HTTP/1.1 200 OK', 'Content-Length: 5, 5'),
      head('HTTP/1.1 200 OK', 'Content-Length: 5'),
    ],
    'chunks twice': [
      head('HTTP/1.1 200 OK', 'Transfer-Encoding: chunked', 'Transfer-Encoding: Chunked'),
      head('HTTP/1.1 200 OK', 'Transfer-Encoding: chunked'),
    ],
    'no coding and a length': [
      head('HTTP/1.1 200 OK', 'Transfer-Encoding: identity', 'Content-Length: 5'),
      head('HTTP/1.1 200 OK', 'Content-Length: 5'),
    ],
  };
  for (const [name, [said, tidy]] of Object.entries(cases)) assert.equal(tidyHead(said).text, `${tidy}\r\n\r\n`, name);
});

test('what could be read as two answers is none', () => {
  const ok = 'HTTP/1.1 200 OK';
  for (const said of [
    head(ok, 'Content-Length: 5', 'Content-Length: 6'),
    head(ok, 'Content-Length: 5, 6'),
    head(ok, 'Content-Length: +5'),
    head(ok, 'Content-Length: 5', 'Transfer-Encoding: chunked'),
    head(ok, 'Content-Length: 5', 'Transfer-Encoding : chunked'),
    head(ok, 'Transfer-Encoding: gzip, chunked'),
    head(ok, 'Transfer-Encoding: xchunked'),
    head(ok, 'A: b\0c'),
    'HTTP/2.0 200 OK',
    'SSH-2.0-OpenSSH_9.2',
    'HTTP/1.1 OK',
    '',
  ])
    assert.throws(() => tidyHead(said), BadHead, JSON.stringify(said));
});
