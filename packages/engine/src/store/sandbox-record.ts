import { isDeepStrictEqual } from 'node:util';
import { z } from 'zod';
import {
  bootKindSchema,
  hypervisorNameSchema,
  parse,
  sandboxConfigSchema,
  sandboxStateSchema,
} from '@novasandbox/protocol';
import type { SandboxRecord } from '../ports/store.ts';
import { parseJson } from './parse-json.ts';

/*
 * Records as they are stored. What an older version did not store has a default here, or a step of the store's layout gives it. What this version does
 * not know is kept: a newer one that was used in between has written it.
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
});

/** Callers may not set reserved labels; the daemon has. */
const configSchema = z.looseObject({
  ...sandboxConfigSchema.shape,
  labels: z.record(z.string(), z.string()).default({}),
});

const recordSchema = z.looseObject({
  id: z.string(),
  name: z.string().nullable(),
  owner: z.string().nullable(),
  team: z.string().nullable(),
  state: sandboxStateSchema,
  config: configSchema,
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
  goesWithMaker: z.boolean().exactOptional(),
  reason: z.string().nullable(),
});

/** The columns of a sandbox, which are readable also where its record is damaged. */
export interface SandboxRow {
  readonly sequence: number;
  readonly id: string;
  readonly owner: string | null;
  readonly name: string | null;
  readonly record: string;
}

/** Of a sandbox that has not run. */
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
} as const;

/** The record of a sandbox that was stored damaged: enough to list it and to remove it. */
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

/** More than a host has sandboxes. */
const maxExamined = 10_000;

export interface RecordReader {
  /** The record, or what is known without it where it is damaged. */
  read(row: SandboxRow): SandboxRecord;
  /** Null where it is damaged. */
  readWhole(row: SandboxRow): SandboxRecord | null;
}

/** Makes a reader of one store's records. It examines a record once for as long as its text stays the same: lists of many are read often. */
export function createRecordReader(): RecordReader {
  /** Texts that hold a whole record as it is, no default missing. */
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
