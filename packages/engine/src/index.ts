export type * from './services.ts';
export type * from './ports/guest-agent.ts';
export type * from './ports/vmm-driver.ts';
export { withTrace, type Trace } from './ports/trace.ts';
export { createEngine } from './engine.ts';
export { layoutAt, prepareLayout, repositoryRoot, socketPath, type Layout } from './layout.ts';

// The parts below the engine, for those who build on them one by one: the conformance suite, the benchmark, the lab.
export { openSession } from './agent/index.ts';
export { createCloudHypervisorDriver, type CloudHypervisorOptions } from './drivers/cloud-hypervisor/driver.ts';
export { createFirecrackerDriver, type FirecrackerOptions } from './drivers/firecracker/driver.ts';
export { createProcessDriver } from './drivers/process/driver.ts';
export { createQemuDriver } from './drivers/qemu/driver.ts';
export { copySparse, createImageSource, makeWritableDisk } from './images/index.ts';
export { withLock } from './images/lock.ts';
export { inWorkFolder, publish } from './images/publish.ts';
export { fileMark, sha256 } from './images/stamp.ts';
export { step } from './images/step.ts';
export type * from './ports/image-source.ts';
export { uniqueIdentity } from './sandbox/identity.ts';
export { loadTemplate } from './template/load.ts';
export { releaseNames, releases, type ReleaseName } from './setup/releases.ts';
export { setUpVmm, type InstalledVmm, type SetUpOptions } from './setup/install.ts';
export { binaryVariables, findBinary } from './vmm/binary.ts';
export { findProgram } from './vmm/confine.ts';
export { problemsOf, versionFacts, type VersionedVmm } from './vmm/versions.ts';
export { processesNaming } from './vmm/find-processes.ts';
export { consoleLog, fileTail, vmmLog } from './vmm/logs.ts';
