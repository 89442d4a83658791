import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SandboxConfig } from './sandbox-config.ts';

test('defaults are filled in', () => {
  const config = new SandboxConfig({ memoryMb: 256 });
  assert.equal(config.templateId, 'base');
  assert.equal(config.memoryMb, 256);
  assert.equal(config.guestPort, 8080);
  assert.equal(config.enableNetwork, true);
});

test('a wrong field is named', () => {
  for (const [input, field] of [
    [{ memoryMb: 0 }, 'memoryMb'],
    [{ vcpus: 999 }, 'vcpus'],
    [{ templateId: '../etc' }, 'templateId'],
    [{ name: 'a/b' }, 'name'],
    [{ nonsense: 1 }, 'nonsense'],
  ] as const) {
    assert.throws(
      () => new SandboxConfig(input as object),
      (error: Error) => 'code' in error && error.code === 'invalid_argument' && error.message.includes(field),
      field,
    );
  }
});

test('making one takes less than a millisecond', () => {
  for (let count = 0; count < 50; count += 1) new SandboxConfig({ memoryMb: 256 });
  const started = performance.now();
  for (let count = 0; count < 100; count += 1) new SandboxConfig({ memoryMb: 256, labels: { a: 'b' } });
  assert.ok((performance.now() - started) / 100 < 1);
});
