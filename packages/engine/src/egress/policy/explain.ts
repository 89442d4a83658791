import { isIPv4 } from 'node:net';
import type { Explanation, NetworkPolicy, Wish } from '@novasandbox/protocol';
import { surroundingsOf } from './addresses.ts';
import { compile } from './compile.ts';
import { judge, judgeAddress, judgeName, needsReading, type Target, type Verdict } from './judge.ts';
import { nameOf } from './names.ts';
import { remedyFor } from './remedy.ts';

/**
 * Says what a policy does with a wish, and why. Where a name leads is not looked up: an allowed name that leads to an
 * internal address is refused all the same, unless a rule names that address.
 */
export function explain(policy: NetworkPolicy, { host, port, request, tls = false }: Wish): Explanation {
  const compiled = compile(policy);
  if (isIPv4(host)) {
    const target = { host: null, address: host, port, request: tls ? undefined : request };
    return explanationOf(judgeAddress(compiled, target, surroundingsOf()), 'connection', target);
  }
  const name = nameOf(host);
  const plain: Target = { host: name ?? host, address: null, port };
  const target: Target = tls && !needsReading(compiled, plain) ? plain : { ...plain, request };
  if (name === null)
    return explanationOf({ allowed: false, code: 'malformed', rule: 'protocol', byAddress: false }, 'name', target);
  const resolved = judgeName(compiled, name);
  // A name that somebody is asked about gets an address, and is asked about when it is connected to.
  if (!resolved.allowed && resolved.code !== 'approval_needed') return explanationOf(resolved, 'name', target);
  return explanationOf(judge(compiled, target), 'connection', target);
}

const explanationOf = (verdict: Verdict, at: Explanation['at'], target: Target): Explanation => ({
  allowed: verdict.allowed,
  code: verdict.code,
  rule: verdict.rule,
  at,
  remedy: remedyFor(verdict, target),
});
