import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { runOnHost } from './run-on-host.ts';

/**
 * A substitute for the Internet: a network namespace behind a link of its own, with HTTP and name service. Nothing
 * leaves the machine.
 */
export interface Internet extends AsyncDisposable {
  /** Serves HTTP on port 80 (its answer ends with the client's address) and names on port 53. */
  readonly address: string;
  /** The host's own address on the link. */
  readonly hostAddress: string;
}

/** Parts of ranges for documents. Test files that run beside each other use different ones. */
const parts = {
  first: ['198.51.100', 0],
  second: ['198.51.100', 64],
  third: ['198.51.100', 128],
  fourth: ['198.51.100', 192],
  rootless: ['203.0.113', 64],
} as const;
/** Where clouds keep the credentials of a machine. */
export const metadataAddress = '169.254.169.254';
const servers = new URL('./internet-servers.ts', import.meta.url).pathname;

/** @param which also tells whether it has the metadata address: the first alone does */
export async function makeInternet(which: keyof typeof parts = 'first'): Promise<Internet> {
  const [network, part] = parts[which];
  const name = `internet${process.pid}`;
  const link = `it${process.pid}`;
  const [address, hostAddress] = [`${network}.${part + 2}`, `${network}.${part + 1}`];
  await using undo = new AsyncDisposableStack();
  undo.defer(() => void runOnHost(`ip link del ${link}; ip netns del ${name}`));
  runOnHost(`set -e
    ip netns add ${name}
    ip link add ${link} type veth peer name world netns ${name}
    ip addr add ${hostAddress}/26 dev ${link}
    ip link set ${link} up
    ip -n ${name} link set lo up
    ip -n ${name} addr add ${address}/26 dev world
    ip -n ${name} link set world up`);
  if (which === 'first')
    runOnHost(`set -e
      ip -n ${name} addr add ${metadataAddress}/32 dev world
      ip route add ${metadataAddress}/32 via ${address}`);
  const child = spawn('nsenter', [`--net=/run/netns/${name}`, process.execPath, servers, address], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  undo.defer(() => void child.kill('SIGKILL'));
  for await (const line of createInterface({ input: child.stdout })) if (line === 'ready') break;
  const held = undo.move();
  return { address, hostAddress, [Symbol.asyncDispose]: () => held.disposeAsync() };
}
