import { NovaError } from '@novasandbox/protocol';

/**
 * Loads a package of the workspace that is not published. In the published package its name is `#only-in-checkout`,
 * which nothing declares.
 * @throws NovaError `feature_unsupported` in an installed package
 */
export async function fromCheckout<T>(verb: string, load: () => Promise<T>): Promise<T> {
  try {
    return await load();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ERR_PACKAGE_IMPORT_NOT_DEFINED') throw error;
    throw new NovaError('feature_unsupported', `nova ${verb} works in a checkout of NovaSandbox only.`, {
      hint: `Clone the repository and run \`./nova ${verb}\` there.`,
      cause: error,
    });
  }
}
