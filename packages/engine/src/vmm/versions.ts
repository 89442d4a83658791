import { isAtLeast } from './verdict.ts';

/** A defect of some versions of a VMM. */
export interface KnownProblem {
  /** The first version that has it, and the first that does not (null: none is released). */
  readonly from: string;
  readonly fixedIn: string | null;
  readonly problem: string;
  /** Such a version is not used at all; otherwise its driver works around it. */
  readonly refused: boolean;
}

export interface VersionFacts {
  /** The oldest version the driver works with. */
  readonly floor: string;
  readonly problems: readonly KnownProblem[];
}

export type VersionedVmm = 'firecracker' | 'cloud-hypervisor' | 'vfkit' | 'qemu';

/** What is known of the versions of each VMM, from its change log and its security advisories. */
export const versionFacts: Readonly<Record<VersionedVmm, VersionFacts>> = {
  firecracker: {
    floor: '1.16.1',
    problems: [
      {
        from: '1.16.0',
        fixedIn: '1.16.1',
        problem: 'vsock connections of the guest time out after a restore (#5958)',
        refused: true,
      },
      {
        from: '1.16.0',
        fixedIn: '1.17.0',
        problem:
          'after pause and resume without a snapshot in between, vsock delivers nothing to the guest any more (#6100)',
        refused: false,
      },
      {
        from: '1.15.0',
        fixedIn: '1.15.1',
        problem: 'a guest can write beyond its queues with virtio over PCI (CVE-2026-5747)',
        refused: true,
      },
      {
        from: '1.13.0',
        fixedIn: '1.14.4',
        problem: 'a guest can write beyond its queues with virtio over PCI (CVE-2026-5747)',
        refused: true,
      },
      {
        from: '0.0.0',
        fixedIn: '1.14.1',
        problem: 'the jailer follows links that others can make (CVE-2026-1386)',
        refused: true,
      },
    ],
  },
  'cloud-hypervisor': {
    floor: '52',
    problems: [
      {
        from: '0.0',
        fixedIn: '51.2',
        problem: 'use after free in the completion of block requests (CVE-2026-45782)',
        refused: true,
      },
    ],
  },
  vfkit: { floor: '0.6', problems: [] },
  qemu: { floor: '7.2', problems: [] },
};

/** Problems that a version has. */
export function problemsOf(vmm: VersionedVmm, version: string): readonly KnownProblem[] {
  return versionFacts[vmm].problems.filter(
    ({ from, fixedIn }) => isAtLeast(version, from) && (fixedIn === null || !isAtLeast(version, fixedIn)),
  );
}

/** Why a version cannot be used, in words for people; null where it can. */
export function whyNotVersion(vmm: VersionedVmm, version: string): string | null {
  const { floor } = versionFacts[vmm];
  if (!isAtLeast(version, floor)) return `version ${version} is too old: ${floor} or newer is needed`;
  const refused = problemsOf(vmm, version).find((each) => each.refused);
  if (refused === undefined) return null;
  const remedy = refused.fixedIn === null ? '' : `: ${refused.fixedIn} or newer is needed`;
  return `version ${version} is known to be bad (${refused.problem})${remedy}`;
}

/** The version in what a VMM prints for `--version`, such as 1.16.1 of "Firecracker v1.16.1"; null where there is none. */
export const versionIn = (said: string): string | null =>
  /(?:^|[\sv])(\d+\.\d+(?:\.\d+)*(?:-[\w.]+)*)/m.exec(said)?.[1] ?? null;
