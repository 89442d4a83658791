import { printableJson } from '@novasandbox/protocol/visible';
import { pino, type Logger } from 'pino';
import type { ServerConfig } from './config/schema.ts';

/** Logs JSON lines to stderr. No secret is logged deliberately; fields that are named like one are redacted anyway. */
export function createLog({ monitoring }: ServerConfig): Logger {
  return pino(
    {
      level: monitoring.log_level,
      base: { name: 'novasandbox' },
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (level) => ({ level }), log: blotted },
    },
    // Lines are buffered briefly, so that many go out in one write and no request waits for it.
    safeForTerminals(withoutFail(pino.destination({ fd: 2, sync: false, maxLength: mostUnwritten }))),
  );
}

/** The most bytes that are kept while the log cannot be written, such as on a full disk; further lines are lost. */
const mostUnwritten = 1 << 20;

/** A failed write does not end the daemon: the lines are written again together with later ones. */
export function withoutFail<D extends NodeJS.EventEmitter & { destroy(): void }>(destination: D): D {
  // Otherwise the flush at exit would be retried forever.
  destination.once('error', () => process.once('beforeExit', () => destination.destroy()));
  return destination.on('error', () => undefined);
}

/** Escapes control characters: lines contain text from guests, and may be read on a terminal. */
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
 * Redacts the fields of a line, and the fields of those, that are named like a secret. Every request logs a line, and
 * pino's own redaction, which parses its paths for each line, would double the cost of a simple request.
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
