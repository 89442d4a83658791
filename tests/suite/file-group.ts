import { suite } from 'node:test';
import { pathToFileURL } from 'node:url';

/**
 * Runs the test files that its arguments name, one after the other in this process. Each is a suite of its own: its
 * hooks apply to its own tests only, and a file that cannot be loaded, or that hangs, fails under its name.
 */
const hangsAfterMs = 300_000;

// No test runs before the suite around them has all files, so that none of them is loaded while a test has changed the
// environment or the clock.
void suite('test files', async () => {
  for (const file of process.argv.slice(2)) {
    const loaded = Promise.withResolvers<undefined>();
    void suite(file, { timeout: hangsAfterMs }, async () => {
      try {
        await import(pathToFileURL(file).href);
      } finally {
        loaded.resolve(undefined);
      }
    });
    await loaded.promise;
  }
});
