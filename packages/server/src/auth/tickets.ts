import { randomBytes } from 'node:crypto';
import type { Principal } from '../context.ts';
import { sha256 } from './secrets.ts';

/**
 * Tickets stand in for credentials where a browser can send none: it opens WebSockets with an address alone. Addresses end up in histories
 * and logs of proxies, so a ticket is good once and for a short while.
 */
export interface Tickets {
  make(principal: Principal): { readonly ticket: string; readonly seconds: number };
  /** Whose it is; null when it is nobody's, used or too old. It is used up. */
  redeem(ticket: string): Principal | null;
}

const lifeSeconds = 30;
/** Those not used; beyond it the oldest are worth nothing any more. */
const maxTickets = 10_000;

export function createTickets(now: () => number = Date.now): Tickets {
  // By hash: how long a look-up takes says nothing of the tickets that there are. In order of age.
  const open = new Map<string, { readonly principal: Principal; readonly untilMs: number }>();
  const drop = (): void => {
    for (const [hash, { untilMs }] of open) {
      if (untilMs > now() && open.size <= maxTickets) return;
      open.delete(hash);
    }
  };
  return {
    make(principal) {
      const ticket = randomBytes(24).toString('base64url');
      open.set(sha256(ticket), { principal, untilMs: now() + lifeSeconds * 1000 });
      drop();
      return { ticket, seconds: lifeSeconds };
    },
    redeem(ticket) {
      const hash = sha256(ticket);
      const found = open.get(hash);
      open.delete(hash);
      return found !== undefined && found.untilMs > now() ? found.principal : null;
    },
  };
}
