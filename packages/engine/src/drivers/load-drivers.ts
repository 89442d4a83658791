import { delimiter, isAbsolute } from 'node:path';
import { pathToFileURL } from 'node:url';
import { NovaError } from '@novasandbox/protocol';
import type { CreateDriver } from '../ports/driver-means.ts';

const variable = 'NOVA_DRIVERS';

/**
 * Loads the drivers whose modules NOVA_DRIVERS names: absolute paths, separated as in PATH. The default export of each
 * makes a driver. So every program that uses this library has them, including the daemon and the command line. Rejects
 * with `set_up_failed`.
 */
export async function loadDrivers(): Promise<CreateDriver[]> {
  const paths = (process.env[variable] ?? '').split(delimiter).filter((path) => path !== '');
  return Promise.all(paths.map(load));
}

async function load(path: string): Promise<CreateDriver> {
  if (!isAbsolute(path)) throw new NovaError('set_up_failed', `${variable}: ${path} is no absolute path.`);
  let module: { readonly default?: unknown };
  try {
    module = (await import(pathToFileURL(path).href)) as typeof module;
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new NovaError('set_up_failed', `${variable}: the driver ${path} cannot be loaded: ${why}`, { cause: error });
  }
  if (typeof module.default !== 'function')
    throw new NovaError(
      'set_up_failed',
      `${variable}: the default export of ${path} is no function that makes a driver.`,
    );
  return module.default as CreateDriver;
}
