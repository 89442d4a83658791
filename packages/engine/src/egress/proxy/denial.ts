import type { Decision } from '@novasandbox/protocol';
import type { Verdict } from '../policy/judge.ts';

export const unsupported: Verdict = { allowed: false, code: 'unsupported', rule: 'protocol', byAddress: false };
export const malformed: Verdict = { ...unsupported, code: 'malformed' };

/** HTTP statuses of denials. */
export function statusOf(code: Verdict['code']): readonly [number, string] {
  if (code === 'malformed') return [400, 'Bad Request'];
  if (code === 'unsupported') return [405, 'Method Not Allowed'];
  if (code === 'misdirected') return [421, 'Misdirected Request'];
  if (code === 'secret_spent') return [429, 'Too Many Requests'];
  return code === 'unreachable' || code === 'untrusted' || code === 'unreadable'
    ? [502, 'Bad Gateway']
    : [403, 'Forbidden'];
}

/** Explains a denial as JSON. */
export function explanationOf(decision: Omit<Decision, 'at'>): string {
  const { code, rule, approval, remedy, host, address, port, sandbox } = decision;
  return `${JSON.stringify({ code, rule, approval, remedy, host, address, port, sandbox })}\n`;
}

/** A secret was removed, or its budget was used up, while a request with it was read. */
export const spentOf = (secrets: readonly string[]): Verdict => ({
  allowed: false,
  code: 'secret_spent',
  rule: `secret ${secrets.join(', ')}`,
  byAddress: false,
});
