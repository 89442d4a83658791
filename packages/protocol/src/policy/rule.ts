import * as z from 'zod';

/** Kinds of services with a list of hosts of their own (engine/src/egress/policy/presets.ts). */
export const presetNames = [
  'github',
  'gitlab',
  'npm',
  'pypi',
  'crates',
  'go',
  'maven',
  'rubygems',
  'apt',
  'docker',
  'anthropic',
  'openai',
  'google-ai',
  'huggingface',
] as const;
export type PresetName = (typeof presetNames)[number];

const label = '[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?';
/**
 * A name, `*.` before a name for all names below it, or `*`. A last label of digits, also hexadecimal ones, would make
 * it an address, which `cidr` is for.
 */
const hostPattern = new RegExp(String.raw`^(?:\*|(?:\*\.)?(?:${label}\.)*(?!(?:\d+|0x[0-9a-f]*)$)${label})$`, 'i');

export const hostPatternSchema = z
  .string()
  .max(253)
  .regex(hostPattern, 'must be a name such as api.example.com, *.example.com for all names below it, or *');

const octet = String.raw`(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)`;
export const cidrSchema = z
  .string()
  .regex(
    new RegExp(String.raw`^${octet}(?:\.${octet}){3}(?:/(?:3[0-2]|[12]?\d))?$`),
    'must be an IPv4 address or range such as 192.0.2.0/24',
  );

export const portSchema = z.int().min(1).max(65_535);
const isRange = (text: string): boolean => {
  const [first, last] = text.split('-').map(Number) as [number, number];
  return first >= 1 && first <= last && last <= 65_535;
};
/** One port, or a range such as `8000-8100`. */
export const portsSchema = z.union([
  portSchema,
  z
    .string()
    .regex(/^\d{1,5}-\d{1,5}$/, 'must be a range such as 8000-8100')
    .refine(isRange, 'must begin at or below its end, within 1 to 65535'),
]);
export type Ports = z.infer<typeof portsSchema>;

const methodSchema = z.string().regex(/^[A-Z][A-Z-]{0,31}$/, 'must be an HTTP method in capitals');
const pathSchema = z
  .string()
  .max(1024)
  .regex(/^\/[\x21-\x7e]*$/, 'must begin with / and be of printable ASCII')
  .regex(/^[^?#]*$/, 'must not hold a query')
  .regex(/^(?!.*(?:\/\.{1,2}(?:\/|$)|%|\\))/, 'must not hold . or .. as a part, nor % nor \\');

const targets = ['host', 'cidr', 'preset'] as const;
const hasOneTarget = (rule: { readonly [target in (typeof targets)[number]]?: unknown }): boolean =>
  targets.filter((name) => rule[name] !== undefined).length === 1;

/**
 * A rule of a policy. All its conditions have to hold. It names what it is about by exactly one of `host`, `cidr` and
 * `preset`.
 */
export const policyRuleSchema = z
  .strictObject({
    action: z.enum(['allow', 'deny']),
    /** `*.example.com` covers all names below example.com, and not example.com itself; `*` covers everything. */
    host: hostPatternSchema.optional(),
    /** IPv4 addresses. It also covers the addresses that a name leads to. */
    cidr: cidrSchema.optional(),
    /** The hosts of a service, with their ports. */
    preset: z.enum(presetNames).optional(),
    /** Absent: every port, or those of the preset. */
    ports: z.array(portsSchema).min(1).max(16).optional(),
    /** Absent: TCP. */
    protocol: z.enum(['tcp', 'udp', 'icmp']).optional(),
    /** Of requests. For this the proxy reads what goes over TLS to the hosts of the rule. */
    methods: z.array(methodSchema).min(1).max(16).optional(),
    /** Beginnings of paths of requests, as with `methods`: `/a` covers `/a` and all below `/a/`, but not `/ab`. */
    paths: z.array(pathSchema).min(1).max(32).optional(),
    /**
     * Whether the proxy reads what goes over TLS to the hosts of the rule also where it needs not, so that each request
     * is judged and shown by decisions.
     */
    intercept: z.boolean().optional(),
    /** Named by decisions instead of the rule's text. */
    name: z
      .string()
      .regex(/^[\x20-\x7e]{1,64}$/, 'must be 1 to 64 characters of printable ASCII')
      .optional(),
  })
  .refine(hasOneTarget, 'must have exactly one of host, cidr and preset')
  .refine(
    ({ cidr, intercept }) => cidr === undefined || intercept !== true,
    'must have a host or a preset to intercept',
  )
  // For the API's document, which knows nothing of refinements.
  .meta({ oneOf: targets.map((name) => ({ required: [name] })) });
export type PolicyRule = z.output<typeof policyRuleSchema>;
