import type { Engine, HypervisorReport, VersionedVmm } from '@novasandbox/engine';
import { isNovaError, type HypervisorName } from '@novasandbox/protocol';
import { openEngine } from '../open-engine.ts';
import type { Finding } from './finding.ts';

const installRemedies: Readonly<Partial<Record<HypervisorName, string>>> = {
  qemu: 'Install QEMU: sudo apt-get install qemu-system-x86 (Debian, Ubuntu), brew install qemu (macOS).',
  firecracker: 'nova setup firecracker (Linux with KVM)',
  'cloud-hypervisor': 'nova setup cloud-hypervisor (Linux with KVM)',
  'apple-vz': 'brew install vfkit (macOS)',
};

/** How to get a version that does better, by the suite of Debian that the host runs. */
const newerQemu: Readonly<Record<string, string>> = {
  bookworm:
    "echo 'deb http://deb.debian.org/debian bookworm-backports main' | sudo tee /etc/apt/sources.list.d/backports.list; " +
    'sudo apt-get update; sudo apt-get install -t bookworm-backports qemu-system-x86',
};

const vmmOf: Readonly<Partial<Record<HypervisorName, VersionedVmm>>> = {
  qemu: 'qemu',
  firecracker: 'firecracker',
  'cloud-hypervisor': 'cloud-hypervisor',
  'apple-vz': 'vfkit',
};

/** What the engine finds: hypervisors by probing them, templates. */
export async function examineEngine(
  fresh: boolean,
): Promise<{ readonly findings: Finding[]; readonly hypervisors: readonly HypervisorReport[] }> {
  try {
    await using engine = await openEngine();
    const hypervisors = await engine.hypervisors({ fresh });
    return {
      findings: [
        ...(await examineHypervisors(hypervisors)),
        ...(await examineForeign(engine, fresh)),
        ...(await examineTemplates(engine)),
      ],
      hypervisors,
    };
  } catch (error) {
    const detail = error instanceof Error ? error.message : String(error);
    const remedy = error instanceof Error && 'hint' in error ? String(error.hint) : undefined;
    return { findings: [{ state: 'broken', subject: 'engine', detail, remedy }], hypervisors: [] };
  }
}

/** Absence of one is no defect; that none works is. */
async function examineHypervisors(reports: readonly HypervisorReport[]): Promise<Finding[]> {
  const machines = reports.filter(({ features }) => features.virtualMachine);
  const findings = await Promise.all(machines.map(examineHypervisor));
  if (machines.some(({ probe }) => probe.available)) return findings;
  const detail = 'none works on this host';
  return [...findings, { state: 'broken', subject: 'hypervisors', detail, remedy: installRemedies.qemu }];
}

async function examineHypervisor({ name, probe }: HypervisorReport): Promise<Finding> {
  const { versionFacts, problemsOf, rateVersion, hostSuite } = await import('@novasandbox/engine');
  const vmm = vmmOf[name];
  const facts = vmm === undefined ? null : versionFacts[vmm];
  const problems = vmm === undefined || probe.version === '' ? [] : problemsOf(vmm, probe.version);
  const rated = vmm === undefined || probe.version === '' ? null : rateVersion(vmm, probe.version);
  const known = problems.map(
    ({ problem, fixedIn }) => `known of this version: ${problem}${fixedIn === null ? '' : `, fixed in ${fixedIn}`}`,
  );
  const details = [
    `${probe.version === '' ? '' : `${probe.version}, ${probe.accelerator}: `}${probe.reason}`,
    ...(probe.binary === '' ? [] : [probe.binary]),
    ...(facts === null ? [] : [`needs ${facts.floor} or newer`]),
    ...(rated === null ? [] : [rated.tested, rated.better].filter((text) => text !== '')),
    ...known,
  ];
  return {
    state: probe.available ? 'fine' : 'note',
    subject: name,
    detail: details.join('; '),
    remedy: probe.available ? await improvement() : installRemedies[name],
  };

  /** How to get a version that does better, where there is one for this host. KVM does not need it. */
  async function improvement(): Promise<string | undefined> {
    if (name !== 'qemu' || probe.accelerator !== 'tcg' || rated === null || rated.better === '') return undefined;
    return newerQemu[(await hostSuite()) ?? ''];
  }
}

/** What emulates guests of other processors. None of it is needed for those of this one. */
async function examineForeign(engine: Engine, fresh: boolean): Promise<Finding[]> {
  const { guestArchitectures } = await import('@novasandbox/engine');
  const findings: Finding[] = [];
  for (const { name: architecture, qemu } of guestArchitectures().slice(1)) {
    const reports = await engine.hypervisors({ fresh, architecture }).catch((error: unknown) => {
      // A daemon tells about its host's own processor.
      if (isNovaError(error, 'feature_unsupported')) return [];
      throw error;
    });
    for (const { name, probe } of reports) {
      findings.push({
        state: probe.available ? 'fine' : 'note',
        subject: `${name}, ${architecture}`,
        detail: probe.available ? `${probe.version}, ${probe.accelerator}: ${probe.reason}` : probe.reason,
        remedy: probe.available ? undefined : `sudo apt-get install ${qemu.package} (Debian, Ubuntu)`,
      });
    }
  }
  return findings;
}

async function examineTemplates(engine: Engine): Promise<Finding[]> {
  const templates = await engine.templates.list();
  const built = templates.filter((template) => template.built).map(({ id }) => id);
  return [
    {
      state: built.length > 0 ? 'fine' : 'note',
      subject: 'templates',
      detail: built.length > 0 ? `built: ${built.join(', ')}` : 'none is built yet: the first use builds one',
      remedy: built.length > 0 ? undefined : 'nova template build base',
    },
  ];
}
