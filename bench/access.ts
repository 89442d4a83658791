import { processesNaming, type Layout } from '@novasandbox/engine';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';

/** What measurements need to know of the host that the engine's services have no reason to tell. */
export function createBenchAccess(layout: Layout) {
  return {
    async vmmPid(id: string): Promise<number> {
      const found = processesNaming(layout.sockets(id))[0];
      if (found === undefined) throw new Error(`the VMM of ${id} is not to be found`);
      return found.pid;
    },
    async agentBinary(): Promise<string> {
      const folder = join(layout.home, 'agent');
      for (const entry of await readdir(folder, { withFileTypes: true })) {
        if (entry.isDirectory()) return join(folder, entry.name, 'nova-agent');
      }
      throw new Error('the agent has not been built');
    },
  };
}
