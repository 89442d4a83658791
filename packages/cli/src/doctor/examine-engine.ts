import type { HypervisorReport } from '@novasandbox/engine';
import { openEngine } from '../open-engine.ts';
import type { Finding } from './finding.ts';

const installRemedies: Readonly<Record<string, string>> = {
  qemu: 'Install QEMU: sudo apt-get install qemu-system-x86 (Debian, Ubuntu), brew install qemu (macOS).',
};

/** What the engine finds: hypervisors by probing them, templates. */
export async function examineEngine(
  fresh: boolean,
): Promise<{ readonly findings: Finding[]; readonly hypervisors: readonly HypervisorReport[] }> {
  try {
    await using engine = await openEngine();
    const hypervisors = await engine.hypervisors({ fresh });
    return { findings: [...examineHypervisors(hypervisors), ...(await examineTemplates(engine))], hypervisors };
  } catch (error) {
    const detail = error instanceof Error ? error.message : String(error);
    const remedy = error instanceof Error && 'hint' in error ? String(error.hint) : undefined;
    return { findings: [{ state: 'broken', subject: 'engine', detail, remedy }], hypervisors: [] };
  }
}

function examineHypervisors(reports: readonly HypervisorReport[]): Finding[] {
  const machines = reports.filter(({ features }) => features.virtualMachine);
  const usable = machines.some(({ probe }) => probe.available);
  const findings = machines.map(({ name, probe }): Finding => {
    const facts = probe.available ? `${probe.version}, ${probe.accelerator}: ` : '';
    return {
      state: probe.available ? 'fine' : usable ? 'note' : 'broken',
      subject: name,
      detail: `${facts}${probe.reason}`,
      remedy: probe.available ? undefined : installRemedies[name],
    };
  });
  if (machines.length > 0) return findings;
  return [{ state: 'broken', subject: 'hypervisors', detail: 'there is no driver for this system' }];
}

async function examineTemplates(engine: Awaited<ReturnType<typeof openEngine>>): Promise<Finding[]> {
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
