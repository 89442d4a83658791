import { NovaError } from '../errors.ts';
import { parse } from '../parse.ts';
import { cidrSchema, policyRuleSchema, type PolicyRule } from './rule.ts';
import { networkPolicySchema, type NetworkPolicy } from './policy.ts';

const presetPrefix = 'preset:';

/**
 * The rule that a word stands for: a host such as `api.example.com`, `*.example.com` or `*`, with a port or a range of
 * ports behind a colon if wanted; an address or range such as `192.0.2.0/24`; or `preset:github`.
 * @throws NovaError `invalid_argument`
 */
export function ruleOf(action: PolicyRule['action'], word: string): PolicyRule {
  if (word.startsWith(presetPrefix)) return ruleWith(word, { action, preset: word.slice(presetPrefix.length) });
  const [, target = word, ports] = /^(.*?)(?::([^:]*))?$/s.exec(word) ?? [];
  const isAddress = cidrSchema.safeParse(target).success || target.includes('/');
  return ruleWith(word, {
    action,
    ...(isAddress ? { cidr: target } : { host: target }),
    ...(ports === undefined ? {} : { ports: [/^\d+$/.test(ports) ? Number(ports) : ports] }),
  });
}

function ruleWith(word: string, rule: unknown): PolicyRule {
  try {
    return parse(policyRuleSchema, rule, `"${word.slice(0, 300)}"`);
  } catch (error) {
    if (!(error instanceof NovaError)) throw error;
    throw new NovaError(error.code, error.message, {
      cause: error,
      hint: 'Use a host (api.example.com, *.example.com, api.example.com:443), a range (192.0.2.0/24) or preset:github.',
    });
  }
}

/** A policy with rules of words before its own. Those that deny come first, and so hold within what is allowed. */
export function policyOf({
  base,
  allow = [],
  deny = [],
}: {
  readonly base: NetworkPolicy;
  readonly allow?: readonly string[];
  readonly deny?: readonly string[];
}): NetworkPolicy {
  const rules = [...deny.map((word) => ruleOf('deny', word)), ...allow.map((word) => ruleOf('allow', word))];
  return parse(networkPolicySchema, { ...base, rules: [...rules, ...base.rules] }, 'The policy');
}
