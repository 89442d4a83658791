import { layoutAt } from '../../layout.ts';
import { openNetwork } from '../../engine.ts';
import { createLauncher } from '../../vmm/launcher.ts';

/**
 * Takes slots and gives them back until it is killed. Its argument is the state folder. Prints a line for each slot
 * taken.
 */
const [, , home = '', port = ''] = process.argv;
const network = openNetwork(layoutAt(home), createLauncher(), { slots: 1 });
for (let number = 0; ; number += 1) {
  const forwards = [{ hostPort: Number(port), guestPort: 80 }];
  await network.take(`box${number}`, { forwards });
  process.stdout.write('taken\n');
  await network.giveBack(`box${number}`);
}
