import { agentStatus, executeToEnd, guestFacts, health, ping, processesOf, requestOf } from '../vms/guest.ts';
import { whileStarting } from '../vms/while-starting.ts';
import { signalNumber } from '@novasandbox/protocol';
import { vmOf } from '@novasandbox/protocol/api';
import { executionAnswer, readingAnswer } from '../streams/execution.ts';
import type { Call, JsonHandlers, StreamHandlers } from './call.ts';

/** Runs commands and reports on the guest itself. */
export function guestHandlers(): Pick<
  JsonHandlers,
  | 'execute'
  | 'guestExecute'
  | 'executeDetached'
  | 'listProcesses'
  | 'guestProcesses'
  | 'signalProcess'
  | 'pingGuest'
  | 'guestInfo'
  | 'guestHealth'
  | 'shutdownGuest'
  | 'getAgentStatus'
> {
  return {
    execute: executeForCall,
    guestExecute: executeForCall,
    async executeDetached({ engine, params, body }) {
      const { execId, pid } = await engine.exec.startDetached(params.id, requestOf(body));
      return { process_id: execId, pid };
    },
    listProcesses: ({ engine, params, signal }) => processesOf(engine, params.id, signal),
    guestProcesses: ({ engine, params, signal }) => processesOf(engine, params.id, signal),
    signalProcess: ({ engine, params, body, signal }) =>
      engine.exec.signal(params.id, params.process_id, signalNumber(body.signal), { signal }),
    pingGuest: async ({ engine, params, signal }) => ({
      ok: true,
      round_trip_ms: await ping(engine, params.id, signal),
    }),
    guestInfo: ({ engine, params, signal }) => guestFacts(engine, params.id, signal),
    guestHealth: ({ engine, params, signal }) => health(engine, params.id, signal),
    shutdownGuest: async ({ engine, params }) => vmOf(await engine.sandboxes.stop(params.id)),
    getAgentStatus: ({ engine, params, signal }) => agentStatus(engine, params.id, signal),
  };
}

/**
 * A request with an idempotency key runs to its end even when its client disconnects, because the client may repeat it
 * to get the answer.
 */
function executeForCall({ engine, params, body, signal, leaving, request }: Call<'execute'>) {
  const keyed = request.headers['idempotency-key'] !== undefined;
  return executeToEnd(engine, params.id, body, { signal: keyed ? undefined : signal, leaving });
}

export function guestStreams(): Pick<StreamHandlers, 'executeStream' | 'processOutput'> {
  return {
    executeStream: async (call) => {
      const { engine, params, body, signal } = call;
      const process = await whileStarting(signal, (starting) =>
        engine.exec.start(params.id, requestOf(body), { signal: starting }),
      );
      return executionAnswer(process, clientOf(call), body.stdin);
    },
    processOutput: async (call) => {
      const { engine, params, query, signal } = call;
      const from = { stdout: query.stdout_offset ?? 0, stderr: query.stderr_offset ?? 0 };
      if (!query.follow) {
        return readingAnswer(await engine.exec.output(params.id, params.process_id, from, { signal }), clientOf(call));
      }
      const process = await whileStarting(signal, (starting) =>
        engine.exec.attach(params.id, params.process_id, { ...from, stdin: false }, { signal: starting }),
      );
      return executionAnswer(process, clientOf(call));
    },
  };
}

const clientOf = ({ request, signal, leaving }: Pick<Call<'execute'>, 'request' | 'signal' | 'leaving'>) => ({
  accept: request.headers.accept,
  signal,
  leaving,
});
