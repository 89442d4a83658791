import type { Socket } from 'node:net';
import type { Decision } from '@novasandbox/protocol';
import type { Box, Passage } from '../box.ts';
import { isOfNames } from '../dns/pinned-names.ts';
import { peek, type Beginning } from '../peek/peek.ts';
import { judge, type Target, type Verdict } from '../policy/judge.ts';
import { nameOf } from '../policy/names.ts';
import type { Accepted } from './accepted.ts';
import { keepAliveMs } from './dial.ts';
import { endAtOnce } from './end-at-once.ts';
import type { HttpProxy } from './http.ts';
import { intercept } from './intercept.ts';
import { closing, openUpstream, refuse, type Upstream } from './open.ts';
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
    const { allowed, code } = judge(box.policy, target);
    const isClear = (allowed || code === 'approval_needed') && (target.host ?? target.address) !== null;
    const beginning = await peek(socket, isClear ? silentMs : namelessMs);
    if (beginning !== null) await serveBeginning(accepted, beginning, http);
    else if (isClear) await serveSilent(accepted, target, http);
    else refuse(accepted, await verdictOn(accepted, target), target, 'tcp');
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
  const host = content.serverName === null ? pinned : nameOf(content.serverName);
  if (content.serverName !== null && host === null) return refuse(accepted, malformed, plain, 'tls');
  const target = { host, address, port };
  if (host !== null && accepted.box.reads(target))
    return intercept({ accepted, host, offered: content.protocols, head }, http);
  return splice(accepted, target, 'tls', head);
}

const malformed: Verdict = { allowed: false, code: 'malformed', rule: 'protocol', byAddress: false };

async function splice(accepted: Accepted, target: Target, protocol: Decision['protocol'], head: Buffer): Promise<void> {
  const upstream = await openUpstream(accepted, target, protocol);
  if (upstream === null) return;
  upstream.socket.write(head);
  await join(accepted, upstream, { protocol, unread: protocol === 'tls' });
}

async function verdictOn({ box, socket }: Accepted, target: Target): Promise<Verdict> {
  using gone = closing(socket);
  return (await box.route(target, gone.signal)).verdict;
}

/** Passes everything on in both directions until both have ended, or one has failed. */
async function join(
  { box, socket }: Accepted,
  { socket: upstream, target }: Upstream,
  how: Pick<Passage, 'protocol' | 'unread'>,
): Promise<void> {
  const end = (): void => {
    endAtOnce(socket);
    endAtOnce(upstream);
  };
  using _ = box.enter({ target, ...how, end });
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
  const { socket, box } = accepted;
  const opened = await openUpstream(accepted, target, 'tcp');
  if (opened === null) return;
  const { socket: upstream } = opened;
  const end = (): void => {
    upstream.destroy();
    endAtOnce(socket);
  };
  using passage = box.enter({ target: opened.target, protocol: 'tcp', end });
  const first = await whoSpeaks(socket, upstream);
  if (first === 'server') {
    passage[Symbol.dispose]();
    return await join(accepted, opened, { protocol: 'tcp' });
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
