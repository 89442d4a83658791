import { layoutAt, loadTemplate, prepareLayout } from '@novasandbox/engine';
import { withDeclared } from '../../packages/engine/src/images/declared.ts';
import { rootImage } from '../../packages/engine/src/images/root-image.ts';

/**
 * A process that makes a root image of an OCI image in a state folder, and kills itself at its n-th note of progress.
 * It prints how many notes there were where there are fewer.
 *
 * Arguments: the state folder, the image, n.
 */
const [home = '', image = '', n = ''] = process.argv.slice(2);
const layout = layoutAt(home);
prepareLayout(layout);
let notes = 0;
const progress = (): void => {
  notes += 1;
  if (notes === Number(n)) process.kill(process.pid, 'SIGKILL');
};
const noGuest = (): Promise<string> => Promise.reject(new Error('no guest is needed'));
await withDeclared(layout, 'killed', image, async () => {
  await rootImage(layout, await loadTemplate(layout, 'killed'), noGuest, { progress });
});
process.stdout.write(`${notes}\n`);
