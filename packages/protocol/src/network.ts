import * as z from 'zod';
import { nameSchema, sandboxIdSchema, sandboxStateSchema } from './sandbox.ts';

/** A private network: sandboxes that join it reach each other by address and by name, and nobody else reaches them. */

/**
 * A name is one part of a domain name, because `<sandbox>.<network>` is the name of a member. All digits would make
 * that an address.
 */
const networkNameSchema = z
  .string()
  .regex(/^(?!\d+$)[a-z0-9](?:[a-z0-9-]{0,30}[a-z0-9])?$/, 'must be up to 32 small letters, digits and hyphens');

/** The private ranges of RFC 1918, in which subnets lie, and the longest and shortest prefix of a subnet. */
const privateRanges = [
  { first: [10, 0], prefix: 8 },
  { first: [172, 16], prefix: 12 },
  { first: [192, 168], prefix: 16 },
] as const;
const shortestPrefix = 16;
const longestPrefix = 29;

export interface Subnet {
  /** Its first address, as a number. */
  readonly first: number;
  readonly prefix: number;
  /** The number of its addresses, with the first and the last, which nobody has. */
  readonly size: number;
}

/** Reads `a.b.c.d/n`; null where it is no subnet, or one with bits beyond its prefix. */
export function subnetOf(text: string): Subnet | null {
  const [, address = '', digits = ''] = /^((?:\d{1,3}\.){3}\d{1,3})\/(\d{1,2})$/.exec(text) ?? [];
  const bytes = address.split('.').map(Number);
  const prefix = Number(digits);
  if (address === '' || bytes.some((byte) => byte > 255) || prefix > 32) return null;
  const first = bytes.reduce((sum, byte) => sum * 256 + byte, 0);
  const size = 2 ** (32 - prefix);
  return first % size === 0 ? { first, prefix, size } : null;
}

/** The address of that number. */
export const addressText = (number: number): string =>
  [24, 16, 8, 0].map((shift) => Math.floor(number / 2 ** shift) % 256).join('.');

export const overlap = (one: Subnet, other: Subnet): boolean =>
  one.first < other.first + other.size && other.first < one.first + one.size;

/** The link between a guest and its slot, which is the same for all of them. */
const guestLink: Subnet = { first: 172 * 2 ** 24 + 16 * 2 ** 16 + 255 * 2 ** 8, prefix: 30, size: 4 };

function isUsable(text: string): boolean {
  const subnet = subnetOf(text);
  if (subnet === null || subnet.prefix < shortestPrefix || subnet.prefix > longestPrefix) return false;
  const within = privateRanges.some(({ first: [high, low], prefix }) => {
    const start = high * 2 ** 24 + low * 2 ** 16;
    return start <= subnet.first && subnet.first < start + 2 ** (32 - prefix);
  });
  return within && !overlap(subnet, guestLink);
}

const subnetSchema = z
  .string()
  .refine(
    isUsable,
    `must be a subnet such as 10.20.0.0/24, of /${shortestPrefix} to /${longestPrefix}, within 10.0.0.0/8, 172.16.0.0/12 (but not 172.16.255.0/30) or 192.168.0.0/16`,
  );

/**
 * What members may send each other. `minimal`: everything. `moderate`: pings alone. `strict`: nothing.
 */
export const isolationSchema = z.enum(['minimal', 'moderate', 'strict']);
export type Isolation = z.infer<typeof isolationSchema>;

/** The most networks of one sandbox. */
const maxNetworks = 8;

/** The networks that a sandbox joins, by name or id. */
export const joinedNetworksSchema = z
  .array(nameSchema)
  .max(maxNetworks)
  .refine((names) => new Set(names).size === names.length, 'names a network twice');

/** The properties of a new network. */
export const newNetworkSchema = z.strictObject({
  /** Unique among the networks of its owner. */
  name: networkNameSchema,
  /** Default: a free /24 within 10.128.0.0/9. */
  subnet: subnetSchema.optional(),
  isolation: isolationSchema.default('minimal'),
  /** The name of its bridge, which is in a network namespace of its own. */
  bridge: z
    .string()
    .regex(/^[a-z][a-z0-9-]{0,14}$/, 'must be up to 15 small letters, digits and hyphens')
    .refine((name) => !/^(?:lo$|m\d+$)/.test(name), 'is the name of another interface')
    .default('br0'),
});
export type NewNetworkInput = z.input<typeof newNetworkSchema>;

/** A sandbox that has joined a network. It keeps its address until it is removed, also while it is stopped. */
export const networkMemberSchema = z.object({
  sandboxId: sandboxIdSchema,
  sandboxName: nameSchema.nullable(),
  state: sandboxStateSchema,
  address: z.string(),
});
export type NetworkMember = z.infer<typeof networkMemberSchema>;

export const networkInfoSchema = z.object({
  id: z.string(),
  name: networkNameSchema,
  /** Null if the network belongs to the host itself. */
  owner: z.string().nullable(),
  team: z.string().nullable(),
  subnet: z.string(),
  isolation: isolationSchema,
  bridge: z.string(),
  createdAt: z.iso.datetime(),
  members: z.array(networkMemberSchema),
});
export type NetworkInfo = z.infer<typeof networkInfoSchema>;
