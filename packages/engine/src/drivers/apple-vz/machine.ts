import type { Duplex } from 'node:stream';
import { socketPath } from '../../layout.ts';
import type { Cancellable, Machine } from '../../ports/vmm-driver.ts';
import { boundLogs } from '../../vmm/logs.ts';
import { MachineProcess } from '../../vmm/machine-process.ts';
import { unixHttpClient } from '../../vmm/unix-http.ts';
import { connectUnixSocket } from '../../vmm/unix-socket.ts';
import { change, type State } from './api.ts';
import { connectChannel } from './channel.ts';
import { agentSocket, restSocket } from './config.ts';

/** Interval between two checks of the size of the logs, ms. */
const lookEveryMs = 1000;

/** One vfkit process; the machine ends with it. */
export class AppleVzMachine extends MachineProcess implements Machine {
  async connect(_channel: number, { signal }: Cancellable): Promise<Duplex> {
    const path = socketPath(this.record.socketDirectory, agentSocket);
    const channel = await connectChannel(path, this.record, signal);
    this.#boundLogs(channel);
    return channel;
  }

  /**
   * Keeps the logs short while the channel is open. vfkit writes its console log from the first byte of the file on,
   * and the framework may write it outside of vfkit's own limits, so the limit of the process on file sizes does not
   * keep it short. The log is also cut short whenever it is read.
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
