import assert from 'node:assert/strict';
import { test } from 'node:test';
import { maxPinnedNames } from '@novasandbox/protocol';
import { explainingAddress, isOfNames, pinnedNameTable } from './pinned-names.ts';

test('a name keeps its address, also in a table that is made anew', () => {
  const table = pinnedNameTable([]);
  const address = table.addressOf('api.example.com') ?? '';
  assert.ok(isOfNames(address));
  assert.equal(table.addressOf('api.example.com'), address);
  assert.equal(table.nameAt(address), 'api.example.com');
  assert.equal(pinnedNameTable([]).addressOf('api.example.com'), address);
  assert.equal(pinnedNameTable(table.all()).nameAt(address), 'api.example.com');
  const taken = pinnedNameTable([{ name: 'other.example.com', address }]);
  assert.notEqual(taken.addressOf('api.example.com'), address);
});

test('a sandbox has its share of names, each with an address of its own, and no more', () => {
  const table = pinnedNameTable([]);
  const addresses = Array.from({ length: maxPinnedNames + 10 }, (_, index) => table.addressOf(`n${index}.wild.test`));
  const given = addresses.filter((address) => address !== null);
  assert.equal(new Set(given).size, maxPinnedNames);
  assert.ok(given.every((address) => isOfNames(address) && address !== explainingAddress));
  assert.equal(addresses.at(-1), null);
  assert.notEqual(table.addressOf('n0.wild.test'), null);
});
