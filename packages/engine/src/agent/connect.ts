import type { Duplex } from 'node:stream';
import type { CallOptions, GuestAgent, OpenSession } from '../ports/guest-agent.ts';
import { traced } from '../ports/trace.ts';
import { DEFAULT_TIMEOUT_MS, Limits } from './call.ts';
import * as files from './files.ts';
import { shakeHands } from './handshake.ts';
import * as identity from './identity.ts';
import { manifest } from './manifest.ts';
import * as process from './process.ts';
import { Session } from './session.ts';
import { tarIn, tarOut } from './tar.ts';
import { readFile, writeFile } from './transfer.ts';
import { openTunnel } from './tunnel.ts';
import { watch } from './watch.ts';

/**
 * Opens a session with the agent behind `stream`. The session owns the stream from then on: it destroys it when the
 * session ends, and also when this function fails. `flush` may be false only where no session was before; elsewhere
 * an earlier session, even one that was closed, may have left half a frame. The time limit (default 30 s) and the
 * signal are those of the handshake. Rejects with `guest_unreachable`, `guest_protocol_error` and `cancelled`.
 */
export const openSession: OpenSession = async (stream, options) => {
  const session = await handshake(stream, options);
  return agentOf(session);
};

async function handshake(stream: Duplex, options: CallOptions & { readonly flush: boolean }): Promise<Session> {
  // The stream may report an error at any time, also after its end; without a listener that would end the process.
  stream.on('error', () => {});
  const failed = Promise.withResolvers<never>();
  failed.promise.catch(() => {});
  let limits: Limits | null = null;
  try {
    limits = new Limits(options, DEFAULT_TIMEOUT_MS, (error) => failed.reject(error));
    const rest = await Promise.race([shakeHands(stream, options.flush), failed.promise]);
    return new Session(stream, rest);
  } catch (error) {
    stream.destroy();
    throw error;
  } finally {
    limits?.release();
  }
}

/** Offers the port over one session. Each method is a function of the file that knows its subject. */
function agentOf(session: Session): GuestAgent {
  return traced('agent', {
    closed: session.closed,
    info: (options) => identity.info(session, options),
    ping: (options) => identity.ping(session, options),
    configure: (who, options) => identity.configure(session, who, options),
    metrics: (options) => identity.metrics(session, options),
    setClock: (wallClockNs, options) => identity.setClock(session, wallClockNs, options),
    quiesce: (how, options) => identity.quiesce(session, how, options),
    deadline: (deadlineMs, options) => identity.deadline(session, deadlineMs, options),
    shutdown: (graceMs, options) => identity.shutdown(session, graceMs, options),
    grow: (path, bytes, options) => identity.grow(session, path, bytes, options),
    warm: (commands, options) => identity.warm(session, commands, options),

    exec: (request, options) => process.exec(session, request, options),
    execDetached: (request, options) => process.execDetached(session, request, options),
    attach: (execId, from, options) => process.attach(session, execId, from, options),
    signal: (execId, number, options) => process.signal(session, execId, number, options),
    processes: (options) => process.processes(session, options),

    readFile: (path, range, options) => readFile(session, path, range, options),
    writeFile: (path, source, how, options) => writeFile(session, path, source, how, options),
    tarIn: (path, source, user, options) => tarIn(session, path, source, user, options),
    tarOut: (path, user, options) => tarOut(session, path, user, options),
    manifest: (path, request, options) => manifest(session, path, request, options),
    stat: (path, user, options) => files.stat(session, path, user, options),
    list: (path, how, options) => files.list(session, path, how, options),
    makeDirectory: (path, how, options) => files.makeDirectory(session, path, how, options),
    move: (source, destination, user, options) => files.move(session, source, destination, user, options),
    remove: (path, user, options) => files.remove(session, path, user, options),
    setAttributes: (path, attributes, options) => files.setAttributes(session, path, attributes, options),
    watch: (path, how, options) => watch(session, path, how, options),

    tunnel: (target, options) => openTunnel(session, target, options),

    close: () => session.close(),
    [Symbol.asyncDispose]: () => session.close(),
  } satisfies GuestAgent);
}
