import type { Engine } from '@novasandbox/engine';
import { hasMachine, NovaError, type SandboxConfigInput } from '@novasandbox/protocol';
import type { ServerConfig } from '../config/schema.ts';
import type { Roster } from './roster.ts';

/** Enforces the configured limits of a VM; the error names the field and the limit. */
export interface Limits {
  check(config: SandboxConfigInput): Promise<void>;
  /** Throws when the configuration does not allow ports on the host. */
  checkHostPort(): void;
  /** Reserves places among the VMs that may run at once, all or none; disposing frees them. Default: one. */
  reserve(places?: number): Disposable;
}

export function createLimits(engine: Engine, config: ServerConfig, roster: Roster): Limits {
  const { max_vms, max_memory_mb, max_vcpus } = config.resources;
  let coming = 0;
  const refuse = (field: string, message: string): never => {
    throw new NovaError('invalid_argument', `${field}: ${message}`, {
      details: { issues: [{ field, problem: message }] },
    });
  };
  const { allow_internet, allow_host_ports } = config.networking;
  const checkHostPort = (): void => {
    if (!allow_host_ports) refuse('host_port', 'the configuration of this server allows no ports on the host');
  };
  return {
    checkHostPort,
    async check(wanted) {
      if (wanted.hostPort !== undefined) checkHostPort();
      if (!allow_internet && wanted.enableNetwork !== false)
        refuse('network', 'the configuration of this server allows VMs no network; ask for network: false');
      if (max_memory_mb === 0 && max_vcpus === 0) return;
      const needsTemplate = wanted.memoryMb === undefined || wanted.vcpus === undefined;
      const template = needsTemplate ? await engine.templates.inspect(wanted.templateId ?? 'base') : null;
      const memoryMb = wanted.memoryMb ?? template?.memoryMb ?? 0;
      const vcpus = wanted.vcpus ?? template?.vcpus ?? 0;
      if (max_memory_mb > 0 && memoryMb > max_memory_mb)
        refuse('memory_mb', `${memoryMb} is more than the ${max_memory_mb} that one VM may have here`);
      if (max_vcpus > 0 && vcpus > max_vcpus)
        refuse('vcpus', `${vcpus} is more than the ${max_vcpus} that one VM may have here`);
    },
    reserve(places = 1) {
      const running = roster.list().filter(({ state }) => hasMachine(state)).length;
      if (max_vms > 0 && running + coming + places > max_vms) {
        const message =
          places === 1
            ? `${max_vms} VMs are running, which is the limit of this server.`
            : `${running + coming} VMs are running; ${places} more would exceed the limit of this server, ${max_vms}.`;
        throw new NovaError('vm_limit_reached', message);
      }
      coming += places;
      let over = false;
      return {
        [Symbol.dispose]() {
          if (!over) coming -= places;
          over = true;
        },
      };
    },
  };
}
