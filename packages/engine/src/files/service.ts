import type { EngineContext } from '../context.ts';
import type { GuestAgent } from '../ports/guest-agent.ts';
import { reachAgent } from '../sandbox/reach.ts';
import type { CallContext, FileService } from '../services.ts';
import { absolutePath, defaultUser } from './guest-path.ts';

/** Files of a running sandbox: finds the sandbox, makes the paths absolute, and passes the call to its agent. */
export function createFileService(context: EngineContext): FileService {
  const place = async (
    ref: string,
    user: string | undefined,
    call: CallContext,
  ): Promise<{
    readonly agent: GuestAgent;
    readonly whole: (path: string) => Promise<string>;
    readonly owner: () => Promise<string>;
  }> => {
    const found = await reachAgent(context, ref, call.signal);
    return {
      agent: found.agent,
      whole: (path) => absolutePath(context, found, path, user, call),
      owner: async () => user ?? (await defaultUser(context, found.record)),
    };
  };
  return {
    async read(ref, path, range = {}, call = {}) {
      const { agent, whole } = await place(ref, range.user, call);
      return agent.readFile(await whole(path), range, call);
    },
    async write(ref, path, source, how = {}, call = {}) {
      const { agent, whole } = await place(ref, how.user, call);
      return agent.writeFile(await whole(path), source, how, call);
    },
    async stat(ref, path, user, call = {}) {
      const { agent, whole } = await place(ref, user, call);
      return agent.stat(await whole(path), user, call);
    },
    async list(ref, path, how = {}, call = {}) {
      const { agent, whole } = await place(ref, how.user, call);
      return agent.list(await whole(path), how, call);
    },
    async makeDirectory(ref, path, how = {}, call = {}) {
      const { agent, whole } = await place(ref, how.user, call);
      return agent.makeDirectory(await whole(path), how, call);
    },
    async move(ref, source, destination, user, call = {}) {
      const { agent, whole } = await place(ref, user, call);
      return agent.move(await whole(source), await whole(destination), user, call);
    },
    async remove(ref, path, user, call = {}) {
      const { agent, whole } = await place(ref, user, call);
      return agent.remove(await whole(path), user, call);
    },
    async setAttributes(ref, path, attributes, call = {}) {
      const { agent, whole } = await place(ref, attributes.user, call);
      return agent.setAttributes(await whole(path), attributes, call);
    },
    async watch(ref, path, how = {}, call = {}) {
      const { agent, whole } = await place(ref, how.user, call);
      return agent.watch(await whole(path), how, call);
    },
    async tarIn(ref, path, source, user, call = {}) {
      const { agent, whole, owner } = await place(ref, user, call);
      return agent.tarIn(await whole(path), source, await owner(), call);
    },
    async tarOut(ref, path, user, call = {}) {
      const { agent, whole } = await place(ref, user, call);
      return agent.tarOut(await whole(path), user, call);
    },
    async manifest(ref, path, request = {}, call = {}) {
      const { agent, whole } = await place(ref, request.user, call);
      return agent.manifest(await whole(path), request, call);
    },
    tunnel: async (ref, port, call = {}) =>
      (await reachAgent(context, ref, call.signal)).agent.tunnel({ address: 'localhost', port }, call),
  };
}
