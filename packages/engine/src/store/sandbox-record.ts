import { isDeepStrictEqual } from 'node:util';
import { z } from 'zod';
import {
  bootKindSchema,
  configShape,
  hypervisorNameSchema,
  parse,
  pinnedNamesSchema,
  sandboxConfigSchema,
  sandboxStateSchema,
  servedSecretSchema,
  type PinnedNames,
} from '@novasandbox/protocol';
import type { SandboxRecord } from '../ports/store.ts';
import { parseJson } from './parse-json.ts';

/*
 * Records as they are stored. Fields that an older version did not store have a default here, or get one from a step of
 * the store's layout. Fields that this version does not know are kept, because a newer version that was used in between
 * has written them.
 */

const whenMs = z.number().nullable();
const processSchema = z.looseObject({ pid: z.int(), startTime: z.string() });

const machineSchema = processSchema.extend({
  driver: hypervisorNameSchema,
  id: z.string(),
  directory: z.string(),
  socketDirectory: z.string(),
  channels: z.int(),
  cgroup: z.string().nullable(),
  memoryFrom: z.string().nullable().optional(),
  memoryBytes: z.int().optional(),
});

/** Callers may not set reserved labels, but the daemon may have. */
export const storedConfigSchema = z.looseObject({
  ...configShape,
  labels: z.record(z.string(), z.string()).default({}),
});

export const bootedFromSchema = z.looseObject({
  root: z.string(),
  rootMark: z.string(),
  network: z.enum(['none', 'user', 'slot', 'nat']),
});

const storedSecretSchema = z.looseObject({
  ...servedSecretSchema.omit({ value: true }).shape,
  sealed: z.string().nullable(),
  env: z.string().nullable(),
});
const storedAuthoritySchema = z.looseObject({ certificate: z.string(), sealedKey: z.string() });

const recordSchema = z.looseObject({
  id: z.string(),
  name: z.string().nullable(),
  owner: z.string().nullable(),
  team: z.string().nullable(),
  state: sandboxStateSchema,
  config: storedConfigSchema,
  hypervisor: hypervisorNameSchema,
  memoryMb: z.int(),
  vcpus: z.int(),
  diskSizeMb: z.int(),
  createdAtMs: z.number(),
  startedAtMs: whenMs,
  stoppedAtMs: whenMs,
  expiresAtMs: whenMs,
  pausedAtMs: whenMs,
  bootTimeMs: z.number().nullable(),
  bootKind: bootKindSchema.nullable(),
  accelerator: z.string().nullable(),
  machine: machineSchema.nullable(),
  maker: processSchema.nullable(),
  goesWithMaker: z.boolean().optional(),
  reason: z.string().nullable(),
  bootedFrom: bootedFromSchema.nullable().default(null),
  snapshotId: z.string().nullable().default(null),
  restoredAtMs: whenMs.default(null),
  forkedFrom: z.string().nullable().default(null),
  holder: processSchema.nullable().default(null),
  sleep: z
    .looseObject({ memoryFrom: z.string().nullable(), memory: z.boolean(), diskWrittenNs: z.string().nullable() })
    .nullable()
    .default(null),
  pool: z.looseObject({ shape: z.string(), ready: z.boolean(), expiresAtMs: whenMs }).nullable().default(null),
  fullDisks: z.array(z.string()).default([]),
  names: pinnedNamesSchema.default([]),
  secrets: z.array(storedSecretSchema).default([]),
  authority: storedAuthoritySchema.nullable().default(null),
});

/** The columns of a sandbox, which can be read even where its record is damaged. */
export interface SandboxRow {
  readonly sequence: number;
  readonly id: string;
  readonly owner: string | null;
  readonly name: string | null;
  readonly record: string;
}

/** The fields of a sandbox that has not run. */
export const noMachineYet = {
  startedAtMs: null,
  stoppedAtMs: null,
  expiresAtMs: null,
  pausedAtMs: null,
  bootTimeMs: null,
  bootKind: null,
  accelerator: null,
  machine: null,
  reason: null,
  bootedFrom: null,
  snapshotId: null,
  restoredAtMs: null,
  forkedFrom: null,
  holder: null,
  sleep: null,
  pool: null,
  fullDisks: [],
  names: [] as PinnedNames,
  secrets: [],
  authority: null,
} as const;

/** A stand-in for a stored record that is damaged: enough to list the sandbox and to remove it. */
function damaged({ sequence, id, owner, name }: SandboxRow, problem: unknown): SandboxRecord {
  return {
    ...noMachineYet,
    sequence,
    id,
    name,
    owner,
    team: owner,
    state: 'failed',
    config: parse(sandboxConfigSchema, {}, 'config'),
    hypervisor: 'qemu',
    memoryMb: 0,
    vcpus: 0,
    diskSizeMb: 0,
    createdAtMs: 0,
    maker: null,
    reason: `its record is damaged (${problem instanceof Error ? problem.message : String(problem)}): no more is known than its id and its name`,
  };
}

/** More than the number of sandboxes of a host. */
const maxExamined = 10_000;

export interface RecordReader {
  /** The record, or what is known without it where it is damaged. */
  read(row: SandboxRow): SandboxRecord;
  /** Null where it is damaged. */
  readWhole(row: SandboxRow): SandboxRecord | null;
}

/**
 * Makes a reader of one store's records. It examines a record only once while its text stays the same, because long
 * lists are read often.
 */
export function createRecordReader(): RecordReader {
  /** Texts that hold a whole record, with no default missing. */
  const examined = new Map<number, string>();

  const parseRow = ({ id, sequence, record: text }: SandboxRow): SandboxRecord => {
    const stored = parseJson(text);
    if (examined.get(sequence) === text) return { ...(stored as SandboxRecord), sequence };
    const record = parse(recordSchema, stored, 'record');
    if (record.id !== id) throw new Error(`it is the record of ${record.id}`);
    if (isDeepStrictEqual(record, stored)) {
      if (examined.size >= maxExamined) examined.clear();
      examined.set(sequence, text);
    }
    return { ...record, sequence };
  };
  return {
    read(row) {
      try {
        return parseRow(row);
      } catch (error) {
        return damaged(row, error);
      }
    },
    readWhole(row) {
      try {
        return parseRow(row);
      } catch {
        return null;
      }
    },
  };
}
