import type { Duplex } from 'node:stream';
import { socketPath } from '../../layout.ts';
import type { Machine } from '../../ports/vmm-driver.ts';
import { boundLogs } from '../../vmm/logs.ts';
import { MachineProcess } from '../../vmm/machine-process.ts';
import { unixHttpClient } from '../../vmm/unix-http.ts';
import { connectUnixSocket } from '../../vmm/unix-socket.ts';
import { change, type State } from './api.ts';
import { connectChannel } from './channel.ts';
import { agentSocket, restSocket } from './config.ts';

/** Between two looks at how large the logs have become. */
const lookEveryMs = 1000;

interface Cancellable {
  readonly signal?: AbortSignal | undefined;
}

/** One vfkit process; the machine ends with it. */
export class AppleVzMachine extends MachineProcess implements Machine {
  async connect(_channel: number, { signal }: Cancellable): Promise<Duplex> {
    const path = socketPath(this.record.socketDirectory, agentSocket);
    const channel = await connectChannel(path, this.record, signal);
    this.#boundLogs(channel);
    return channel;
  }

  /**
   * vfkit begins its log of the console at its first byte, and the framework may write it outside of vfkit's own limits: it is kept short for as long as somebody
   * talks to the guest, and whenever somebody looks at it.
   */
  #boundLogs(meanwhile: Duplex): void {
    const timer = setInterval(() => void boundLogs(this.record.directory).catch(() => undefined), lookEveryMs).unref();
    meanwhile.once('close', () => clearInterval(timer));
  }

  pause({ signal }: Cancellable): Promise<void> {
    return this.#become('Paused', signal);
  }

  resume({ signal }: Cancellable): Promise<void> {
    return this.#become('Running', signal);
  }

  async #become(state: State, signal?: AbortSignal): Promise<void> {
    const socket = socketPath(this.record.socketDirectory, restSocket);
    const http = unixHttpClient(await connectUnixSocket(socket, signal));
    try {
      await change(http, state, signal);
    } finally {
      http.close();
    }
  }
}
