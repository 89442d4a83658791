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
  /** Series that the driver's conformance suite has passed with, oldest first; each stands for its later releases too. */
  readonly tested: readonly string[];
  /** Later versions that do better, if any, and at what. */
  readonly better: { readonly from: string; readonly why: string } | null;
  readonly problems: readonly KnownProblem[];
}

export type VersionedVmm = 'firecracker' | 'cloud-hypervisor' | 'vfkit' | 'qemu';

/** What is known of the versions of each VMM, from its change log and its security advisories. */
export const versionFacts: Readonly<Record<VersionedVmm, VersionFacts>> = {
  firecracker: {
    floor: '1.16.1',
    tested: ['1.16'],
    better: null,
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
    tested: ['53'],
    better: null,
    problems: [
      {
        from: '0.0',
        fixedIn: '51.2',
        problem: 'use after free in the completion of block requests (CVE-2026-45782)',
        refused: true,
      },
    ],
  },
  vfkit: { floor: '0.6', tested: [], better: null, problems: [] },
  qemu: {
    floor: '7.2',
    tested: ['7.2', '10.0', '11.1'],
    better: { from: '10.0', why: 'emulated guests (without KVM) run their commands about twice as fast' },
    problems: [],
  },
};

/** Problems that a version has. */
export function problemsOf(vmm: VersionedVmm, version: string): readonly KnownProblem[] {
  return versionFacts[vmm].problems.filter(
    ({ from, fixedIn }) => isAtLeast(version, from) && (fixedIn === null || !isAtLeast(version, fixedIn)),
  );
}

/** Whether a version belongs to a series that the driver's conformance suite has passed with. */
const isTested = (vmm: VersionedVmm, version: string): boolean =>
  versionFacts[vmm].tested.some((series) => version === series || version.startsWith(`${series}.`));

/** What a version is worth, in words for people: whether it is tested, and which would do better. */
export function rateVersion(vmm: VersionedVmm, version: string): { readonly tested: string; readonly better: string } {
  const { tested, better } = versionFacts[vmm];
  const others = tested.length === 0 ? 'no version is' : `${tested.join(', ')} ${tested.length === 1 ? 'is' : 'are'}`;
  return {
    tested: isTested(vmm, version) ? 'this version is tested' : `this version is not tested: ${others}`,
    better: better === null || isAtLeast(version, better.from) ? '' : `with ${better.from} or newer ${better.why}`,
  };
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
