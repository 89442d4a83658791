import type { EngineContext } from '../context.ts';
import { linked } from '../sandbox/find.ts';
import type { FileService } from '../services.ts';

/** Files of a running sandbox: find it, hand the call to its agent. */
export function createFileService(context: EngineContext): FileService {
  const agentOf = async (ref: string, signal?: AbortSignal) => (await linked(context, ref, signal)).agent;
  return {
    read: async (ref, path, range = {}, call = {}) => (await agentOf(ref, call.signal)).readFile(path, range, call),
    write: async (ref, path, source, how = {}, call = {}) =>
      (await agentOf(ref, call.signal)).writeFile(path, source, how, call),
    stat: async (ref, path, user, call = {}) => (await agentOf(ref, call.signal)).stat(path, user, call),
    list: async (ref, path, how = {}, call = {}) => (await agentOf(ref, call.signal)).list(path, how, call),
    makeDirectory: async (ref, path, how = {}, call = {}) =>
      (await agentOf(ref, call.signal)).makeDirectory(path, how, call),
    move: async (ref, source, destination, user, call = {}) =>
      (await agentOf(ref, call.signal)).move(source, destination, user, call),
    remove: async (ref, path, user, call = {}) => (await agentOf(ref, call.signal)).remove(path, user, call),
    setAttributes: async (ref, path, attributes, call = {}) =>
      (await agentOf(ref, call.signal)).setAttributes(path, attributes, call),
    watch: async (ref, path, how = {}, call = {}) => (await agentOf(ref, call.signal)).watch(path, how, call),
    tarIn: async (ref, path, source, user, call = {}) =>
      (await agentOf(ref, call.signal)).tarIn(path, source, user, call),
    tarOut: async (ref, path, user, call = {}) => (await agentOf(ref, call.signal)).tarOut(path, user, call),
    tunnel: async (ref, port, call = {}) => (await agentOf(ref, call.signal)).tunnel({ port }, call),
  };
}
