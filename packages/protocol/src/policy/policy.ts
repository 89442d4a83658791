import * as z from 'zod';
import { NovaError } from '../errors.ts';
import { policyRuleSchema, type PolicyRule } from './rule.ts';

/** Caps on the traffic of one sandbox. */
export const policyLimitsSchema = z.strictObject({
  /** Connections at once. */
  connections: z.int().min(1).max(8192).default(1024),
  newConnectionsPerSecond: z.int().min(1).max(10_000).default(200),
  /** Of all connections together, in both directions. Absent: no limit. */
  bytesPerSecond: z.int().min(1024).max(1e11).optional(),
  /** Since the policy was put in force, in both directions. Absent: no limit. */
  bytes: z.int().min(1).max(1e15).optional(),
});
export type PolicyLimits = z.output<typeof policyLimitsSchema>;

/** Says what a sandbox may reach. The first rule that matches decides; where none does, `otherwise` decides. */
export const networkPolicySchema = z.strictObject({
  rules: z.array(policyRuleSchema).max(256).default([]),
  /**
   * `ask`: a connection that no rule is about is held until somebody approves or denies it, for a few seconds; after
   * that it is denied, and a later one finds the answer.
   */
  otherwise: z.enum(['deny', 'allow', 'ask']).default('deny'),
  /**
   * The answer to a query for a name that is denied: `refused` is NXDOMAIN with the reason, `explained` is an address
   * whose HTTP answers give the reason.
   */
  deniedNames: z.enum(['refused', 'explained']).default('refused'),
  limits: policyLimitsSchema.default({ connections: 1024, newConnectionsPerSecond: 200 }),
});
export type NetworkPolicy = z.output<typeof networkPolicySchema>;
export type NetworkPolicyInput = z.input<typeof networkPolicySchema>;

/** The policies that exist by themselves. No other policy can have their names. */
export const builtInPolicies = {
  /** Nothing is reachable. */
  none: networkPolicySchema.parse({ otherwise: 'deny' }),
  /** Everything is reachable but the host, other sandboxes and private networks. */
  all: networkPolicySchema.parse({ otherwise: 'allow' }),
} as const satisfies Record<string, NetworkPolicy>;

/** Whether a rule needs that the requests within TLS are read. */
export const readsTls = ({ intercept, methods, paths }: PolicyRule): boolean =>
  intercept === true || methods !== undefined || paths !== undefined;

/**
 * Throws `not_implemented` for rules that cannot be enforced yet, so that no policy promises more than it does.
 * @throws NovaError `not_implemented`
 */
export function requireSupported({ rules }: NetworkPolicy): void {
  for (const [index, rule] of rules.entries()) {
    const problem = problemOf(rule);
    if (problem !== null)
      throw new NovaError('not_implemented', `rules.${index}: ${problem.what}`, { hint: problem.remedy });
  }
}

function problemOf({
  protocol = 'tcp',
  cidr,
  ports,
  methods,
  paths,
}: PolicyRule): { what: string; remedy: string } | null {
  if (protocol !== 'tcp')
    return {
      what: `rules about ${protocol} are not there yet, and all of it but name service is refused.`,
      remedy: 'Leave the rule out.',
    };
  const reachesHttps = ports === undefined || ports.some((each) => covers(each, 443));
  // A certificate is for a name.
  if (cidr !== undefined && (methods !== undefined || paths !== undefined) && reachesHttps)
    return {
      what: 'methods and paths cannot be seen within HTTPS to an address.',
      remedy: 'Name the host, add ports without 443, such as [80], for plain HTTP, or leave out methods and paths.',
    };
  return null;
}

function covers(ports: number | string, port: number): boolean {
  if (typeof ports === 'number') return ports === port;
  const [first = 0, last = 0] = ports.split('-').map(Number);
  return first <= port && port <= last;
}
