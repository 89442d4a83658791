import { Code, ConnectError, type ConnectRouter } from '@connectrpc/connect';
import { Process, Signal, type ProcessInput, type ProcessSelector } from '../gen/process_pb.js';
import { streaming, unary } from '../implement.ts';
import type { Scope } from '../scope.ts';
import { createInputs } from './inputs.ts';
import { runningProcess } from './select.ts';
import { connect, inputError, start } from './start.ts';

/** Implements process.Process with the commands of the engine. */
export function processService(router: ConnectRouter): void {
  const inputs = createInputs();

  const writer = async (scope: Scope, selector: ProcessSelector | undefined) => {
    const { execId } = await runningProcess(scope, selector);
    return inputs.of(scope, execId);
  };
  const write = async (
    scope: Scope,
    selector: ProcessSelector | undefined,
    input: ProcessInput | undefined,
  ): Promise<void> => {
    const bytes = input?.input.value;
    if (bytes === undefined) throw new ConnectError('no input', Code.InvalidArgument);
    const process = await writer(scope, selector);
    await process.writeStdin(bytes).catch((error: unknown) => {
      throw inputError(error);
    });
  };

  router.service(Process, {
    start: streaming((scope, request, call) => start(inputs, scope, request, call)),
    connect: streaming((scope, request, call) => connect(inputs, scope, request, call)),

    list: unary(async ({ context, info }) => {
      const all = await context.engine.exec.list(info.id);
      return {
        processes: all
          .filter(({ running }) => running)
          .map(({ pid, argv: [cmd = '', ...args], cwd, tag, env }) => ({
            config: { cmd, args, cwd, envs: Object.fromEntries(env.map(nameAndValue)) },
            pid,
            ...(tag === '' ? {} : { tag }),
          })),
      };
    }),

    update: unary(async (scope, { process: selector, pty }) => {
      const size = pty?.size;
      if (size === undefined) return {};
      const { cols, rows } = size;
      if (cols < 1 || rows < 1 || cols > 10_000 || rows > 10_000)
        throw new ConnectError('no such size of a terminal', Code.InvalidArgument);
      await (await writer(scope, selector)).resize({ cols, rows });
      return {};
    }),

    sendInput: unary(async (scope, { process: selector, input }) => {
      await write(scope, selector, input);
      return {};
    }),

    streamInput: async (requests, call) => {
      let selector: ProcessSelector | undefined;
      const each = unary(async (scope, input: ProcessInput | undefined) => write(scope, selector, input));
      for await (const { event } of requests) {
        if (event.case === 'start') selector = event.value.process;
        else if (event.case === 'data') await each(event.value.input, call);
      }
      return {};
    },

    sendSignal: unary(async (scope, { process: selector, signal }) => {
      if (signal === Signal.UNSPECIFIED) throw new ConnectError('no such signal', Code.InvalidArgument);
      const { execId } = await runningProcess(scope, selector);
      await scope.context.engine.exec.signal(scope.info.id, execId, signal);
      return {};
    }),

    closeStdin: unary(async (scope, { process: selector }) => {
      const process = await writer(scope, selector);
      await process.closeStdin();
      return {};
    }),
  });
}

function nameAndValue(variable: string): [string, string] {
  const mark = variable.indexOf('=');
  return mark === -1 ? [variable, ''] : [variable.slice(0, mark), variable.slice(mark + 1)];
}
