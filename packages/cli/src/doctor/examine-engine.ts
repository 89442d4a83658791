import { constants } from 'node:fs';
import { access } from 'node:fs/promises';
import type { Engine, HypervisorReport } from '@novasandbox/engine';
import { isNovaError } from '@novasandbox/protocol';
import { openEngine } from '../open-engine.ts';
import type { Finding, Section } from './finding.ts';
import { sectionOf, type MachineFacts } from './section-of.ts';

/** Reports what the engine finds: hypervisors, which it probes, and templates. */
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
    return { findings: [{ section: 'needed', state: 'broken', subject: 'engine', detail, remedy }], hypervisors: [] };
  }
}

/** A missing hypervisor is not a defect; only having none that works is. */
async function examineHypervisors(reports: readonly HypervisorReport[]): Promise<Finding[]> {
  const machines = reports.filter(({ features }) => features.virtualMachine);
  const facts: MachineFacts = { platform: process.platform, kvmOpens: await opensKvm() };
  const { vmmOf } = await import('@novasandbox/engine');
  const findings = await Promise.all(
    machines.map((report) => examineHypervisor(report, sectionOf(report, vmmOf(report.name)?.kvm, machines, facts))),
  );
  if (machines.some(({ probe }) => probe.available)) return findings.flat();
  const { installRemedy, lackedPackages, vmms } = await import('@novasandbox/engine');
  // A hypervisor that can do without KVM works on most hosts.
  const withoutKvm = vmms.find(({ kvm }) => kvm === 'used')?.remedy;
  const none: Finding = {
    section: 'needed',
    state: 'broken',
    subject: 'hypervisors',
    detail: 'none works on this host',
    remedy: installRemedy() ?? withoutKvm,
    packages: lackedPackages(),
  };
  return [...findings.flat(), none];
}

const opensKvm = (): Promise<boolean> =>
  access('/dev/kvm', constants.R_OK | constants.W_OK).then(
    () => true,
    () => false,
  );

async function examineHypervisor({ name, probe }: HypervisorReport, section: Section): Promise<Finding[]> {
  const { vmmOf, problemsOf, rateVersion } = await import('@novasandbox/engine');
  const vmm = vmmOf(name);
  const facts = vmm?.versions ?? null;
  const problems = facts === null || probe.version === '' ? [] : problemsOf(facts, probe.version);
  const rated = facts === null || probe.version === '' ? null : rateVersion(facts, probe.version);
  const known = problems.map(
    ({ problem, fixedIn }) =>
      `known problem of this version: ${problem}${fixedIn === null ? '' : `, fixed in ${fixedIn}`}`,
  );
  const details = [
    `${probe.version === '' ? '' : `${probe.version}, ${probe.accelerator}: `}${probe.reason}`,
    ...(probe.binary === '' ? [] : [probe.binary]),
    ...(facts === null ? [] : [`needs ${facts.floor} or newer`]),
    ...(rated === null || rated.tested === '' ? [] : [rated.tested]),
    ...known,
  ];
  const found: Finding = {
    section,
    state: probe.available ? 'fine' : 'note',
    subject: name,
    detail: details.join('; '),
    remedy: probe.available ? undefined : vmm?.remedy,
  };
  const better = rated?.better ?? '';
  // With KVM, a newer QEMU brings nothing here.
  const improvable = name === 'qemu' && probe.available && probe.accelerator === 'tcg' && better !== '';
  return improvable ? [found, await newerQemuFinding(better, vmm?.betterFrom)] : [found];
}

/** Tells how to get a version that performs better. */
async function newerQemuFinding(
  detail: string,
  betterFrom: Readonly<Record<string, string>> | undefined,
): Promise<Finding> {
  const { hostSuite } = await import('@novasandbox/engine');
  const remedy =
    betterFrom?.[(await hostSuite()) ?? ''] ??
    'Put a newer QEMU first in the PATH, from your distribution or built from its sources.';
  return { section: 'better', state: 'note', subject: 'newer QEMU', detail, remedy };
}

/** Examines the emulators for guests of other processors. Guests of this host's processor need none of them. */
async function examineForeign(engine: Engine, fresh: boolean): Promise<Finding[]> {
  const { guestArchitectures } = await import('@novasandbox/engine');
  const findings: Finding[] = [];
  for (const { name: architecture, qemu } of guestArchitectures().slice(1)) {
    const reports = await engine.hypervisors({ fresh, architecture }).catch((error: unknown) => {
      // A daemon only reports on its host's own processor.
      if (isNovaError(error, 'feature_unsupported')) return [];
      throw error;
    });
    for (const { name, probe } of reports) {
      findings.push({
        section: 'better',
        state: probe.available ? 'fine' : 'note',
        subject: `${name}, ${architecture}`,
        detail: probe.available ? `${probe.version}, ${probe.accelerator}: ${probe.reason}` : probe.reason,
        remedy: probe.available ? undefined : `sudo apt-get install ${qemu.package} (Debian, Ubuntu)`,
        packages: probe.available ? [] : [qemu.package],
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
      section: 'needed',
      state: built.length > 0 ? 'fine' : 'note',
      subject: 'templates',
      detail: built.length > 0 ? `built: ${built.join(', ')}` : 'none is built yet: the first use builds one',
      remedy: built.length > 0 ? undefined : 'nova template build base',
    },
  ];
}
