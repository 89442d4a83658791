import { layoutAt } from '../../layout.ts';
import type { Membership } from '../../ports/network.ts';
import { openNetwork } from '../../engine.ts';
import { createLauncher } from '../../vmm/launcher.ts';

/**
 * Takes slots and gives them back until it is killed. Its arguments are the state folder, a port of the host to
 * forward, and the id of a private network that the slots join, if any. Prints a line for each slot taken.
 */
const [, , home = '', port = '', joined] = process.argv;
const membership: Membership[] =
  joined === undefined
    ? []
    : [
        {
          ...{ network: joined, name: 'churn', subnet: '10.213.6.0/24', prefixLength: 24, address: '10.213.6.2' },
          ...{ isolation: 'minimal', bridge: 'br0' },
        },
      ];
const governance =
  joined === undefined
    ? undefined
    : { policy: null, names: [], answers: [], memberships: membership, hostnames: ['box'] };
const network = openNetwork(layoutAt(home), createLauncher(), { slots: 1 });
for (let number = 0; ; number += 1) {
  const forwards = [{ hostPort: Number(port), guestPort: 80 }];
  await network.take(`box${number}`, { forwards, governance });
  process.stdout.write('taken\n');
  await network.giveBack(`box${number}`);
}
