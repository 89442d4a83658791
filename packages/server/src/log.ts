import { printableJson } from '@novasandbox/protocol/visible';
import { pino, type Logger } from 'pino';
import type { ServerConfig } from './config/schema.ts';

/** JSON lines on stderr. Secrets are not logged in the first place; what would hold one by accident is blotted out. */
export function createLog({ monitoring }: ServerConfig): Logger {
  return pino(
    {
      level: monitoring.log_level,
      base: { name: 'novasandbox' },
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (level) => ({ level }), log: blotted },
    },
    // Gathered for a moment: one write for many lines, and none that a request waits for.
    safeForTerminals(withoutFail(pino.destination({ fd: 2, sync: false, maxLength: mostUnwritten }))),
  );
}

/** What a log may keep in memory while it cannot be written, such as to a file on a full disk; lines beyond that are lost. */
const mostUnwritten = 1 << 20;

/** A log that cannot be written to is no reason to end: lines are tried again with those that follow. */
export function withoutFail<D extends NodeJS.EventEmitter & { destroy(): void }>(destination: D): D {
  // It would be tried without end before the process may leave.
  destination.once('error', () => process.once('beforeExit', () => destination.destroy()));
  return destination.on('error', () => undefined);
}

/** Lines have words of guests in them, and may be read where they act on a terminal. */
export function safeForTerminals(destination: { write(line: string): unknown }): { write(line: string): void } {
  return { write: (line) => void destination.write(printableJson(line)) };
}

const secrets: ReadonlySet<string> = new Set([
  'key',
  'password',
  'token',
  'ticket',
  'authorization',
  'env',
  'environment',
]);
const blot = '[redacted]';

/**
 * A line's fields, and theirs, without the values of what is named like a secret. Every request has a line: pino's own redaction, which takes such paths
 * apart anew for each, costs as much as the rest of a request that reads.
 */
export function blotted(line: Record<string, unknown>): Record<string, unknown> {
  let clean = line;
  for (const name of Object.keys(line)) {
    const value = line[name];
    const cleaned = secrets.has(name) ? blot : typeof value === 'object' && value !== null ? inside(value) : value;
    if (cleaned === value) continue;
    if (clean === line) clean = { ...line };
    clean[name] = cleaned;
  }
  return clean;
}

function inside(value: object): unknown {
  if (!Object.keys(value).some((name) => secrets.has(name))) return value;
  const fields = value instanceof Error ? pino.stdSerializers.err(value) : value;
  return Object.fromEntries(Object.entries(fields).map(([name, field]) => [name, secrets.has(name) ? blot : field]));
}
