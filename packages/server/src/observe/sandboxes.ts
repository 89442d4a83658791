import { hasMachine, toNovaError, type SandboxInfo } from '@novasandbox/protocol';
import { byId, type FoundServices } from './found.ts';
import { timed, type Observation } from './observation.ts';
import { turns } from './turns.ts';

export function observedSandboxes(observation: Observation): FoundServices['sandboxes'] {
  const { engine, events, roster, limits, letGoOfVolumes } = observation;
  const { sandboxes } = engine;
  const changing = async (operation: string, work: () => Promise<SandboxInfo>): Promise<SandboxInfo> => {
    const info = await timed(observation, 'vm', operation, work);
    roster.saw(info);
    return info;
  };
  return {
    ...byId(sandboxes),
    list: (filter, scope) => sandboxes.list(filter, scope),
    async create(config, context) {
      await limits.check(config);
      using _place = limits.reserve();
      const { volumes = [] } = config;
      if (volumes.length > 0) await letGoOfVolumes(volumes.map(({ name }) => name));
      try {
        // A client that has disconnected would not learn of its new sandbox, so its disconnection has to be noticed
        // first. Nothing else happens between `ready` and the writing of the answer.
        return await changing('create', () => sandboxes.create(config, { ...context, ready: turns }));
      } catch (error) {
        const { code, message } = toNovaError(error);
        const about = { id: null, ...(context?.ownership ?? { owner: null, team: null }) };
        events.emit('vm.failed', about, { name: config.name ?? null, code, message });
        throw error;
      }
    },
    async start({ id }, context) {
      const before = await sandboxes.get(id);
      using _place = hasMachine(before.state) ? undefined : limits.reserve();
      if (before.volumes.length > 0) await letGoOfVolumes(before.volumes.map(({ name }) => name));
      return await changing('start', () => sandboxes.start(id, context));
    },
    async stop({ id }, options) {
      const info = await timed(observation, 'vm', 'stop', () => sandboxes.stop(id, options));
      roster.saw(info);
      // An ephemeral sandbox is removed when it stops.
      if (info.ephemeral) roster.gone(info.id);
      return info;
    },
    pause: ({ id }) => changing('pause', () => sandboxes.pause(id)),
    // A waking is admitted wherever it comes from.
    resume: ({ id }, context) => changing('resume', () => sandboxes.resume(id, context)),
    hibernate: ({ id }, how, context) => changing('hibernate', () => sandboxes.hibernate(id, how, context)),
    async resize({ id }, to, context) {
      const { vcpus, memoryMb } = await sandboxes.get(id);
      const wanted = { vcpus: to.vcpus ?? vcpus, memoryMb: to.memoryMb ?? memoryMb };
      await limits.check({ ...wanted, enableNetwork: false });
      return changing('resize', () => sandboxes.resize(id, to, context));
    },
    rename: ({ id }, name) => changing('rename', () => sandboxes.rename(id, name)),
    async remove({ id }, options) {
      await timed(observation, 'vm', 'delete', () => sandboxes.remove(id, options));
      roster.gone(id);
    },
    async setTimeout({ id }, timeoutMs) {
      const info = await sandboxes.setTimeout(id, timeoutMs);
      roster.saw(info);
      return info;
    },
  };
}
