import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { HypervisorReport } from '@novasandbox/engine';
import type { Finding } from './finding.ts';
import { isUsable, renderFindings } from './render.ts';
import { sectionOf } from './section-of.ts';

const findings: readonly Finding[] = [
  { section: 'needed', state: 'fine', subject: 'Node', detail: '24' },
  { section: 'elsewhere', state: 'note', subject: 'apple-vz', detail: 'macOS only', remedy: 'brew install vfkit' },
  { section: 'better', state: 'note', subject: 'qemu, arm64', detail: 'missing', packages: ['qemu-system-arm'] },
  {
    section: 'better',
    state: 'note',
    subject: 'network',
    detail: 'missing',
    packages: ['nftables', 'qemu-system-arm'],
  },
];

test('what matters comes first, what does not last, and all packages of a section at once', () => {
  assert.equal(
    renderFindings(findings),
    `What sandboxes need here
  ✓ Node:              24

What would make them faster, safer or able to do more
  ! qemu, arm64:       missing
  ! network:           missing
  all packages at once: sudo apt-get install qemu-system-arm nftables

What does not apply on this machine
  - apple-vz:          macOS only
      remedy: brew install vfkit

Sandboxes can be made here.
`,
  );
});

test('only what is needed makes a machine unusable', () => {
  assert.ok(isUsable(findings));
  assert.ok(isUsable([...findings, { section: 'better', state: 'broken', subject: 'x', detail: '' }]));
  const broken: readonly Finding[] = [
    ...findings,
    { section: 'needed', state: 'broken', subject: 'disk', detail: 'full' },
  ];
  assert.ok(!isUsable(broken));
  assert.match(renderFindings(broken), / {2}✗ disk: [^]*No sandbox can be made here/);
});

test('a hypervisor that needs KVM, or macOS, does not apply where there is none', () => {
  const report = (name: string, available: boolean, accelerator: string): HypervisorReport =>
    ({ name, probe: { available, accelerator, version: '', binary: '', reason: '' } }) as unknown as HypervisorReport;
  const [firecracker, apple, emulated, quick] = [
    report('firecracker', false, 'none'),
    report('apple-vz', false, 'none'),
    report('qemu', true, 'tcg'),
    report('qemu', true, 'kvm'),
  ];
  const linux = { platform: 'linux', kvmOpens: true } as const;
  assert.equal(sectionOf(emulated, 'used', [emulated, firecracker], linux), 'needed');
  assert.equal(sectionOf(firecracker, 'needed', [emulated, firecracker], linux), 'elsewhere');
  assert.equal(sectionOf(firecracker, 'needed', [quick, firecracker], linux), 'better');
  assert.equal(sectionOf(firecracker, 'needed', [firecracker], linux), 'better');
  assert.equal(sectionOf(firecracker, 'needed', [firecracker], { ...linux, kvmOpens: false }), 'elsewhere');
  assert.equal(sectionOf(apple, 'unused', [apple], linux), 'elsewhere');
  assert.equal(sectionOf(apple, 'unused', [apple], { ...linux, platform: 'darwin' }), 'better');
  assert.equal(sectionOf(report('qemu', false, 'none'), 'used', [], linux), 'better');
});
