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
const [mark, ...words] = process.argv.slice(2);
// ./nova marks each word, so that Node takes none of them for an option of its own.
const argv = mark === ':' ? words.map((word) => word.replace(/^:/, '')) : process.argv.slice(2);
const exitCode = await main(argv);
// Said outright: a pipe on stdin that nobody closes would keep the process alive.
process.exit(exitCode);
