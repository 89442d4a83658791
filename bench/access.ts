import { createImageSource, processesNaming, type Layout } from '@novasandbox/engine';

/** Facts about the host that measurements need and the engine's services do not offer. */
export function createBenchAccess(layout: Layout) {
  return {
    async vmmPid(id: string): Promise<number> {
      const found = processesNaming(layout.sockets(id))[0];
      if (found === undefined) throw new Error(`the VMM of ${id} was not found`);
      return found.pid;
    },
    /** The agent's current binary for guests of this host's processor. */
    async agentBinary(): Promise<string> {
      return (await createImageSource(layout).agent({})).path;
    },
  };
}
