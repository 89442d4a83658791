import type { SandboxInfo } from '@novasandbox/protocol';

/** The time to live when a client names none. */
export const defaultTimeoutSeconds = 300;
/** The end that is reported for a sandbox without a time limit: clients require a date. */
const endless = 10 * 365 * 86_400_000;

/** When the time of the sandbox ends, in ms since 1970; null without a time limit. */
export const endsAtMs = ({ expiresAt }: Pick<SandboxInfo, 'expiresAt'>): number | null =>
  expiresAt === null ? null : Date.parse(expiresAt);

export function endAt(info: SandboxInfo): string {
  const startedAtMs = Date.parse(info.startedAt ?? info.createdAt);
  return new Date(endsAtMs(info) ?? startedAtMs + endless).toISOString();
}
