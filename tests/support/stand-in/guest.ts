import { spawn, type ChildProcess } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';

const agentPort = 1024;
/**
 * The folder where agents listen. It is not the machine's folder, which is removed while a killed agent may still be
 * opening its socket.
 */
const agentFolder = join(import.meta.dirname, 'guests');

/**
 * The substitute for a guest: the real agent as a process, behind a vsock socket like that of VMMs. It ends with the
 * process that made it, however that ends.
 */
export class Guest {
  readonly #agent: ChildProcess;
  readonly #server: Server;
  readonly #vsock: string;
  /** Settles when the guest is over: its agent has ended. */
  readonly ended: Promise<unknown>;

  private constructor(agent: ChildProcess, server: Server, vsock: string) {
    this.#agent = agent;
    this.#server = server;
    this.#vsock = vsock;
    this.ended = once(agent, 'exit');
  }

  /**
   * Rejects when the socket exists already.
   * @param how how the VMM forwards the host's connections to the guest, and where the console is written to; default:
   * our standard output
   */
  static async boot(
    agentBinary: string,
    vsock: string,
    { serve = hybrid, console = 1 }: { readonly serve?: Serve; readonly console?: number } = {},
  ): Promise<Guest> {
    const name = randomUUID();
    const server = createServer((socket) => serve(socket, join(agentFolder, name)));
    await once(server.listen(vsock), 'listening');
    // The name is relative, so that a leak check does not take the agent for a process of the sandbox: it ends with us.
    // It is killed with us even where we have ended before that was set up.
    const ours = `[ $PPID = ${process.pid} ] && exec "$0" "$@"`;
    const command = ['/bin/sh', '-c', ours, agentBinary, '--listen', name];
    const agent = spawn('setpriv', ['--pdeathsig', 'KILL', ...command], {
      cwd: agentFolder,
      // Its output is the guest's console.
      stdio: ['ignore', console, console],
    });
    return new Guest(agent, server, vsock);
  }

  pause(): void {
    this.#agent.kill('SIGSTOP');
  }

  resume(): void {
    this.#agent.kill('SIGCONT');
  }

  end(): void {
    this.#agent.kill('SIGKILL');
    this.#server.close();
    rmSync(this.#vsock, { force: true });
  }
}

type Serve = (host: Socket, agentPath: string) => void;

/** One socket for one port: connections are accepted at once, and closed where nobody listens in the guest. */
export function plainly(host: Socket, agentPath: string): void {
  const guest = connect(agentPath);
  guest.once('connect', () => host.pipe(guest).pipe(host));
  guest.on('error', () => host.destroy()).on('close', () => host.destroy());
  host.on('error', () => guest.destroy()).on('close', () => guest.destroy());
}

/** "CONNECT <port>\n", "OK <host port>\n", and the stream; closed at once where nobody listens. */
function hybrid(host: Socket, agentPath: string): void {
  let asked = '';
  host.on('error', () => host.destroy());
  const onReadable = (): void => {
    for (let byte = host.read(1) as Buffer | null; byte !== null; byte = host.read(1) as Buffer | null) {
      if (byte[0] !== 10) {
        asked += byte.toString('latin1');
        if (asked.length > 32) host.destroy();
        continue;
      }
      host.off('readable', onReadable);
      if (asked !== `CONNECT ${agentPort}`) return void host.destroy();
      const guest = connect(agentPath);
      guest.once('connect', () => {
        host.write(`OK ${1_073_741_824 + Math.floor(Math.random() * 1000)}\n`);
        host.pipe(guest).pipe(host);
      });
      guest.on('error', () => host.destroy()).on('close', () => host.destroy());
      host.on('close', () => guest.destroy());
      return;
    }
  };
  host.on('readable', onReadable);
}
