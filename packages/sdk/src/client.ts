/** The client: everything of the library that works over a daemon, published without the engine. */
export * from './index.ts';
export { createRemoteEngine } from './remote/remote-engine.ts';
