/** The client: the parts of the library that work over a daemon, published without the engine. */
export * from './core.ts';
export { createSandboxEngine as createRemoteEngine, type SandboxEngine as Engine } from './remote/sandbox-engine.ts';
