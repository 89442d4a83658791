import type { Duplex } from 'node:stream';
import { socketPath } from '../../layout.ts';
import type { Machine } from '../../ports/vmm-driver.ts';
import { MachineProcess } from '../../vmm/machine-process.ts';
import { unixHttpClient } from '../../vmm/unix-http.ts';
import { connectUnixSocket } from '../../vmm/unix-socket.ts';
import { change, type State } from './api.ts';
import { connectChannel } from './channel.ts';
import { agentSocket, restSocket } from './config.ts';

interface Cancellable {
  readonly signal?: AbortSignal | undefined;
}

/** One vfkit process; the machine ends with it. */
export class AppleVzMachine extends MachineProcess implements Machine {
  connect(_channel: number, { signal }: Cancellable): Promise<Duplex> {
    return connectChannel(socketPath(this.record.socketDirectory, agentSocket), this.record, signal);
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
