import { printable } from '@novasandbox/protocol/visible';
import { sections, type Finding, type Section } from './finding.ts';

const signs: Readonly<Record<Finding['state'], string>> = { fine: '✓', note: '!', broken: '✗' };

/** Only the section `needed` decides whether sandboxes can be created. */
export const isUsable = (findings: readonly Finding[]): boolean =>
  findings.every(({ section, state }) => section !== 'needed' || state !== 'broken');

/** Formats all findings by section, with a last line that sums up the result. */
export function renderFindings(findings: readonly Finding[]): string {
  const shown = Object.entries(sections).map(([section, title]) => renderSection(section as Section, title, findings));
  const verdict = isUsable(findings)
    ? 'Sandboxes can be made here.'
    : 'No sandbox can be made here until everything marked ✗ is fixed.';
  return `${shown.join('')}${verdict}\n`;
}

function renderSection(section: Section, title: string, findings: readonly Finding[]): string {
  const own = findings.filter((finding) => finding.section === section);
  if (own.length === 0) return '';
  // A finding that does not apply on this machine is not a defect.
  const lines = own.map((finding) => renderFinding(finding, section === 'elsewhere' ? '-' : signs[finding.state]));
  const packages = [...new Set(own.flatMap((finding) => finding.packages ?? []))];
  const together = packages.length === 0 ? '' : `  all packages at once: sudo apt-get install ${packages.join(' ')}\n`;
  return `${title}\n${lines.join('')}${together}\n`;
}

function renderFinding({ subject, detail, remedy }: Finding, sign: string): string {
  const mend = remedy === undefined ? '' : `      remedy: ${printable(remedy)}\n`;
  return `  ${sign} ${`${subject}:`.padEnd(18)} ${printable(detail)}\n${mend}`;
}
