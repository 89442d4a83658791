import { createImageSource, processesNaming, type Layout } from '@novasandbox/engine';

/** What measurements need to know of the host that the engine's services have no reason to tell. */
export function createBenchAccess(layout: Layout) {
  return {
    async vmmPid(id: string): Promise<number> {
      const found = processesNaming(layout.sockets(id))[0];
      if (found === undefined) throw new Error(`the VMM of ${id} is not to be found`);
      return found.pid;
    },
    /** That of guests of this host's processor, as it is now. */
    async agentBinary(): Promise<string> {
      return (await createImageSource(layout).agent({})).path;
    },
  };
}
