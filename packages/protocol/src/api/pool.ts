import * as z from 'zod';
import type { PoolStatus } from '../pool.ts';

/** The warm pool on the wire. */

const counts = z.record(z.string(), z.int());

export const poolSchema = z.object({
  keeps: z.boolean().describe('Whether this daemon keeps clones ready'),
  size: z.union([z.literal('auto'), z.int()]),
  max: z.int().describe('The most clones in all'),
  clones: z.array(
    z.object({
      id: z.string().describe('The id that the VM will have'),
      template: z.string(),
      shape: z.string().describe('Digest of the golden snapshot that it is a clone of'),
      ready: z.boolean().describe('false while it is being made'),
      memory_mb: z.int(),
      vcpus: z.int(),
      created_at: z.iso.datetime(),
      expires_at: z.iso.datetime().nullable().describe('null: its keeper decides'),
    }),
  ),
  shapes: z.array(
    z.object({
      template: z.string(),
      shape: z.string(),
      memory_mb: z.int(),
      vcpus: z.int(),
      network: z.boolean(),
      wanted: z.int().describe('Clones that the pool wants to have ready'),
      ready: z.int(),
      hits: z.int(),
      misses: z.int(),
      failures: z.int().describe('Failures since a clone was last handed out'),
      problem: z.string().nullable().describe('The last failure'),
      retry_at: z.iso.datetime().nullable().describe('When the next clone is tried'),
    }),
  ),
  made: z.int().describe('Clones made since the daemon started; so are the counts below'),
  hits: z.int(),
  misses: counts.describe('By reason'),
  discards: counts.describe('By reason'),
});
export type PoolWire = z.infer<typeof poolSchema>;

export const drainedSchema = z.object({ ended: z.int().describe('Clones that were ended') });

export const poolWireOf = ({ clones, shapes, misses, discards, ...rest }: PoolStatus): PoolWire => ({
  ...rest,
  misses: { ...misses },
  discards: { ...discards },
  clones: clones.map(({ templateId: template, memoryMb, createdAt, expiresAt, ...clone }) => ({
    ...clone,
    template,
    memory_mb: memoryMb,
    created_at: createdAt,
    expires_at: expiresAt,
  })),
  shapes: shapes.map(({ templateId: template, memoryMb, enableNetwork: network, retryAt, ...shape }) => ({
    ...shape,
    template,
    network,
    memory_mb: memoryMb,
    retry_at: retryAt,
  })),
});

export const poolOfWire = ({ clones, shapes, ...rest }: PoolWire): PoolStatus => ({
  ...rest,
  clones: clones.map(({ template: templateId, memory_mb: memoryMb, created_at: createdAt, expires_at, ...clone }) => ({
    ...clone,
    templateId,
    memoryMb,
    createdAt,
    expiresAt: expires_at,
  })),
  shapes: shapes.map(({ template: templateId, memory_mb: memoryMb, network: enableNetwork, retry_at, ...shape }) => ({
    ...shape,
    templateId,
    memoryMb,
    enableNetwork,
    retryAt: retry_at,
  })),
});
