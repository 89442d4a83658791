import type { Engine } from '@novasandbox/engine/services';
import { NovaError } from '@novasandbox/protocol';
import type { AccessService } from '../remote/administration/access.ts';

/** An engine has the services of administration itself. */
export const administrationOf = (
  engine: Engine,
): Pick<Engine, 'templates' | 'pool' | 'storage' | 'volumes' | 'networks' | 'policies' | 'hypervisors'> => engine;

/** Only the engine of a daemon has keys and users. */
export function accessOf(engine: Engine): AccessService {
  if ('access' in engine) return engine.access as AccessService;
  throw new NovaError('feature_unsupported', 'Keys and users belong to a daemon, and no daemon is in use here.', {
    hint: 'Start one with `nova serve`, or name one with NOVA_API_URL and NOVA_API_KEY, or `--api-url` with `--api-key-file`.',
  });
}
