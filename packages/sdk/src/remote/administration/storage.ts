import type { StorageService } from '@novasandbox/engine/services';
import type { HttpClient } from '../http.ts';

/** Housekeeping of a daemon, for its admin. */
export function createRemoteStorage(http: HttpClient): StorageService {
  return {
    usage: (context) => http.call('systemStorage', {}, { signal: context?.signal, timeoutMs: 0 }),
    collect: ({ dryRun = false, all = false } = {}, context) =>
      http.call('collectGarbage', {}, { body: { dry_run: dryRun, all }, signal: context?.signal, timeoutMs: 0 }),
  };
}
