import { Agent, type AgentOptions, type ClientRequestArgs } from 'node:http';
import type { Duplex } from 'node:stream';
import { inBackground } from '../../ports/background.ts';

/** Options of a request to a server beyond those that Node needs. */
export interface UpstreamRequest extends ClientRequestArgs {
  /** The addresses that the host may be reached at; they have been judged. */
  readonly addresses: readonly string[];
}

const options: AgentOptions = { keepAlive: true, maxSockets: 8, maxFreeSockets: 1 };

/** The connections to servers for the requests of one connection of a guest. */
export class UpstreamAgent extends Agent {
  readonly #open: (request: UpstreamRequest) => Promise<Duplex>;

  /** @param open makes a connection for that request */
  constructor(open: (request: UpstreamRequest) => Promise<Duplex>) {
    super(options);
    this.#open = open;
  }

  override createConnection(
    asked: ClientRequestArgs,
    callback?: (error: Error | null, stream: Duplex) => void,
  ): undefined {
    // Where it fails, there is no stream to give.
    const give = callback as ((error: Error | null, stream?: Duplex) => void) | undefined;
    inBackground('connecting to a server', async () => {
      try {
        give?.(null, await this.#open(asked as UpstreamRequest));
      } catch (error) {
        give?.(error instanceof Error ? error : new Error(String(error)));
      }
    });
  }
}
