import { isAtLeast } from './verdict.ts';

/** A defect of some versions of a VMM. */
export interface KnownProblem {
  /** The first version that has it, and the first that does not (null: no fixed version is released). */
  readonly from: string;
  readonly fixedIn: string | null;
  readonly problem: string;
  /** True: the version is not used at all. False: its driver works around the defect. */
  readonly refused: boolean;
}

/** Facts about the versions of a VMM, from its change log and its security advisories. */
export interface VersionFacts {
  /** The oldest version the driver works with. */
  readonly floor: string;
  /**
   * Series with which the driver's conformance suite has passed, oldest first. Each stands for its later releases too.
   */
  readonly tested: readonly string[];
  /** Later versions that work better, if any, and in what respect. */
  readonly better: { readonly from: string; readonly why: string } | null;
  readonly problems: readonly KnownProblem[];
}

/** Problems that a version has. */
export function problemsOf({ problems }: VersionFacts, version: string): readonly KnownProblem[] {
  return problems.filter(
    ({ from, fixedIn }) => isAtLeast(version, from) && (fixedIn === null || !isAtLeast(version, fixedIn)),
  );
}

/** Whether a version belongs to a series that the driver's conformance suite has passed with. */
const isTested = ({ tested }: VersionFacts, version: string): boolean =>
  tested.some((series) => version === series || version.startsWith(`${series}.`));

/** Rates a version, in words for people: whether it is tested, and which version would be better. */
export function rateVersion(
  facts: VersionFacts,
  version: string,
): { readonly tested: string; readonly better: string } {
  const { tested, better } = facts;
  const others = tested.length === 0 ? 'no version is' : `${tested.join(', ')} ${tested.length === 1 ? 'is' : 'are'}`;
  return {
    tested: isTested(facts, version) ? 'this version is tested' : `this version is not tested: ${others}`,
    better: better === null || isAtLeast(version, better.from) ? '' : `with ${better.from} or newer ${better.why}`,
  };
}

/** Why a version cannot be used, in words for people; null where it can. */
export function whyNotVersion(facts: VersionFacts, version: string): string | null {
  const { floor } = facts;
  if (!isAtLeast(version, floor)) return `version ${version} is too old: ${floor} or newer is needed`;
  const refused = problemsOf(facts, version).find((each) => each.refused);
  if (refused === undefined) return null;
  const remedy = refused.fixedIn === null ? '' : `: ${refused.fixedIn} or newer is needed`;
  return `version ${version} is known to be bad (${refused.problem})${remedy}`;
}

/** The version in what a VMM prints for `--version`, such as 1.16.1 in "Example v1.16.1"; null where there is none. */
export const versionIn = (said: string): string | null =>
  /(?:^|[\sv])(\d+\.\d+(?:\.\d+)*(?:-[\w.]+)*)/m.exec(said)?.[1] ?? null;
