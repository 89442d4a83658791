/** The library. */
export * from './core.ts';
export * from './admin.ts';
export * from './tar/index.ts';
export type { Engine } from '@novasandbox/engine/services';
