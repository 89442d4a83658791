import { setImmediate } from 'node:timers/promises';
import type { SandboxService } from '@novasandbox/engine';
import { toNovaError, type SandboxInfo } from '@novasandbox/protocol';
import { timed, type Observation } from './observation.ts';

/** Lets what has come over sockets meanwhile be heard: whoever asked may just have gone. What waits in the kernel is read in the turn after this one. */
async function turns(): Promise<void> {
  await setImmediate();
  await setImmediate();
}

export function observedSandboxes(observation: Observation): SandboxService {
  const { engine, events, roster, limits } = observation;
  const { sandboxes } = engine;
  const changing = async (operation: string, work: () => Promise<SandboxInfo>): Promise<SandboxInfo> => {
    const info = await timed(observation, 'vm', operation, work);
    roster.saw(info);
    return info;
  };
  return {
    ...sandboxes,
    async create(config, context) {
      await limits.check(config);
      using _place = limits.reserve();
      try {
        // A client that has gone meanwhile would not learn of it. From then on until the answer is written nothing else happens.
        return await changing('create', () => sandboxes.create(config, { ...context, ready: turns }));
      } catch (error) {
        const { code, message } = toNovaError(error);
        const about = { id: null, ...(context?.ownership ?? { owner: null, team: null }) };
        events.emit('vm.failed', about, { name: config.name ?? null, code, message });
        throw error;
      }
    },
    async start(ref, context) {
      const before = await sandboxes.get(ref);
      using _place = before.state === 'running' || before.state === 'paused' ? undefined : limits.reserve();
      return await changing('start', () => sandboxes.start(ref, context));
    },
    async stop(ref, options) {
      const info = await timed(observation, 'vm', 'stop', () => sandboxes.stop(ref, options));
      roster.saw(info);
      // An ephemeral one goes as it stops.
      if (info.ephemeral) roster.gone(info.id);
      return info;
    },
    pause: (ref) => changing('pause', () => sandboxes.pause(ref)),
    resume: (ref) => changing('resume', () => sandboxes.resume(ref)),
    async resize(ref, to, context) {
      const { id, vcpus, memoryMb } = await sandboxes.get(ref);
      const wanted = { vcpus: to.vcpus ?? vcpus, memoryMb: to.memoryMb ?? memoryMb };
      await limits.check({ ...wanted, enableNetwork: false });
      return changing('resize', () => sandboxes.resize(id, to, context));
    },
    async remove(ref, options) {
      const id = await roster.idOf(ref);
      await timed(observation, 'vm', 'delete', () => sandboxes.remove(ref, options));
      roster.gone(id);
    },
    async setTimeout(ref, timeoutMs) {
      const info = await sandboxes.setTimeout(ref, timeoutMs);
      roster.saw(info);
      events.emit('vm.timeout_changed', info, { expires_at: info.expiresAt });
      return info;
    },
  };
}
