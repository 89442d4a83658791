import { spawn } from 'node:child_process';
import { createSocket, type Socket as DatagramSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer, type Server } from 'node:net';
import { createImageSource, type Layout } from '@novasandbox/engine';

/** The listeners of a slot, as the program has opened them. */
export interface SlotListeners {
  readonly tcp: Server;
  readonly dnsUdp: DatagramSocket;
  readonly dnsTcp: Server;
  close(): Promise<void>;
}

export interface Listener extends AsyncDisposable {
  open(slot: number): Promise<SlotListeners>;
  /** Resolves to the exit code of the program. */
  send(message: unknown): Promise<number | null>;
}

interface Answer {
  readonly slot: number;
  readonly socket?: string;
  readonly error?: string;
}

/** Starts the program that opens listeners in slots, as the egress process does. */
export async function startListener(layout: Layout): Promise<Listener> {
  const { program } = await createImageSource(layout).listener({});
  const child = spawn(program, [], { stdio: ['ignore', 'ignore', 'inherit', 'ipc'], env: {} });
  const ended = once(child, 'exit').then(([code]) => code as number | null);
  const open = async (slot: number): Promise<SlotListeners> => {
    const opened = new Map<string, unknown>();
    const { promise, resolve, reject } = Promise.withResolvers<undefined>();
    child.on('message', function take(answer: Answer, handle: unknown) {
      if (answer.slot !== slot) return;
      if (answer.socket !== undefined) opened.set(answer.socket, handle);
      if (answer.error === undefined && opened.size < 3) return;
      child.off('message', take);
      if (answer.error === undefined) resolve(undefined);
      else reject(new Error(answer.error));
    });
    child.send({ slot });
    await promise;
    const tcp = createServer().listen(opened.get('tcp'));
    const dnsTcp = createServer().listen(opened.get('dns-tcp'));
    const dnsUdp = createSocket('udp4');
    // Node takes a handle here too, which its types do not say, and listens at once.
    dnsUdp.bind(opened.get('dns-udp') as number);
    await Promise.all([tcp, dnsTcp].map((each) => once(each, 'listening')));
    return {
      tcp,
      dnsTcp,
      dnsUdp,
      async close() {
        await Promise.all(
          [tcp, dnsTcp, dnsUdp].map(async (each) => {
            each.close();
            await once(each, 'close');
          }),
        );
      },
    };
  };
  return {
    open,
    send(message) {
      child.send(message as object);
      return ended;
    },
    async [Symbol.asyncDispose]() {
      if (child.connected) child.disconnect();
      await ended;
    },
  };
}
