import { spawn, type ChildProcess } from 'node:child_process';
import { createSocket, type Socket as UdpSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer, type Server } from 'node:net';
import { NovaError } from '@novasandbox/protocol';
import * as z from 'zod';
import type { Box } from '../box.ts';
import { serveNameConnection, serveNames } from '../dns/name-service.ts';
import { inBackground } from '../../ports/background.ts';
import { serveConnection } from '../proxy/connection.ts';
import type { HttpProxy } from '../proxy/http.ts';

/** Opens listeners within slots, with a program that has the privileges for it. */
export interface ListenerSource extends Disposable {
  /**
   * Opens the listeners of a slot. Calls follow one another.
   * @throws NovaError `network_failed`
   */
  open(slot: number): Promise<Listeners>;
  /** Settles when the program has ended, after which nothing can be opened. */
  readonly ended: Promise<void>;
}

/** The listeners of a slot, which nobody accepts from yet. */
export interface Listeners {
  /** Begins to serve them for that sandbox. */
  serve(box: Box, http: HttpProxy): void;
  close(): void;
}

/** Its answers (host/listen/src/request.rs). A handle comes with each but the last. */
const answerSchema = z.union([
  z.strictObject({ slot: z.int(), socket: z.enum(['tcp', 'dns-udp', 'dns-tcp']) }),
  z.strictObject({ slot: z.int(), error: z.string() }),
]);
const socketCount = 3;

/** The program answers within a fraction of a millisecond. */
const answersWithinMs = 10_000;

interface Opened {
  tcp?: object;
  'dns-udp'?: object;
  'dns-tcp'?: object;
}

interface Waiting {
  readonly slot: number;
  readonly opened: Opened;
  settle(outcome: Opened | NovaError): void;
}

/** Starts the program. It ends with this process, because its channel does. */
export async function startListenerSource(program: string): Promise<ListenerSource> {
  const child = spawn(program, [], { stdio: ['ignore', 'ignore', 'inherit', 'ipc'], env: {} });
  try {
    await once(child, 'spawn');
  } catch (error) {
    throw new NovaError('network_failed', 'The program that opens listeners in slots does not run.', { cause: error });
  }
  let waiting: Waiting | null = null;
  const ended = Promise.withResolvers<void>();
  child.on('exit', () => {
    waiting?.settle(new NovaError('network_failed', 'The program that opens listeners has ended.'));
    ended.resolve();
  });
  child.on('error', () => child.kill('SIGKILL'));
  child.on('message', (message, handle: object | undefined) => {
    const { success, data } = answerSchema.safeParse(message);
    if (!success || waiting === null || data.slot !== waiting.slot) return void child.kill('SIGKILL');
    if ('error' in data)
      return waiting.settle(
        new NovaError('network_failed', `The listeners of the slot ${data.slot} could not be opened: ${data.error}`),
      );
    if (handle === undefined) return void child.kill('SIGKILL');
    waiting.opened[data.socket] = handle;
    if (Object.keys(waiting.opened).length === socketCount) waiting.settle(waiting.opened);
  });
  return {
    ended: ended.promise,
    async open(slot) {
      const { promise, resolve, reject } = Promise.withResolvers<Opened>();
      const opened: Opened = {};
      waiting = {
        slot,
        opened,
        settle: (outcome) => (outcome instanceof NovaError ? reject(outcome) : resolve(outcome)),
      };
      const timer = setTimeout(() => child.kill('SIGKILL'), answersWithinMs);
      try {
        tell(child, slot);
        const { tcp, 'dns-udp': dnsUdp, 'dns-tcp': dnsTcp } = await promise;
        if (tcp === undefined || dnsUdp === undefined || dnsTcp === undefined)
          throw new NovaError('internal', 'A listener is missing.');
        return listenersOf({ tcp, dnsUdp, dnsTcp });
      } catch (error) {
        for (const handle of Object.values(opened)) closeHandle(handle);
        throw error;
      } finally {
        clearTimeout(timer);
        waiting = null;
      }
    },
    [Symbol.dispose]() {
      child.kill('SIGKILL');
    },
  };
}

function tell(child: ChildProcess, slot: number): void {
  if (!child.connected) throw new NovaError('network_failed', 'The program that opens listeners has ended.');
  child.send({ slot }, () => undefined);
}

/** A handle that no server has taken over. */
const closeHandle = (handle: object): void => (handle as { close(): void }).close();

function listenersOf(handles: { readonly tcp: object; readonly dnsUdp: object; readonly dnsTcp: object }): Listeners {
  const connections = createServer({ allowHalfOpen: true, noDelay: true });
  const queries = createServer({ noDelay: true });
  const datagrams = createSocket('udp4');
  const all: readonly (Server | UdpSocket)[] = [connections, queries, datagrams];
  // A listener that fails accepts nothing any more, and the guest is refused.
  for (const each of all) each.on('error', () => undefined);
  return {
    serve(box, http) {
      connections.on('connection', (socket) => {
        inBackground('serving a connection of a guest', () => serveConnection(box, socket, http));
      });
      queries.on('connection', (socket) => serveNameConnection(box, socket));
      serveNames(box, datagrams);
      connections.listen(handles.tcp);
      queries.listen(handles.dnsTcp);
      bindTo(datagrams, handles.dnsUdp);
    },
    close() {
      for (const each of all) each.close();
    },
  };
}

/** Node takes a handle here, as its cluster module needs it, but its types do not say so. */
const bindTo = (socket: UdpSocket, handle: object): void => void (socket.bind as (handle: object) => UdpSocket)(handle);
