import { vmsRoutes } from './routes/vms.ts';
import { commandsRoutes } from './routes/commands.ts';
import { guestRoutes } from './routes/guest.ts';
import { snapshotsRoutes } from './routes/snapshots.ts';
import { forksRoutes } from './routes/forks.ts';
import { filesRoutes } from './routes/files.ts';
import { templatesRoutes } from './routes/templates.ts';
import { volumesRoutes } from './routes/volumes.ts';
import { systemRoutes } from './routes/system.ts';
import { securityRoutes } from './routes/security.ts';
import { networkRoutes } from './routes/network.ts';
import { networksRoutes } from './routes/networks.ts';
import { poolRoutes } from './routes/pool.ts';
import { resourcesRoutes } from './routes/resources.ts';

/** All routes of `/api/v1`, by operation, in the order in which they are documented. */
export const routes = {
  ...vmsRoutes,
  ...commandsRoutes,
  ...guestRoutes,
  ...filesRoutes,
  ...snapshotsRoutes,
  ...forksRoutes,
  ...templatesRoutes,
  ...volumesRoutes,
  ...poolRoutes,
  ...systemRoutes,
  ...securityRoutes,
  ...networkRoutes,
  ...networksRoutes,
  ...resourcesRoutes,
} as const;

export type Operation = keyof typeof routes;
