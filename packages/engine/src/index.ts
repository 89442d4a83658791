export type * from './services.ts';
export type * from './ports/guest-agent.ts';
export type * from './ports/vmm-driver.ts';
export { createEngine } from './engine.ts';
export { layoutAt, type Layout } from './layout.ts';
