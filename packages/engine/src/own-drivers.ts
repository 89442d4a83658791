/**
 * The exports for programs that give the engine drivers of their own, and the parts that such drivers are made of.
 * Published as `novasandbox/engine`.
 */
export { createEngine } from './engine.ts';
export { socketPath } from './layout.ts';
export type { CreateDriver, DriverMeans, ProbeGuest } from './ports/driver-means.ts';
export type {
  Cancellable,
  Drive,
  DriverProbe,
  LaunchOptions,
  Machine,
  MachineRecord,
  MachineSpec,
  MachineStats,
  NetworkSpec,
  ProbeOptions,
  RateLimit,
  SnapshotFiles,
  TapNetwork,
  VmmDriver,
} from './ports/vmm-driver.ts';
export type { EngineOptions, LocalEngine } from './services.ts';
export { consoleLog, vmmLog } from './vmm/logs.ts';
export { MachineProcess } from './vmm/machine-process.ts';
export { identify, isAlive, type ProcessIdentity } from './vmm/process-identity.ts';
export { connectUnixSocket } from './vmm/unix-socket.ts';
