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

test('a field that there is not is answered with the nearest one', () => {
  assert.throws(
    () => new SandboxConfig({ memroyMb: 256 } as object),
    /unknown key "memroyMb"; did you mean "memoryMb"\?/,
  );
  const extraDrives = [{ path: '/image', mountPaht: '/mnt' }];
  assert.throws(() => new SandboxConfig({ extraDrives } as object), /extraDrives\.0: .*did you mean "mountPath"\?/);
});

test('the template has two names', () => {
  assert.equal(new SandboxConfig({ template: 'minimal' }).templateId, 'minimal');
  assert.equal(new SandboxConfig({ template: 'minimal', templateId: 'minimal' }).templateId, 'minimal');
  assert.throws(() => new SandboxConfig({ template: 'minimal', templateId: 'base' }), {
    code: 'invalid_argument',
    message: /two names of one field, and differ/,
  });
});

test('making one takes less than a millisecond of a processor', () => {
  for (let count = 0; count < 50; count += 1) new SandboxConfig({ memoryMb: 256 });
  const before = process.cpuUsage();
  for (let count = 0; count < 100; count += 1) new SandboxConfig({ memoryMb: 256, labels: { a: 'b' } });
  const { user, system } = process.cpuUsage(before);
  assert.ok((user + system) / 1000 / 100 < 1);
});
