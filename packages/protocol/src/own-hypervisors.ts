/**
 * The hypervisors for which NovaSandbox has drivers, in the order in which `auto` prefers them and lists name them.
 * Their drivers are in the engine's registry (engine/src/drivers/registry.ts), which only compiles with exactly these.
 */
export const ownHypervisors = [
  'firecracker',
  'cloud-hypervisor',
  'qemu',
  // It comes after QEMU, which has snapshots on macOS too.
  'apple-vz',
  'process',
] as const;
export type OwnHypervisor = (typeof ownHypervisors)[number];

/** One of our own hypervisors, or one with a driver that was passed to the engine. */
export type HypervisorName = OwnHypervisor | (string & {});
