export type * from './services.ts';
export type * from './ports/guest-agent.ts';
export type * from './ports/vmm-driver.ts';
export { createEngine } from './engine.ts';
export { layoutAt, prepareLayout, type Layout } from './layout.ts';

// The parts below the engine, for those who build on them one by one: the conformance suite and the benchmark.
export { openSession } from './agent/index.ts';
export { createProcessDriver } from './drivers/process/driver.ts';
export { createQemuDriver } from './drivers/qemu/driver.ts';
export { createImageSource } from './images/index.ts';
export { loadTemplate } from './template/load.ts';
export { processesNaming } from './vmm/find-processes.ts';
