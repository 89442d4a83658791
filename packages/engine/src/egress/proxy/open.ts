import type { Socket } from 'node:net';
import type { Decision } from '@novasandbox/protocol';
import type { Route } from '../box.ts';
import type { Target, Verdict } from '../policy/judge.ts';
import type { Accepted } from './accepted.ts';
import { dial } from './dial.ts';

/** Ends a connection that may not be. A reset says so at once, whatever the protocol. */
export function refuse(
  { box, socket }: Accepted,
  verdict: Verdict,
  target: Target,
  protocol: Decision['protocol'],
): void {
  box.tell(verdict, target, protocol);
  socket.resetAndDestroy();
}

/** Connects where the policy allows; null: it does not, or nobody answers there, and the guest has been told. */
export async function openUpstream(
  accepted: Accepted,
  target: Target,
  protocol: Decision['protocol'],
): Promise<Socket | null> {
  const { box, socket } = accepted;
  const { verdict, addresses }: Route = await box.route(target);
  if (!verdict.allowed) {
    refuse(accepted, verdict, target, protocol);
    return null;
  }
  const gone = new AbortController();
  const onClose = (): void => gone.abort();
  socket.once('close', onClose);
  try {
    const upstream = await dial(addresses, target.port, gone.signal);
    box.tell(verdict, { ...target, address: upstream.remoteAddress ?? null }, protocol);
    return upstream;
  } catch {
    refuse(accepted, { ...verdict, allowed: false, code: 'unreachable' }, target, protocol);
    return null;
  } finally {
    socket.off('close', onClose);
  }
}
