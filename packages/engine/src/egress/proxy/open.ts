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

/** A connection to where a guest wants to go. */
export interface Upstream {
  readonly socket: Socket;
  readonly target: Target & { readonly address: string };
}

/** Fires when the guest has closed its connection, until it is disposed. */
export function closing(socket: Socket): Disposable & { readonly signal: AbortSignal } {
  const gone = new AbortController();
  const onClose = (): void => gone.abort();
  socket.once('close', onClose);
  if (socket.destroyed) gone.abort();
  return { signal: gone.signal, [Symbol.dispose]: () => void socket.off('close', onClose) };
}

/** Connects where the policy allows; null: it does not, or nobody answers there, and the guest has been told. */
export async function openUpstream(
  accepted: Accepted,
  target: Target,
  protocol: Decision['protocol'],
): Promise<Upstream | null> {
  const { box, socket } = accepted;
  using gone = closing(socket);
  const { verdict, addresses, approved }: Route = await box.route(target, gone.signal);
  if (!verdict.allowed) {
    refuse(accepted, verdict, target, protocol);
    return null;
  }
  try {
    const upstream = await dial(addresses, target.port, gone.signal);
    const reached = { ...target, address: upstream.remoteAddress ?? '', approved };
    box.tell(verdict, reached, protocol);
    return { socket: upstream, target: reached };
  } catch {
    refuse(accepted, { ...verdict, allowed: false, code: 'unreachable' }, target, protocol);
    return null;
  }
}
