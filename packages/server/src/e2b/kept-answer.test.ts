import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { SandboxInfo } from '@novasandbox/protocol';
import { sandboxOfAnswer } from './kept-answer.ts';

const info: SandboxInfo = {
  id: 'box1aaaaaaaaaaaaaaaa',
  name: null,
  owner: null,
  team: null,
  state: 'running',
  templateId: 'base',
  hypervisor: 'qemu',
  architecture: 'amd64',
  memoryMb: 512,
  vcpus: 1,
  diskSizeMb: 1024,
  enableNetwork: true,
  hostPort: null,
  guestPort: 8080,
  labels: {},
  createdAt: '2026-01-01T00:00:00.000Z',
  startedAt: null,
  stoppedAt: null,
  expiresAt: null,
  ephemeral: false,
  onTimeout: 'stop',
  autoResume: false,
  metadata: { bootTimeMs: null, bootKind: null, accelerator: null },
  reason: null,
  fullDisks: [],
  forkedFrom: null,
  snapshotId: null,
  restoredAt: null,
  volumes: [],
  networks: [],
};

test('a kept answer tells of the sandbox as it was made; one that an earlier version kept, of the sandbox as it is', async () => {
  const today = { ...info, state: 'stopped' } as const;
  const find = async (id: string): Promise<SandboxInfo | null> => (id === info.id ? today : null);
  assert.deepEqual(await sandboxOfAnswer(JSON.stringify(info), find), info);
  const { owner: _owner, team: _team, ...earlier } = info;
  assert.deepEqual(await sandboxOfAnswer(JSON.stringify(earlier), find), today);
  const gone = JSON.stringify({ ...earlier, id: 'gone0000000000000000' });
  await assert.rejects(sandboxOfAnswer(gone, find), { code: 'idempotency_conflict' });
});
