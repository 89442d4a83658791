import { registerHooks, type ResolveFnOutput } from 'node:module';

/**
 * zod's messages in fifty languages: fifty files that are never used and take a sixth of the start-up time. Errors stay
 * English.
 */
const unusedModule = '/locales/index.js';

/**
 * Speeds up imports. Node resolves each relative import by asking the file system for its real path and its package.
 * Here that never changes the result, because paths are complete and files are not links. A package is looked for once
 * for all modules of a folder. Saves about a third of the time until a verb runs. Everything else is resolved as usual.
 */
export function quickenImports(): void {
  const found = new Map<string, ResolveFnOutput>();
  registerHooks({
    resolve: (specifier, context, next) => {
      if (specifier.startsWith('node:')) return { url: specifier, format: 'builtin', shortCircuit: true };
      const { parentURL } = context;
      if (parentURL === undefined) return next(specifier, context);
      if (!/^\.\.?\//.test(specifier) || !/\.(ts|js)$/.test(specifier)) {
        const place = `${specifier} ${parentURL.slice(0, parentURL.lastIndexOf('/'))}`;
        const known = found.get(place) ?? { ...next(specifier, context), shortCircuit: true };
        found.set(place, known);
        return known;
      }
      if (parentURL.includes('/zod/') && specifier.endsWith(unusedModule)) {
        return { url: 'data:text/javascript,', format: 'module', shortCircuit: true };
      }
      const url = new URL(specifier, parentURL).href;
      return specifier.endsWith('.ts')
        ? { url, format: 'module-typescript', shortCircuit: true }
        : { url, shortCircuit: true };
    },
  });
}
