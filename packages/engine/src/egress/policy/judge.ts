import { isIPv4 } from 'node:net';
import type { DecisionCode, NetworkPolicy } from '@novasandbox/protocol';
import { includes, numberOf, type Surroundings } from './addresses.ts';
import type { CompiledPolicy, CompiledRule } from './compile.ts';
import { coversName } from './names.ts';
import { coversPath, plainPath } from './paths.ts';

/** The destination that a guest wants to reach. */
export interface Target {
  /** In small letters (names.ts). Null: only the address is known. */
  readonly host: string | null;
  /** Null: not known yet. */
  readonly address: string | null;
  readonly port: number;
  /**
   * A request that was read; undefined where the content is not known. `to come`: the requests are read later, each of
   * which is judged then, so that it is allowed where any request may be.
   */
  readonly request?: { readonly method: string; readonly path: string } | 'to come' | undefined;
  /** Somebody was asked and has allowed it, which counts where the policy leaves it open. */
  readonly approved?: boolean | undefined;
}

export interface Verdict {
  readonly allowed: boolean;
  readonly code: DecisionCode;
  /** The text of the rule, `otherwise` or `internal`. */
  readonly rule: string;
  /** Whether a rule about addresses has decided, so that it is the address that may be reached. */
  readonly byAddress: boolean;
  /** The id of the question that it depends on. */
  readonly approval?: string | undefined;
}

/** Judges by the rules alone: the first that matches decides. */
export function judge({ policy, rules }: CompiledPolicy, target: Target): Verdict {
  for (const rule of rules) {
    if (!matches(rule, target)) continue;
    const code = rule.allows ? 'allowed' : 'denied';
    return { allowed: rule.allows, code, rule: rule.text, byAddress: rule.range !== null };
  }
  if (policy.otherwise === 'ask' && target.approved === true)
    return { allowed: true, code: 'allowed', rule: 'approval', byAddress: target.host === null };
  return otherwise(policy);
}

const otherwiseCodes = { allow: 'allowed', deny: 'not_allowed', ask: 'approval_needed' } as const;

const otherwise = ({ otherwise: word }: NetworkPolicy): Verdict => ({
  allowed: word === 'allow',
  code: otherwiseCodes[word],
  rule: 'otherwise',
  byAddress: false,
});

/**
 * Judges an address that is about to be connected to: by the rules, and it must be public unless a rule names its
 * range.
 */
export function judgeAddress(
  compiled: CompiledPolicy,
  target: Target & { readonly address: string },
  surroundings: Surroundings,
): Verdict {
  const verdict = judge(compiled, target);
  if (!verdict.allowed || surroundings.isPublic(target.address)) return verdict;
  const named = surroundings.isNever(target.address)
    ? undefined
    : compiled.rules.find(
        ({ range, ports }) =>
          range !== null &&
          coversAddress(range, target.address) &&
          coversPort(ports, target.port) &&
          surroundings.isInternal(range),
      );
  if (named?.allows === true) return verdict;
  return { allowed: false, code: 'internal_address', rule: named?.text ?? 'internal', byAddress: true };
}

/** Whether anything at all about that name is allowed, so that it may be resolved. */
export function judgeName({ policy, rules }: CompiledPolicy, host: string): Verdict {
  let allowing: CompiledRule | undefined;
  for (const rule of rules) {
    const about = rule.hosts?.filter((each) => coversName(each.host, host)) ?? [];
    if (about.length === 0) continue;
    if (rule.allows) {
      allowing = rule;
      break;
    }
    const isWhole = about.some(({ ports }) => ports === null) && rule.methods === null && rule.paths === null;
    if (isWhole) return { allowed: false, code: 'denied', rule: rule.text, byAddress: false };
  }
  if (allowing !== undefined) return { allowed: true, code: 'allowed', rule: allowing.text, byAddress: false };
  return otherwise(policy);
}

/** Whether a rule names that host, or a part of the names that it is one of, rather than everything. */
export const isNamed = ({ rules }: CompiledPolicy, name: string): boolean =>
  rules.some(
    ({ allows, hosts }) => allows && hosts?.some(({ host }) => host !== '*' && coversName(host, name)) === true,
  );

/** Whether what goes over TLS to that host and port has to be read for the policy. */
export const needsReading = ({ rules }: CompiledPolicy, { host, port }: Target): boolean =>
  host !== null && rules.some((rule) => rule.intercepts && isAbout(rule, { host, address: null, port }));

function matches(rule: CompiledRule, target: Target): boolean {
  return isAbout(rule, target) && fitsRequest(rule, target);
}

function isAbout({ hosts, range, ports }: CompiledRule, { host, address, port }: Target): boolean {
  if (range !== null) return address !== null && coversAddress(range, address) && coversPort(ports, port);
  return (
    hosts?.some(
      (each) => coversPort(each.ports, port) && (host === null ? each.host === '*' : coversName(each.host, host)),
    ) === true
  );
}

/**
 * A rule about requests cannot be applied to what it cannot see, nor to a path that servers read in more than one way.
 * Then it allows nothing, and denies.
 */
function fitsRequest({ allows, methods, paths }: CompiledRule, { request }: Target): boolean {
  if (methods === null && paths === null) return true;
  if (request === undefined) return !allows;
  if (request === 'to come') return allows;
  if (methods?.has(request.method) === false) return false;
  if (paths === null) return true;
  const path = plainPath(request.path);
  return path === null ? !allows : paths.some((prefix) => coversPath(prefix, path));
}

const coversPort = (ports: CompiledRule['ports'], port: number): boolean =>
  ports === null || ports.some(({ first, last }) => first <= port && port <= last);

const coversAddress = (range: NonNullable<CompiledRule['range']>, address: string): boolean =>
  isIPv4(address) && includes(range, numberOf(address));
