import { enableCompileCache } from 'node:module';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { quickenImports } from './quick-modules.ts';

// Compiled code is kept between runs, which halves the start-up. In a folder of the user's own: whoever can write there can run
// code as the user, so the system's shared temporary folder will not do. Everything else is imported after this for that reason.
if (process.env['NODE_COMPILE_CACHE'] === undefined && process.env['NODE_DISABLE_COMPILE_CACHE'] === undefined) {
  enableCompileCache(join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'novasandbox', 'compile'));
}
quickenImports();
const { main } = await import('./program.ts');
const exitCode = await main(process.argv.slice(2));
// Said outright: a pipe on stdin that nobody closes would keep the process alive.
process.exit(exitCode);
