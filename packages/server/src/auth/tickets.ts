import { randomBytes } from 'node:crypto';
import { isNovaError } from '@novasandbox/protocol';
import type { Principal } from '../context.ts';
import { sha256 } from './secrets.ts';

/**
 * Tickets stand in for credentials where a browser can send none: it opens WebSockets with an address alone. Addresses end up in histories
 * and logs of proxies, so a ticket is good once and for a short while.
 */
export interface Tickets {
  /** `authenticate` says whose the credentials are that asked for it, and is asked once more when the ticket is used. */
  make(authenticate: () => Promise<Principal>): { readonly ticket: string; readonly seconds: number };
  /**
   * Whose it is; null when it is nobody's, used or too old, or when the credentials that asked for it are no longer good: it is worth no more than
   * they are. It is used up.
   */
  redeem(ticket: string): Promise<Principal | null>;
}

const lifeSeconds = 30;
/** Those not used; beyond it the oldest are worth nothing any more. */
const maxTickets = 10_000;

export function createTickets(now: () => number = Date.now): Tickets {
  // By hash: how long a look-up takes says nothing of the tickets that there are. In order of age.
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
