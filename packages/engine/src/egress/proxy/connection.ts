import type { Socket } from 'node:net';
import type { Decision } from '@novasandbox/protocol';
import type { Box, Route } from '../box.ts';
import { isOfNames } from '../dns/pinned-names.ts';
import { peek, type Beginning } from '../peek/peek.ts';
import { judge, type Target, type Verdict } from '../policy/judge.ts';
import { nameOf } from '../policy/names.ts';
import type { Accepted } from './accepted.ts';
import { dial, keepAliveMs } from './dial.ts';
import { endAtOnce } from './end-at-once.ts';
import type { HttpProxy } from './http.ts';
import { pump } from './pump.ts';

/**
 * How long a client may be silent before its server is connected to, ms: with some protocols the server speaks first.
 * Bytes that the client sends later are looked at all the same.
 */
const silentMs = 300;
/** How long a client may be silent where only its first bytes can say where it wants to go, ms. */
const namelessMs = 5000;

/** Takes a new connection of a guest to wherever the policy lets it go. It never throws. */
export async function serveConnection(box: Box, socket: Socket, http: HttpProxy): Promise<void> {
  // Failures are seen by whoever reads or writes.
  socket.on('error', () => undefined);
  const { localAddress: wanted = '', localPort: port = 0 } = socket;
  const isName = isOfNames(wanted);
  const accepted: Accepted = {
    box,
    socket,
    port,
    address: isName ? null : wanted,
    pinned: isName ? (box.names.nameAt(wanted) ?? null) : null,
  };
  const target: Target = { host: accepted.pinned, address: accepted.address, port };
  if (!box.caps.enter()) {
    box.tell(limited, target, 'tcp');
    endAtOnce(socket);
    return;
  }
  socket.once('close', () => box.caps.leave());
  socket.setKeepAlive(true, keepAliveMs);
  try {
    const isClear = judge(box.policy, target).allowed && (target.host ?? target.address) !== null;
    const beginning = await peek(socket, isClear ? silentMs : namelessMs);
    if (beginning !== null) await serveBeginning(accepted, beginning, http);
    else if (isClear) await serveSilent(accepted, target, http);
    else refuse(accepted, (await box.route(target)).verdict, target, 'tcp');
  } catch {
    // One of the sides has failed or gone.
    endAtOnce(socket);
  }
}

const limited: Verdict = { allowed: false, code: 'limit', rule: 'limits', byAddress: false };

async function serveBeginning(accepted: Accepted, { content, head }: Beginning, http: HttpProxy): Promise<void> {
  const { pinned, address, port } = accepted;
  const plain: Target = { host: pinned, address, port };
  if (content.kind === 'http') return http.take(accepted, head);
  if (content.kind === 'malformed') return refuse(accepted, malformed, plain, 'tls');
  if (content.kind === 'other') return splice(accepted, plain, 'tcp', head);
  if (content.serverName === null) return splice(accepted, plain, 'tls', head);
  const host = nameOf(content.serverName);
  if (host === null) return refuse(accepted, malformed, plain, 'tls');
  return splice(accepted, { host, address, port }, 'tls', head);
}

const malformed: Verdict = { allowed: false, code: 'malformed', rule: 'protocol', byAddress: false };

/** Ends a connection that may not be. A reset says so at once, whatever the protocol. */
function refuse({ box, socket }: Accepted, verdict: Verdict, target: Target, protocol: Decision['protocol']): void {
  box.tell(verdict, target, protocol);
  endAtOnce(socket);
}

async function splice(accepted: Accepted, target: Target, protocol: Decision['protocol'], head: Buffer): Promise<void> {
  const upstream = await open(accepted, target, protocol);
  if (upstream === null) return;
  upstream.write(head);
  await join(accepted, upstream, { host: target.host, protocol });
}

/** Connects where the policy allows; null: it does not, or nobody answers there, and the guest has been told. */
async function open(accepted: Accepted, target: Target, protocol: Decision['protocol']): Promise<Socket | null> {
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

/** Passes everything on in both directions until both have ended, or one has failed. */
async function join(
  { box, socket, port }: Accepted,
  upstream: Socket,
  { host, protocol }: { readonly host: string | null; readonly protocol: Decision['protocol'] },
): Promise<void> {
  const end = (): void => {
    endAtOnce(socket);
    endAtOnce(upstream);
  };
  using _ = box.enter({ target: { host, address: upstream.remoteAddress ?? '', port }, protocol, end });
  const meter = (bytes: number): number | null => box.caps.count(bytes);
  try {
    await Promise.all([pump(socket, upstream, meter), pump(upstream, socket, meter)]);
  } catch {
    end();
  }
}

/**
 * Connects for a client that waits for its server to speak. A server that is silent too is one for which the client's
 * bytes decide, as if they had come at once.
 */
async function serveSilent(accepted: Accepted, target: Target, http: HttpProxy): Promise<void> {
  const { socket, box, port } = accepted;
  const upstream = await open(accepted, target, 'tcp');
  if (upstream === null) return;
  const end = (): void => {
    upstream.destroy();
    endAtOnce(socket);
  };
  using passage = box.enter({
    target: { host: target.host, address: upstream.remoteAddress ?? '', port },
    protocol: 'tcp',
    end,
  });
  const first = await whoSpeaks(socket, upstream);
  if (first === 'server') {
    passage[Symbol.dispose]();
    return await join(accepted, upstream, { host: target.host, protocol: 'tcp' });
  }
  upstream.destroy();
  if (first === 'nobody') return end();
  const beginning = await peek(socket, namelessMs);
  if (beginning !== null) await serveBeginning(accepted, beginning, http);
  else end();
}

/** Waits for the first byte, or the end, of either side, and takes nothing of it. */
function whoSpeaks(client: Socket, server: Socket): Promise<'client' | 'server' | 'nobody'> {
  const { promise, resolve } = Promise.withResolvers<'client' | 'server' | 'nobody'>();
  const onClient = (): void => resolve('client');
  const onServer = (): void => resolve('server');
  const onClose = (): void => resolve('nobody');
  client.once('readable', onClient).once('close', onClose);
  server.once('readable', onServer).once('close', onClose);
  return promise.finally(() => {
    client.off('readable', onClient).off('close', onClose);
    server.off('readable', onServer).off('close', onClose);
  });
}
