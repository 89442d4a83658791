import { pino, type Logger } from 'pino';
import type { ServerConfig } from './config/schema.ts';

/** JSON lines on stderr. Secrets are not logged in the first place; what would hold one by accident is blotted out. */
export function createLog({ monitoring }: ServerConfig): Logger {
  return pino(
    {
      level: monitoring.log_level,
      base: { name: 'novasandbox' },
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (level) => ({ level }) },
      redact: {
        paths: ['key', 'password', 'token', 'ticket', 'authorization', 'env', 'environment'].flatMap((name) => [
          name,
          `*.${name}`,
        ]),
        censor: '[redacted]',
      },
    },
    // Gathered for a moment: one write for many lines, and none that a request waits for.
    pino.destination({ fd: 2, sync: false }),
  );
}
