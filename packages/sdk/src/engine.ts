/**
 * The engine itself, for programs that create their own, and everything needed to write a driver (docs/drivers.md).
 */
export * from '@novasandbox/engine/own-drivers';
export { driverFeatures, isNovaError, NovaError } from '@novasandbox/protocol';
export type { DriverFeatures, HypervisorName } from '@novasandbox/protocol';
