import { createHash, randomUUID } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { release } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import { NovaError } from '@novasandbox/protocol';

/** Raise it when the format of verdicts changes, so that older ones are not read. */
const verdictVersion = 6;

export interface VerdictOptions<V> {
  readonly directory: string;
  /** Name of the probe; each driver has one or more. */
  readonly name: string;
  readonly binary: string;
  /** A stored verdict. One that does not parse is ignored, and the probe runs again. */
  readonly schema: z.ZodType<V>;
  /** Probes again, whatever an earlier probe has found. */
  readonly fresh: boolean;
  /** Whether what was probed works. A failed probe is not kept: its cause may be gone the next time. */
  readonly works: (verdict: V) => boolean;
  /** How long the verdict is kept, ms; default: as long as its basis stays the same. */
  readonly keptForMs?: (verdict: V) => number;
  /** Facts besides the binary and the host's kernel that the verdict depends on. */
  readonly basis?: readonly string[];
  /** The verdict holds after a reboot too, because a reboot changes nothing that it depends on. */
  readonly outlivesBoot?: boolean;
}

/**
 * How long a verdict is kept that something does not work, or not as well as it might, ms: a probe may fail for reasons
 * that pass.
 */
const doubtMs = 15 * 60_000;

/**
 * How long a process keeps the result of a probe. A failure for lack of a program or of rights is probed again each
 * time: this costs nothing, and the cause may have been fixed.
 */
export const believedMs = (works: boolean, doubtful = false): number => (doubtful ? doubtMs : works ? Infinity : 0);

/** The verdict of a probe that says only why it failed. */
export const failureSchema = z.object({ failure: z.string().nullable() });

/**
 * The result of a probe, kept on disk for as long as this boot of the host, its kernel and the VMM's binary stay the
 * same.
 */
export async function keptVerdict<V>(options: VerdictOptions<V>, decide: () => Promise<V>): Promise<V> {
  const {
    directory,
    name,
    binary,
    schema,
    fresh,
    works,
    basis = [],
    outlivesBoot = false,
    keptForMs = () => Infinity,
  } = options;
  const file = join(directory, `${name}-${key(binary, [outlivesBoot ? '' : bootId(), ...basis])}.json`);
  if (!fresh) {
    const kept = await read(file, schema);
    if (kept !== null) return kept;
  }
  const verdict = await decide();
  if (!works(verdict)) return verdict;
  await mkdir(directory, { recursive: true });
  const until = Date.now() + keptForMs(verdict);
  // Several may write the file at once, also in one process, so each has a name of its own.
  const written = `${file}.${randomUUID()}`;
  await writeFile(written, JSON.stringify({ verdict, until: until === Infinity ? null : until }), { mode: 0o600 });
  await rename(written, file);
  return verdict;
}

/** Whether a version such as 7.2.17 is `floor` (such as 8.2) or later. */
export function isAtLeast(version: string, floor: string): boolean {
  const [parts, wanted] = [version, floor].map((each) => each.split('.').map((part) => Number.parseInt(part, 10)));
  if (parts === undefined || wanted === undefined || parts.some(Number.isNaN))
    throw new NovaError('internal', `"${version}" is not a version number.`);
  for (const [index, least] of wanted.entries()) {
    const part = parts[index] ?? 0;
    if (part !== least) return part > least;
  }
  return true;
}

function bootId(): string {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  } catch {
    // On hosts without it, only the kernel's version tells one boot from another.
    return '';
  }
}

function key(binary: string, basis: readonly string[]): string {
  const { size, mtimeMs } = statSync(binary);
  return createHash('sha256')
    .update([verdictVersion, release(), binary, size, mtimeMs, ...basis].join('\n'))
    .digest('hex')
    .slice(0, 16);
}

async function read<V>(file: string, schema: z.ZodType<V>): Promise<V | null> {
  try {
    const { verdict, until } = z
      .object({ verdict: schema, until: z.number().nullable() })
      .parse(JSON.parse(await readFile(file, 'utf8')));
    return until === null || Date.now() < until ? verdict : null;
  } catch {
    return null;
  }
}
