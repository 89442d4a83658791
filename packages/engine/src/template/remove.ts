import { NovaError, type ArchitectureName } from '@novasandbox/protocol';
import { guestArchitectures, hostArchitecture } from '../architecture.ts';
import type { EngineContext } from '../context.ts';
import { discardSnapshot } from '../snapshot/make.ts';
import { loadTemplate } from './load.ts';
import { snapshotsOf } from './snapshots.ts';

/**
 * Removes a template's root images and its snapshots, or `only` those for one processor; template.json and the files beside it stay. Idempotent.
 * @throws NovaError `invalid_state` while sandboxes are made of it: their disks hold only what differs from the image
 */
export async function removeTemplate(context: EngineContext, id: string, only?: ArchitectureName): Promise<void> {
  const wanted = only === undefined ? guestArchitectures().map(({ name }) => name) : [only];
  const images = await Promise.all(wanted.map((architecture) => loadTemplate(context.layout, id, architecture)));
  const users = context.store
    .listSandboxes()
    .filter(
      ({ config, hypervisor }) =>
        config.templateId === id &&
        hypervisor !== 'process' &&
        wanted.includes(config.architecture ?? hostArchitecture().name),
    );
  if (users.length > 0) {
    const names = users.slice(0, 5).map(({ name, id: sandboxId }) => name ?? sandboxId);
    const more = users.length > names.length ? ` and ${users.length - names.length} more` : '';
    throw new NovaError(
      'invalid_state',
      `The template "${id}" is used by ${users.length} sandbox${users.length === 1 ? '' : 'es'}: ${names.join(', ')}${more}.`,
      { hint: 'Remove them first with `nova rm`.', details: { sandboxes: users.map((user) => user.id) } },
    );
  }
  for (const digest of await snapshotsOf(context.layout, id, only)) await discardSnapshot(context, digest);
  for (const image of images) await context.images.removeRootImage(image);
}
