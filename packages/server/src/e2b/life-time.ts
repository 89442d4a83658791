import type { SandboxInfo } from '@novasandbox/protocol';
import { traitsOf } from './labels.ts';

/**
 * A guest keeps its own time to live and powers itself off at its end. One that shall be paused instead gets so much more, in which the daemon
 * pauses it; should no daemon run then, it ends a little later than it would have been paused.
 */
const pauseMarginMs = 60_000;
/** What is said of a sandbox that lives until it is killed: clients insist on a date. */
const endless = 10 * 365 * 86_400_000;

const marginOf = (autoPause: boolean): number => (autoPause ? pauseMarginMs : 0);

/** What the engine is told for a time to live. */
export const engineTimeoutMs = (timeoutMs: number, autoPause: boolean): number => timeoutMs + marginOf(autoPause);

/** When its time ends as its client sees it, ms since 1970; null: never. */
export function endsAtMs(info: Pick<SandboxInfo, 'expiresAt' | 'labels'>): number | null {
  return info.expiresAt === null ? null : Date.parse(info.expiresAt) - marginOf(traitsOf(info.labels).autoPause);
}

export function endAt(info: SandboxInfo): string {
  const startedAtMs = Date.parse(info.startedAt ?? info.createdAt);
  return new Date(endsAtMs(info) ?? startedAtMs + endless).toISOString();
}
