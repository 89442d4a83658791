import { NovaError } from '@novasandbox/protocol';
import type { EngineContext } from '../context.ts';
import { discardSnapshot } from '../snapshot/make.ts';
import { loadTemplate } from './load.ts';
import { snapshotsOf } from './snapshots.ts';

/**
 * Removes a template's root image and its snapshots; template.json and the files beside it stay. Idempotent.
 * @throws NovaError `invalid_state` while sandboxes are made of it: their disks hold only what differs from the image
 */
export async function removeTemplate(context: EngineContext, id: string): Promise<void> {
  const loaded = await loadTemplate(context.layout, id);
  const users = context.store
    .listSandboxes()
    .filter(({ config, hypervisor }) => config.templateId === id && hypervisor !== 'process');
  if (users.length > 0) {
    const names = users.slice(0, 5).map(({ name, id: sandboxId }) => name ?? sandboxId);
    const more = users.length > names.length ? ` and ${users.length - names.length} more` : '';
    throw new NovaError(
      'invalid_state',
      `The template "${id}" is used by ${users.length} sandbox${users.length === 1 ? '' : 'es'}: ${names.join(', ')}${more}.`,
      { hint: 'Remove them first with `nova rm`.', details: { sandboxes: users.map((user) => user.id) } },
    );
  }
  for (const digest of await snapshotsOf(context.layout, id)) await discardSnapshot(context, digest);
  await context.images.removeRootImage(loaded);
}
