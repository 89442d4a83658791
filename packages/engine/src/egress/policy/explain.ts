import { isIPv4 } from 'node:net';
import type { DecisionCode, NetworkPolicy } from '@novasandbox/protocol';
import { surroundingsOf } from './addresses.ts';
import { compile } from './compile.ts';
import { judge, judgeAddress, judgeName, needsReading, type Target, type Verdict } from './judge.ts';
import { nameOf } from './names.ts';
import { remedyFor } from './remedy.ts';

/** The destination that a guest wants to reach, as far as it is known without looking anything up. */
export interface Wish {
  /** A name or an IPv4 address. */
  readonly host: string;
  readonly port: number;
  readonly request?: { readonly method: string; readonly path: string } | undefined;
  /** Whether the request goes over TLS, where only some rules have it read. Default: it does not. */
  readonly overTls?: boolean | undefined;
}

export interface Explanation {
  readonly allowed: boolean;
  readonly code: DecisionCode;
  /** The rule that decides; `otherwise`, or `internal`. */
  readonly rule: string;
  /** `name`: the guest gets no address for the name; `connection`: it connects, and is refused then. */
  readonly at: 'name' | 'connection';
  readonly remedy: string | null;
}

/**
 * Says what a policy does with a wish, and why. Where a name leads is not looked up: an allowed name that leads to an
 * internal address is refused all the same, unless a rule names that address.
 */
export function explain(policy: NetworkPolicy, { host, port, request, overTls = false }: Wish): Explanation {
  const compiled = compile(policy);
  if (isIPv4(host)) {
    const target = { host: null, address: host, port, request: overTls ? undefined : request };
    return explanationOf(judgeAddress(compiled, target, surroundingsOf()), 'connection', target);
  }
  const name = nameOf(host);
  const plain: Target = { host: name ?? host, address: null, port };
  const target: Target = overTls && !needsReading(compiled, plain) ? plain : { ...plain, request };
  if (name === null)
    return explanationOf({ allowed: false, code: 'malformed', rule: 'protocol', byAddress: false }, 'name', target);
  const resolved = judgeName(compiled, name);
  if (!resolved.allowed) return explanationOf(resolved, 'name', target);
  return explanationOf(judge(compiled, target), 'connection', target);
}

const explanationOf = (verdict: Verdict, at: Explanation['at'], target: Target): Explanation => ({
  allowed: verdict.allowed,
  code: verdict.code,
  rule: verdict.rule,
  at,
  remedy: remedyFor(verdict, target),
});
