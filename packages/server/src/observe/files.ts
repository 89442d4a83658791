import { finished } from 'node:stream';
import type { FileService } from '@novasandbox/engine';
import { timed, type Observation } from './observation.ts';

export function observedFiles(observation: Observation): FileService {
  const { engine, activity, roster } = observation;
  const { files } = engine;

  const call = async <T>(ref: string, operation: string, work: () => Promise<T>): Promise<T> => {
    using _busy = activity.busy(await roster.idOf(ref));
    return await timed(observation, 'guest', operation, work);
  };
  /** Busy for as long as what was opened is open. */
  const opened = async <T extends AsyncDisposable>(
    ref: string,
    operation: string,
    work: () => Promise<T>,
  ): Promise<T> => {
    const busy = activity.busy(await roster.idOf(ref));
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
    read: (ref, ...rest) => opened(ref, 'read_file', () => files.read(ref, ...rest)),
    watch: (ref, ...rest) => opened(ref, 'watch', () => files.watch(ref, ...rest)),
    tarOut: (ref, ...rest) => opened(ref, 'download_archive', () => files.tarOut(ref, ...rest)),
    write: (ref, ...rest) => call(ref, 'write_file', () => files.write(ref, ...rest)),
    tarIn: (ref, ...rest) => call(ref, 'upload_archive', () => files.tarIn(ref, ...rest)),
    stat: (ref, ...rest) => call(ref, 'stat', () => files.stat(ref, ...rest)),
    list: (ref, ...rest) => call(ref, 'list_files', () => files.list(ref, ...rest)),
    makeDirectory: (ref, ...rest) => call(ref, 'make_directory', () => files.makeDirectory(ref, ...rest)),
    move: (ref, ...rest) => call(ref, 'move', () => files.move(ref, ...rest)),
    remove: (ref, ...rest) => call(ref, 'remove', () => files.remove(ref, ...rest)),
    setAttributes: (ref, ...rest) => call(ref, 'set_attributes', () => files.setAttributes(ref, ...rest)),
    async tunnel(ref, ...rest) {
      const busy = activity.busy(await roster.idOf(ref));
      try {
        const stream = await timed(observation, 'guest', 'tunnel', () => files.tunnel(ref, ...rest));
        finished(stream, () => busy[Symbol.dispose]());
        return stream;
      } catch (error) {
        busy[Symbol.dispose]();
        throw error;
      }
    },
  };
}
