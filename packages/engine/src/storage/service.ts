import type { EngineContext } from '../context.ts';
import type { StorageService } from '../services.ts';
import { collect } from './collect.ts';
import { storageUsage } from './usage.ts';

/** The space that NovaSandbox takes; each verb is a file beside this one. */
export function createStorageService(context: EngineContext): StorageService {
  return {
    usage: (call) => storageUsage(context, call),
    collect: (options, call) => collect(context, options, call),
  };
}
