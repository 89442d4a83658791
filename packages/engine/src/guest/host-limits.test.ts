import assert from 'node:assert/strict';
import { test } from 'node:test';
import { refuseBeyondHost, tightDisk, vcpusPerThread, type HostSizes, type WantedSizes } from './host-limits.ts';

const host: HostSizes = { memoryMb: 8192, threads: 2, disk: { totalMb: 100_000, freeMb: 40_000 } };

test('what a host does not have is refused with its figure, the field and the remedy', () => {
  const refused: readonly (readonly [WantedSizes, RegExp, number, RegExp])[] = [
    [{ memoryMb: 8193 }, /^memoryMb: 8193 MiB .*\(8192 MiB\)\.$/, 8192, /8192 MiB at most/],
    [{ vcpus: 9 }, /^vcpus: 9 is more .*\(8: 4 for each of its 2 threads\)\.$/, 8, /8 at most/],
    [{ diskSizeMb: 100_001 }, /^diskSizeMb: 100001 MiB .*\(100000 MiB\)\.$/, 100_000, /NOVA_HOME/],
  ];
  for (const [wanted, message, most, hint] of refused) {
    const error = refuseBeyondHost(wanted, host);
    assert.equal(error?.code, 'invalid_argument');
    assert.match(error.message, message);
    assert.match(error.hint, hint);
    assert.equal(error.details['most'], most);
  }
});

test('what it has just so is not refused, nor a disk that nobody asked for', () => {
  assert.equal(refuseBeyondHost({ memoryMb: 8192, vcpus: 2 * vcpusPerThread, diskSizeMb: 100_000 }, host), null);
  assert.equal(
    refuseBeyondHost({ memoryMb: 512, vcpus: 1, diskSizeMb: undefined }, { ...host, disk: { totalMb: 1, freeMb: 0 } }),
    null,
  );
});

test('a disk that is larger than what is free is told of', () => {
  assert.equal(tightDisk({ diskSizeMb: 40_000 }, host), null);
  assert.equal(tightDisk({}, { ...host, disk: { totalMb: 1, freeMb: 0 } }), null);
  assert.match(tightDisk({ diskSizeMb: 40_001 }, host) ?? '', /40001 MiB.* 40000 MiB are free/);
});
