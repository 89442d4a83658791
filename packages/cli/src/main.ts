import { enableCompileCache } from 'node:module';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { quickenImports } from './quick-modules.ts';

// Keep compiled code between runs, which halves the start-up time. It is kept in the user's own folder, not in the
// system's shared temporary folder: whoever can write there can run code as the user. Everything else is imported after
// this line so that it is cached as well.
if (process.env['NODE_COMPILE_CACHE'] === undefined && process.env['NODE_DISABLE_COMPILE_CACHE'] === undefined) {
  enableCompileCache(join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'novasandbox', 'compile'));
}
quickenImports();
const { main } = await import('./program.ts');
const [mark, ...words] = process.argv.slice(2);
// ./nova marks each word so that Node takes none of them for an option of its own.
const argv = mark === ':' ? words.map((word) => word.replace(/^:/, '')) : process.argv.slice(2);
const exitCode = await main(argv);
// Exit explicitly: a pipe on stdin that is never closed would keep the process alive.
process.exit(exitCode);
