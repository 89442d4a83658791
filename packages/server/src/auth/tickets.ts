import { randomBytes } from 'node:crypto';
import { isNovaError } from '@novasandbox/protocol';
import type { Principal } from '../context.ts';
import { sha256 } from './secrets.ts';

/**
 * Tickets replace credentials where a browser cannot send any: it opens a WebSocket with nothing but a URL. URLs end up
 * in histories and proxy logs, so a ticket works once and for a short time.
 */
export interface Tickets {
  /**
   * `authenticate` checks the credentials that the ticket was asked for with; it runs again when the ticket is used.
   */
  make(authenticate: () => Promise<Principal>): { readonly ticket: string; readonly seconds: number };
  /**
   * Uses a ticket up and returns its owner; null when the ticket is unknown, used or too old, or when the credentials
   * that it was asked for with are no longer valid.
   */
  redeem(ticket: string): Promise<Principal | null>;
}

const lifeSeconds = 30;
/** The most unused tickets that are kept; beyond it the oldest become invalid. */
const maxTickets = 10_000;

export function createTickets(now: () => number = Date.now): Tickets {
  // Tickets are stored by hash, so that the time of a look-up reveals nothing about them. The map is ordered by age.
  const open = new Map<string, { readonly authenticate: () => Promise<Principal>; readonly untilMs: number }>();
  const drop = (): void => {
    for (const [hash, { untilMs }] of open) {
      if (untilMs > now() && open.size <= maxTickets) return;
      open.delete(hash);
    }
  };
  return {
    make(authenticate) {
      const ticket = randomBytes(24).toString('base64url');
      open.set(sha256(ticket), { authenticate, untilMs: now() + lifeSeconds * 1000 });
      drop();
      return { ticket, seconds: lifeSeconds };
    },
    async redeem(ticket) {
      const hash = sha256(ticket);
      const found = open.get(hash);
      open.delete(hash);
      if (found === undefined || found.untilMs <= now()) return null;
      try {
        return await found.authenticate();
      } catch (error) {
        if (isNovaError(error, 'unauthenticated')) return null;
        throw error;
      }
    },
  };
}
