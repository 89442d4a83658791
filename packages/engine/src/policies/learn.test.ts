import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Contact } from '@novasandbox/protocol';
import { policyFor } from './learn.ts';

const to = (host: string, port = 443, requests: Contact['requests'] = []): Contact => ({
  ...{ host, address: null, port, requests },
});
const rulesFor = (...contacts: Contact[]) => policyFor(contacts).rules;

test('a name is allowed with exactly the ports that were reached, and nothing else', () => {
  assert.deepEqual(rulesFor(to('b.example.com', 8443), to('a.example.org'), to('b.example.com')), [
    { action: 'allow', host: 'a.example.org', ports: [443] },
    { action: 'allow', host: 'b.example.com', ports: [443, 8443] },
  ]);
  assert.equal(policyFor([]).otherwise, 'deny');
  assert.deepEqual(rulesFor({ host: null, address: '192.0.2.7', port: 5432, requests: [] }), [
    { action: 'allow', cidr: '192.0.2.7', ports: [5432] },
  ]);
});

test('three names below one name are taken together, two are not', () => {
  const below = (...labels: string[]) => labels.map((label) => to(`${label}.cdn.example.com`));
  assert.deepEqual(
    rulesFor(...below('a', 'b')).map(({ host }) => host),
    ['a.cdn.example.com', 'b.cdn.example.com'],
  );
  assert.deepEqual(rulesFor(...below('a', 'b', 'c')), [{ action: 'allow', host: '*.cdn.example.com', ports: [443] }]);
  // Another port is another matter.
  assert.equal(rulesFor(...below('a', 'b'), to('c.cdn.example.com', 80)).length, 3);
});

test('names below which anybody may register one are never taken together', () => {
  for (const suffix of ['co.uk', 'github.io', 'com', 'internal'])
    assert.deepEqual(
      rulesFor(...['a', 'b', 'c', 'd'].map((label) => to(`${label}.${suffix}`))).map(({ host }) => host),
      ['a', 'b', 'c', 'd'].map((label) => `${label}.${suffix}`),
    );
});

test('of plain requests their methods and the folders of their paths are allowed', () => {
  const requests = [
    { method: 'GET', path: '/pool/main/' },
    { method: 'GET', path: '/pool/main/a/' },
    { method: 'HEAD', path: '/dists/' },
  ];
  assert.deepEqual(rulesFor(to('deb.example.org', 80, requests)), [
    {
      ...{ action: 'allow', host: 'deb.example.org', ports: [80] },
      ...{ methods: ['GET', 'HEAD'], paths: ['/dists/', '/pool/main/'] },
    },
  ]);
  // The root covers every path.
  assert.deepEqual(rulesFor(to('a.example.org', 80, [...requests, { method: 'GET', path: '/' }]))[0]?.paths, undefined);
  // What no rule can say is left out, and not guessed.
  const odd = [{ method: 'GET', path: '/a%2f../' }];
  assert.deepEqual(rulesFor(to('a.example.org', 80, odd)), [
    { action: 'allow', host: 'a.example.org', ports: [80], methods: ['GET'] },
  ]);
});
