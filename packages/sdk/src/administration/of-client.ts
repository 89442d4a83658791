import { NovaError } from '@novasandbox/protocol';
import type { AccessService } from '../remote/administration/access.ts';
import { createAdministration, type Administration } from '../remote/administration/administration.ts';
import { clientOf, type SandboxEngine } from '../remote/sandbox-engine.ts';

/**
 * The client's `#administration`: its engines have no services of administration, so that programs which only use
 * sandboxes need not load them. They are created for each call and use the connections of the engine.
 */
export function administrationOf(engine: SandboxEngine): Administration {
  const client = clientOf(engine);
  if (client !== undefined) return createAdministration(client);
  throw new NovaError('invalid_argument', 'engine: is not one that createRemoteEngine returned.');
}

export const accessOf = (engine: SandboxEngine): AccessService => administrationOf(engine).access;
