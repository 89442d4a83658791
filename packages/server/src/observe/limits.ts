import type { Engine } from '@novasandbox/engine';
import { NovaError, type SandboxConfigInput } from '@novasandbox/protocol';
import type { ServerConfig } from '../config/schema.ts';
import type { Roster } from './roster.ts';

/** What the configuration allows a VM to be; throws with the field and the limit. */
export interface Limits {
  check(config: SandboxConfigInput): Promise<void>;
  /** Whether ports of the host are given out at all. */
  checkHostPort(): void;
  /** A place among the VMs that may run at once, given back when disposed. */
  reserve(): Disposable;
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
    if (!allow_host_ports) refuse('host_port', 'ports of the host are not given out here');
  };
  return {
    checkHostPort,
    async check(wanted) {
      if (wanted.hostPort !== undefined) checkHostPort();
      if (!allow_internet && wanted.enableNetwork !== false)
        refuse('network', 'VMs have no network here; ask for network: false');
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
    reserve() {
      const running = roster.list().filter(({ state }) => state === 'running' || state === 'paused').length;
      if (max_vms > 0 && running + coming >= max_vms) {
        throw new NovaError('vm_limit_reached', `${max_vms} VMs run here already, and no more may.`);
      }
      coming += 1;
      let over = false;
      return {
        [Symbol.dispose]() {
          if (!over) coming -= 1;
          over = true;
        },
      };
    },
  };
}
