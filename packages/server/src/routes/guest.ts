import { agentStatus, executeToEnd, guestFacts, health, ping, processesOf, requestOf } from '../vms/guest.ts';
import { whileStarting } from '../vms/while-starting.ts';
import { signalNumber } from '../vms/signals.ts';
import { vmOf } from '@novasandbox/protocol/api';
import { executionAnswer } from '../streams/execution.ts';
import type { Call, JsonHandlers, StreamHandlers } from './call.ts';

/** Commands, and the guest as such. */
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

/** Whoever may ask again with the same key is not waited for less because this time they have gone. */
function executeForCall({ engine, params, body, signal, leaving, request }: Call<'execute'>) {
  const keyed = request.headers['idempotency-key'] !== undefined;
  return executeToEnd(engine, params.id, body, { signal: keyed ? undefined : signal, leaving });
}

export function guestStreams(): Pick<StreamHandlers, 'executeStream' | 'processOutput'> {
  return {
    executeStream: async ({ engine, params, body, signal, leaving, request }) =>
      executionAnswer(
        await whileStarting(signal, (starting) => engine.exec.start(params.id, requestOf(body), { signal: starting })),
        request.headers.accept,
        { signal, leaving },
        body.stdin,
      ),
    processOutput: async ({ engine, params, query, signal, leaving, request }) =>
      executionAnswer(
        await whileStarting(signal, (starting) =>
          engine.exec.attach(
            params.id,
            params.process_id,
            { stdout: query.stdout_offset ?? 0, stderr: query.stderr_offset ?? 0, stdin: false },
            { signal: starting },
          ),
        ),
        request.headers.accept,
        { signal, leaving },
      ),
  };
}
