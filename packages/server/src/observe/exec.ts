import type { AttachedProcess } from '@novasandbox/engine';
import { endWireOf, type Exit } from '@novasandbox/protocol';
import type { Subject } from '../context.ts';
import type { FoundServices } from './found.ts';
import { timed, type Observation } from './observation.ts';

export function observedExec(observation: Observation): FoundServices['exec'] {
  const { engine, events, activity } = observation;
  const { exec } = engine;

  // Events name a command by its ids only, because arguments and environments may hold secrets.
  const started = (about: Subject, { execId, pid }: { readonly execId: number; readonly pid: number }): void =>
    events.emit('command.started', about, { process_id: execId, pid });
  const ended = (about: Subject, execId: number, exit: Exit): void =>
    events.emit('command.ended', about, { process_id: execId, ...endWireOf(exit) });
  /**
   * Keeps the sandbox busy until the process ends or its client leaves. A process that runs on without a client is
   * found by the idle sweep.
   */
  const attached = async (
    vm: Subject & { readonly id: string },
    work: () => Promise<AttachedProcess>,
    isNew: boolean,
  ): Promise<AttachedProcess> => {
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
    start: (vm, request, call) => attached(vm, () => exec.start(vm.id, request, call), true),
    attach: (vm, execId, from, call) => attached(vm, () => exec.attach(vm.id, execId, from, call), false),
    async output(vm, execId, from, call) {
      using _busy = activity.busy(vm.id);
      return await timed(observation, 'guest', 'output', () => exec.output(vm.id, execId, from, call));
    },
    async startDetached(vm, request, call) {
      using _busy = activity.busy(vm.id);
      const ids = await timed(observation, 'guest', 'execute', () => exec.startDetached(vm.id, request, call));
      started(vm, ids);
      return ids;
    },
    async signal(vm, execId, signal, call) {
      using _busy = activity.busy(vm.id);
      await timed(observation, 'guest', 'signal', () => exec.signal(vm.id, execId, signal, call));
    },
    list: (vm, call) => timed(observation, 'guest', 'list_processes', () => exec.list(vm.id, call)),
    ping: (vm, call) => timed(observation, 'guest', 'ping', () => exec.ping(vm.id, call)),
  };
}
