import type { StepUpdate } from '../artifacts/step.ts';

/** Where each phase of mmdebstrap begins, from 0 to 1, by how long the phases take. */
const phases = [
  { begins: /^I: running apt-get update/, from: 0, to: 0.08, label: 'reading package lists' },
  { begins: /^I: downloading packages with apt/, from: 0.08, to: 0.15, label: 'downloading the essential packages' },
  { begins: /^I: extracting archives/, from: 0.15, to: 0.2, label: 'extracting the essential packages' },
  { begins: /^I: installing essential packages/, from: 0.2, to: 0.5, label: 'essential packages' },
  { begins: /^I: installing remaining packages/, from: 0.5, to: 0.92, label: 'packages' },
  { begins: /^nova: making the image/, from: 0.93, to: 0.98, label: 'writing the image' },
] as const;

/**
 * Reads mmdebstrap's verbose output line by line and reports its progress. In the phases that install, it counts the
 * packages unpacked and set up against the number that apt announced.
 */
export function bootstrapProgress(update: StepUpdate): (line: string) => void {
  let phase: (typeof phases)[number] = phases[0];
  let packages = 0;
  let unpacked = 0;
  let configured = 0;
  return (line) => {
    const entered = phases.find(({ begins }) => begins.test(line));
    if (entered !== undefined) {
      phase = entered;
      unpacked = 0;
      configured = 0;
      update(phase.label, phase.from);
      return;
    }
    packages = Number(/^\d+ upgraded, (\d+) newly installed/.exec(line)?.[1] ?? packages);
    const [, action, name] = /^(Unpacking|Setting up) ([^\s:]+)/.exec(line) ?? [];
    if (action === undefined || name === undefined || packages === 0) return;
    if (action === 'Unpacking') unpacked += 1;
    else configured += 1;
    const share = Math.min(1, (unpacked + configured) / (2 * packages));
    const count = action === 'Unpacking' ? unpacked : configured;
    update(
      `${action === 'Unpacking' ? 'unpacking' : 'setting up'} ${name} (${Math.min(count, packages)} of ${packages})`,
      phase.from + share * (phase.to - phase.from),
    );
  };
}
