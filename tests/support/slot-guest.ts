import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { runOnHost } from './run-on-host.ts';

export interface SlotGuest extends AsyncDisposable {
  /** Runs a program in the guest; rejects when it fails. */
  run(program: string, ...words: readonly string[]): Promise<string>;
}

/**
 * Stands for a VM in a slot: a network namespace that is at the other end of the slot's tap, with the addresses that
 * guests have.
 */
export function makeSlotGuest(slot: number): SlotGuest {
  const guest = `guest${process.pid}-${slot}`;
  const within = `nova-${slot}`;
  runOnHost(`set -e
    ip netns add ${guest}
    ip -n ${within} link del tap0
    ip -n ${within} link add tap0 address 02:6e:6f:76:61:02 type veth peer name eth0 address 02:6e:6f:76:61:01 netns ${guest}
    ip -n ${within} addr add 172.16.255.1/30 dev tap0
    ip -n ${within} link set tap0 up
    ip -n ${guest} link set lo up
    ip -n ${guest} addr add 172.16.255.2/30 dev eth0
    ip -n ${guest} link set eth0 up
    ip -n ${guest} route add default via 172.16.255.1`);
  return {
    async run(program, ...words) {
      const inGuest = ['netns', 'exec', guest, program, ...words];
      return (await promisify(execFile)('/sbin/ip', inGuest, { timeout: 150_000 })).stdout;
    },
    [Symbol.asyncDispose]: () => Promise.resolve(void runOnHost(`ip netns del ${guest}`)),
  };
}
