import { NovaError } from '@novasandbox/protocol';
import type { Engine, EngineOptions } from './services.ts';

/** Puts drivers, images, store and services together. */
export function createEngine(_options: EngineOptions = {}): Promise<Engine> {
  return Promise.reject(new NovaError('not_implemented', 'The engine is being built.'));
}
