import { join } from 'node:path';
import { NovaError } from '@novasandbox/protocol';
import { socketPath } from '../../layout.ts';
import type { Drive, MachineSpec } from '../../ports/vmm-driver.ts';
import { consoleLog } from '../../vmm/logs.ts';
import { agentPort } from '../../vmm/vsock-channel.ts';

/** vfkit's REST service. */
export const restSocket = 'api';
/** Connections to it are forwarded to the agent's vsock port in the guest. */
export const agentSocket = 'agent';

/** Locally administered; each guest has the NAT's network to itself, as far as it can see. */
const macPrefix = '02:6e:6f:76';

/** vfkit's arguments for one machine (its doc/usage.md). Refuses a spec that they cannot express. */
export function vfkitArguments(spec: MachineSpec): string[] {
  if (spec.network.mode === 'user' || spec.network.mode === 'tap')
    throw new NovaError('feature_unsupported', "vfkit has no other network than macOS's own NAT.");
  if (spec.firmware !== undefined) throw new NovaError('feature_unsupported', 'vfkit boots no firmware of ours.');
  if (spec.hyperv === true) throw new NovaError('feature_unsupported', "vfkit does not offer Hyper-V's interfaces.");
  const devices = [
    'virtio-rng',
    `virtio-serial,logFilePath=${value(join(spec.directory, consoleLog))}`,
    `virtio-vsock,port=${agentPort},socketURL=${address(spec, agentSocket)},connect`,
    ...spec.drives.map(driveDevice),
    ...(spec.network.mode === 'nat' ? [`virtio-net,nat,mac=${macAddress(spec.sequence)}`] : []),
  ];
  return [
    '--cpus',
    String(spec.vcpus),
    '--memory',
    String(spec.memoryMb),
    '--bootloader',
    `linux,kernel=${value(spec.kernel)},initrd=${value(spec.initramfs)},cmdline="${commandLine(spec)}"`,
    '--restful-uri',
    `unix://${address(spec, restSocket)}`,
    ...devices.flatMap((device) => ['--device', device]),
  ];
}

function driveDevice({ path, readOnly, rateLimit }: Drive): string {
  if (rateLimit !== undefined) throw new NovaError('feature_unsupported', 'vfkit cannot limit the rate of a drive.');
  return `virtio-blk,path=${value(path)}${readOnly ? ',readonly' : ''}`;
}

/** The first virtio console; the framework's guests have no other serial line. */
const ownWords = ['console=hvc0', 'panic=-1', 'quiet', 'loglevel=5', 'random.trust_cpu=on'];

function commandLine(spec: MachineSpec): string {
  const words = [...ownWords, `nova.channel=vsock:${agentPort}`, ...spec.kernelArguments].join(' ');
  if (words.includes('"'))
    throw new NovaError(
      'invalid_argument',
      'kernelArgs: vfkit takes no kernel command line with a quotation mark in it.',
    );
  return words;
}

function macAddress(sequence: number): string {
  const low = (sequence & 0xffff).toString(16).padStart(4, '0');
  return `${macPrefix}:${low.slice(0, 2)}:${low.slice(2)}`;
}

/** vfkit splits options at commas and has no way to escape one. */
function value(path: string): string {
  if (/[,"]/.test(path))
    throw new NovaError('invalid_argument', `vfkit takes no path with a comma or quotation mark in it: ${path}`);
  return path;
}

/** vfkit reads these paths as parts of a URL. */
function address(spec: MachineSpec, name: string): string {
  const path = socketPath(spec.socketDirectory, name);
  if (/^[\w./~@-]+$/.test(path)) return path;
  throw new NovaError('set_up_failed', `vfkit cannot be told of the socket path ${path}.`, {
    hint: 'Set NOVA_RUN to a directory named with letters and digits.',
  });
}
