import { z } from 'zod';
import { hypervisorNameSchema, parse, pinnedNamesSchema, snapshotKindSchema } from '@novasandbox/protocol';
import type { SnapshotRecord } from '../ports/store.ts';
import { parseJson } from './parse-json.ts';
import { bootedFromSchema, storedConfigSchema } from './sandbox-record.ts';

/** Records of snapshots as they are stored. Fields that this version does not know are kept. */
const snapshotSchema = z.looseObject({
  id: z.string(),
  name: z.string().nullable(),
  owner: z.string().nullable(),
  team: z.string().nullable(),
  description: z.string().nullable(),
  kind: snapshotKindSchema,
  labels: z.record(z.string(), z.string()),
  sandboxId: z.string(),
  sandboxName: z.string().nullable(),
  parentId: z.string().nullable(),
  createdAtMs: z.number(),
  config: storedConfigSchema,
  hypervisor: hypervisorNameSchema,
  memoryMb: z.int(),
  vcpus: z.int(),
  diskSizeMb: z.int(),
  bootedFrom: bootedFromSchema.nullable(),
  memoryFrom: z.string().nullable(),
  memoryBytes: z.int(),
  diskBytes: z.int(),
  stoppedMs: z.number(),
  names: pinnedNamesSchema.default([]),
});

/** Parses a record that came from elsewhere. Throws where it is none. */
export const parseSnapshotRecord = (record: unknown): Omit<SnapshotRecord, 'sequence'> =>
  parse(snapshotSchema, record, 'snapshot');

export interface SnapshotRow {
  readonly sequence: number;
  readonly record: string;
}

/** Returns the record of a row, or null where it is damaged: its files stay, and `nova gc` tells of them. */
export function readSnapshotRow({ sequence, record }: SnapshotRow): SnapshotRecord | null {
  try {
    return { ...parse(snapshotSchema, parseJson(record), 'record'), sequence };
  } catch {
    return null;
  }
}
