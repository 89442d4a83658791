/**
 * The table of routes under a name for code of administrators. The client's package has the routes that only such code
 * calls here, and all others in routes.ts, so that a program without this code does not contain them.
 */
export { routes as administrationRoutes } from './routes.ts';
