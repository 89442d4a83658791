import { finished } from 'node:stream';
import type { FoundServices } from './found.ts';
import { timed, type Observation } from './observation.ts';

export function observedFiles(observation: Observation): FoundServices['files'] {
  const { engine, activity } = observation;
  const { files } = engine;

  const call = async <T>(id: string, operation: string, work: () => Promise<T>): Promise<T> => {
    using _busy = activity.busy(id);
    return await timed(observation, 'guest', operation, work);
  };
  /** Keeps the sandbox busy until the opened stream or watch is disposed. */
  const opened = async <T extends AsyncDisposable>(
    id: string,
    operation: string,
    work: () => Promise<T>,
  ): Promise<T> => {
    const busy = activity.busy(id);
    try {
      const thing = await timed(observation, 'guest', operation, work);
      return new Proxy(thing, {
        get(target, property) {
          if (property === Symbol.asyncDispose) {
            return async () => {
              busy[Symbol.dispose]();
              await target[Symbol.asyncDispose]();
            };
          }
          const value: unknown = Reflect.get(target, property, target);
          return typeof value === 'function' ? (value.bind(target) as unknown) : value;
        },
      });
    } catch (error) {
      busy[Symbol.dispose]();
      throw error;
    }
  };

  return {
    read: ({ id }, ...rest) => opened(id, 'read_file', () => files.read(id, ...rest)),
    watch: ({ id }, ...rest) => opened(id, 'watch', () => files.watch(id, ...rest)),
    tarOut: ({ id }, ...rest) => opened(id, 'download_archive', () => files.tarOut(id, ...rest)),
    manifest: ({ id }, ...rest) => opened(id, 'manifest', () => files.manifest(id, ...rest)),
    write: ({ id }, ...rest) => call(id, 'write_file', () => files.write(id, ...rest)),
    tarIn: ({ id }, ...rest) => call(id, 'upload_archive', () => files.tarIn(id, ...rest)),
    stat: ({ id }, ...rest) => call(id, 'stat', () => files.stat(id, ...rest)),
    list: ({ id }, ...rest) => call(id, 'list_files', () => files.list(id, ...rest)),
    makeDirectory: ({ id }, ...rest) => call(id, 'make_directory', () => files.makeDirectory(id, ...rest)),
    move: ({ id }, ...rest) => call(id, 'move', () => files.move(id, ...rest)),
    remove: ({ id }, ...rest) => call(id, 'remove', () => files.remove(id, ...rest)),
    setAttributes: ({ id }, ...rest) => call(id, 'set_attributes', () => files.setAttributes(id, ...rest)),
    async tunnel({ id }, ...rest) {
      const busy = activity.busy(id);
      try {
        const stream = await timed(observation, 'guest', 'tunnel', () => files.tunnel(id, ...rest));
        finished(stream, () => busy[Symbol.dispose]());
        return stream;
      } catch (error) {
        busy[Symbol.dispose]();
        throw error;
      }
    },
  };
}
