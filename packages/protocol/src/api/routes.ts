import { vmsRoutes } from './routes/vms.ts';
import { commandsRoutes } from './routes/commands.ts';
import { guestRoutes } from './routes/guest.ts';
import { filesRoutes } from './routes/files.ts';
import { templatesRoutes } from './routes/templates.ts';
import { systemRoutes } from './routes/system.ts';
import { securityRoutes } from './routes/security.ts';
import { snapshotsRoutes } from './routes/snapshots.ts';
import { networkRoutes } from './routes/network.ts';
import { resourcesRoutes } from './routes/resources.ts';
import { laterRoutes } from './routes/later.ts';

/** Every route of `/api/v1`, by operation: the one table, in the order in which it is described. */
export const routes = {
  ...vmsRoutes,
  ...commandsRoutes,
  ...guestRoutes,
  ...filesRoutes,
  ...templatesRoutes,
  ...systemRoutes,
  ...securityRoutes,
  ...snapshotsRoutes,
  ...networkRoutes,
  ...resourcesRoutes,
  ...laterRoutes,
} as const;

export type Operation = keyof typeof routes;
