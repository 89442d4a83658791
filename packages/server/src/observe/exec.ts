import type { AttachedProcess, ExecService } from '@novasandbox/engine';
import type { Exit } from '@novasandbox/protocol';
import type { Subject } from '../context.ts';
import { timed, type Observation } from './observation.ts';

export function observedExec(observation: Observation): ExecService {
  const { engine, events, activity, roster } = observation;
  const { exec } = engine;

  // What a command is told as is its ids alone: arguments and environments hold secrets.
  const started = (about: Subject, { execId, pid }: { readonly execId: number; readonly pid: number }): void =>
    events.emit('command.started', about, { process_id: execId, pid });
  const ended = (about: Subject, execId: number, { exitCode, signal, timedOut, oomKilled }: Exit): void =>
    events.emit('command.ended', about, {
      process_id: execId,
      exit_code: exitCode,
      signal,
      timed_out: timedOut,
      oom_killed: oomKilled,
    });
  /** Busy until the process ends or whoever listened leaves; a process that goes on alone is asked for by the idle stop. */
  const attached = async (
    ref: string,
    work: () => Promise<AttachedProcess>,
    isNew: boolean,
  ): Promise<AttachedProcess> => {
    const vm = await roster.infoOf(ref);
    const busy = activity.busy(vm.id);
    try {
      const process = await timed(observation, 'guest', isNew ? 'execute' : 'attach', work);
      if (isNew) started(vm, process);
      process.exit
        .then((exit) => ended(vm, process.execId, exit))
        .catch(() => undefined)
        .finally(() => busy[Symbol.dispose]());
      return process;
    } catch (error) {
      busy[Symbol.dispose]();
      throw error;
    }
  };

  return {
    start: (ref, request, call) => attached(ref, () => exec.start(ref, request, call), true),
    attach: (ref, execId, from, call) => attached(ref, () => exec.attach(ref, execId, from, call), false),
    async startDetached(ref, request, call) {
      const vm = await roster.infoOf(ref);
      using _busy = activity.busy(vm.id);
      const ids = await timed(observation, 'guest', 'execute', () => exec.startDetached(ref, request, call));
      started(vm, ids);
      return ids;
    },
    async signal(ref, execId, signal, call) {
      using _busy = activity.busy(await roster.idOf(ref));
      await timed(observation, 'guest', 'signal', () => exec.signal(ref, execId, signal, call));
    },
    list: (ref, call) => timed(observation, 'guest', 'list_processes', () => exec.list(ref, call)),
    ping: (ref, call) => timed(observation, 'guest', 'ping', () => exec.ping(ref, call)),
  };
}
