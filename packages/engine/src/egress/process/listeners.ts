import { spawn, type ChildProcess } from 'node:child_process';
import { createSocket, type Socket as UdpSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer, Socket, type Server } from 'node:net';
import { NovaError } from '@novasandbox/protocol/errors';
import * as z from 'zod';
import type { Box } from '../box.ts';
import { serveNameConnection, serveNames } from '../dns/name-service.ts';
import type { IntoSlot } from '../forwards.ts';
import type { HeldAt } from './held-place.ts';
import { inBackground } from '../../ports/background.ts';
import { serveConnection } from '../proxy/connection.ts';
import type { HttpProxy } from '../proxy/http.ts';

/** Opens listeners within slots, and connections into them, with a program that has the privileges for it. */
export interface ListenerSource extends IntoSlot, Disposable {
  /**
   * Opens the listeners of a slot.
   * @throws NovaError `network_failed`
   */
  open(at: HeldAt): Promise<Listeners>;
  /** Settles when the program has ended, after which nothing can be opened. */
  readonly ended: Promise<void>;
}

/** The listeners of a slot, which nobody accepts from yet. */
export interface Listeners {
  /** Begins to serve them for that sandbox. */
  serve(box: Box, http: HttpProxy): void;
  close(): void;
}

/** Its answers (host/listen/src/request.rs), which name the request. A handle comes with each that names a socket. */
const requestShape = {
  slot: z.int().optional(),
  user: z.int().optional(),
  net: z.int().optional(),
  port: z.int().optional(),
};
const socketNames = ['tcp', 'dns-udp', 'dns-tcp', 'guest'] as const;
const answerSchema = z.union([
  z.strictObject({ ...requestShape, socket: z.enum(socketNames) }),
  z.strictObject({ ...requestShape, error: z.string() }),
]);

/** The program answers within a fraction of a millisecond. */
const answersWithinMs = 10_000;

type Opened = Partial<Record<(typeof socketNames)[number], object>>;

/** A request, and the names of the sockets that it gives. */
interface Request {
  readonly asked: z.infer<z.ZodObject<typeof requestShape>>;
  readonly sockets: readonly (typeof socketNames)[number][];
}

interface Waiting extends Request {
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
    if (!success || waiting === null || !isAbout(data, waiting.asked)) return void child.kill('SIGKILL');
    if ('error' in data)
      return waiting.settle(new NovaError('network_failed', `A slot could not be entered: ${data.error}`));
    if (handle === undefined) return void child.kill('SIGKILL');
    waiting.opened[data.socket] = handle;
    if (Object.keys(waiting.opened).length === waiting.sockets.length) waiting.settle(waiting.opened);
  });
  const ask = async ({ asked, sockets }: Request): Promise<Opened> => {
    const { promise, resolve, reject } = Promise.withResolvers<Opened>();
    const opened: Opened = {};
    waiting = {
      ...{ asked, sockets, opened },
      settle: (outcome) => (outcome instanceof NovaError ? reject(outcome) : resolve(outcome)),
    };
    const timer = setTimeout(() => child.kill('SIGKILL'), answersWithinMs);
    try {
      tell(child, asked);
      return await promise;
    } catch (error) {
      for (const handle of Object.values(opened)) closeHandle(handle);
      throw error;
    } finally {
      clearTimeout(timer);
      waiting = null;
    }
  };
  /** Requests follow one another. */
  let last: Promise<unknown> = Promise.resolve();
  const askInTurn = (request: Request): Promise<Opened> => {
    const asking = last.then(() => ask(request));
    last = asking.catch(() => undefined);
    return asking;
  };
  return {
    ended: ended.promise,
    async open(at) {
      const asked = typeof at === 'number' ? { slot: at } : at;
      const opened = await askInTurn({ asked, sockets: ['tcp', 'dns-udp', 'dns-tcp'] });
      const { tcp, 'dns-udp': dnsUdp, 'dns-tcp': dnsTcp } = opened;
      if (tcp === undefined || dnsUdp === undefined || dnsTcp === undefined)
        throw new NovaError('internal', 'A listener is missing.');
      return listenersOf({ tcp, dnsUdp, dnsTcp });
    },
    async connect(at, guestPort) {
      const { guest } = await askInTurn({ asked: { ...at, port: guestPort }, sockets: ['guest'] });
      if (!(guest instanceof Socket)) throw new NovaError('internal', 'A connection is missing.');
      guest.allowHalfOpen = true;
      guest.setNoDelay(true);
      return guest;
    },
    [Symbol.dispose]() {
      child.kill('SIGKILL');
    },
  };
}

function tell(child: ChildProcess, asked: Request['asked']): void {
  if (!child.connected) throw new NovaError('network_failed', 'The program that opens listeners has ended.');
  child.send(asked, () => undefined);
}

const isAbout = (answer: Request['asked'], asked: Request['asked']): boolean =>
  (['slot', 'user', 'net', 'port'] as const).every((each) => answer[each] === asked[each]);

/** A handle that no server has taken over, or a connection. */
const closeHandle = (handle: object): void =>
  handle instanceof Socket ? void handle.destroy() : (handle as { close(): void }).close();

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
