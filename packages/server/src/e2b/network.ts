import { cidrSchema, NovaError, type NetworkPolicyInput, type PolicyChoice } from '@novasandbox/protocol';
import * as z from 'zod';

/** How E2B's clients say what a sandbox may reach, and how it is reached. */

const targetsSchema = z.array(z.string().max(253)).max(256).nullish();

/** Headers that requests to a host get in place of their own. */
const ruleSchema = z.strictObject({
  transform: z.strictObject({ headers: z.record(z.string().max(64), z.string().max(4096)) }),
});

/** What a sandbox may reach. Unknown options are refused where they ask for something. */
const egressSchema = z.looseObject({
  allowOut: targetsSchema,
  denyOut: targetsSchema,
  rules: z.record(z.string().max(253), z.array(ruleSchema).max(8)).nullish(),
});

export const networkSchema = egressSchema.extend({
  allowPublicTraffic: z.boolean().nullish(),
  /** A host, with a port or without one. `${PORT}` stands for the port of the sandbox that is asked. */
  maskRequestHost: z
    .string()
    .max(253)
    .regex(/^(?:[a-z0-9.-]|\$\{PORT\})+(?::(?:\d{1,5}|\$\{PORT\}))?$/i, 'must be a host, such as localhost:${PORT}')
    .nullish(),
  httpsPorts: z.array(z.int().min(1).max(65_535)).max(64).nullish(),
});
export type NetworkOptions = z.output<typeof networkSchema>;

/** Of a running sandbox. What is left out is open again, as with E2B. */
export const networkUpdateSchema = egressSchema.extend({ allow_internet_access: z.boolean().nullish() });

const everything = '0.0.0.0/0';

/**
 * The policy that E2B's options mean. What is allowed holds also where it is denied, as with E2B. Null: nothing was
 * said.
 * @throws NovaError `invalid_argument` for names that are allowed although all else is too, as E2B does
 */
export function policyOfNetwork(
  { allowOut, denyOut }: Pick<NetworkOptions, 'allowOut' | 'denyOut'>,
  allowsInternet = true,
): NetworkPolicyInput | null {
  const allowed = allowOut ?? [];
  const denied = denyOut ?? [];
  if (allowed.length === 0 && denied.length === 0) return allowsInternet ? null : { otherwise: 'deny' };
  const deniesAll = !allowsInternet || denied.includes(everything);
  if (!deniesAll && allowed.some((each) => !isAddress(each)))
    throw new NovaError('invalid_argument', `network.allowOut: names need ${everything} in denyOut.`, {
      hint: 'Names are allowed where all other traffic is denied.',
    });
  return {
    rules: [
      ...allowed.map((each) => ({ action: 'allow' as const, ...targetOf(each) })),
      ...denied.filter((each) => each !== everything).map((each) => ({ action: 'deny' as const, ...targetOf(each) })),
    ],
    otherwise: deniesAll ? 'deny' : 'allow',
  };
}

/**
 * The options that mean a policy, as far as E2B's options can say it: hosts, names and ranges, without their ports. A
 * policy with a name is not told.
 */
export function networkOfPolicy(policy: PolicyChoice | undefined): {
  readonly allowOut?: readonly string[];
  readonly denyOut?: readonly string[];
} {
  if (policy === 'none') return { denyOut: [everything] };
  if (policy === undefined || typeof policy === 'string') return {};
  const targets = (wanted: 'allow' | 'deny'): string[] =>
    policy.rules.filter(({ action }) => action === wanted).flatMap(({ host, cidr }) => host ?? cidr ?? []);
  const [allowOut, denied] = [targets('allow'), targets('deny')];
  const denyOut = policy.otherwise === 'deny' ? [...denied, everything] : denied;
  return { ...(allowOut.length === 0 ? {} : { allowOut }), ...(denyOut.length === 0 ? {} : { denyOut }) };
}

const isAddress = (text: string): boolean => cidrSchema.safeParse(text).success;
const targetOf = (text: string): { readonly cidr: string } | { readonly host: string } =>
  isAddress(text) ? { cidr: text } : { host: text };

/** Throws `not_implemented` for options that are not there yet, so that none is left out silently. */
export function refuseOtherOptions(options: z.output<typeof egressSchema>, known: z.ZodObject): void {
  for (const [name, value] of Object.entries(options)) {
    if (name in known.shape) continue;
    const isEmpty = value === undefined || value === null || value === false;
    if (!isEmpty && (typeof value !== 'object' || Object.keys(value).length > 0))
      throw new NovaError('not_implemented', `network.${name} is not there yet.`);
  }
}
