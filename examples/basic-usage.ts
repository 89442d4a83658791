// The lower level: a hypervisor creates sandboxes from configs, and you refer to them by id.
import { QemuHypervisor, SandboxConfig } from 'novasandbox';

await using hypervisor = new QemuHypervisor();

const config = new SandboxConfig({ templateId: 'base', memoryMb: 512, vcpus: 2 });
await using sandbox = await hypervisor.createSandbox(config);
console.log(`Sandbox ${sandbox.sandboxId} started in ${sandbox.metadata.bootTimeMs?.toFixed(1)} ms`);

console.log((await sandbox.executeCommand('nproc')).trim(), 'CPUs in the guest');

await hypervisor.pauseSandbox(sandbox.sandboxId);
console.log(`state: ${(await sandbox.getInfo()).state}`);
await hypervisor.resumeSandbox(sandbox.sandboxId);

const stats = await hypervisor.getSandboxStats(sandbox.sandboxId);
console.log(`memory in use: ${stats.memoryUsageMb > 0 ? 'some' : 'none'} of ${Math.round(stats.memoryTotalMb)} MB`);

await sandbox.stop();
console.log(`state: ${sandbox.state}`);
