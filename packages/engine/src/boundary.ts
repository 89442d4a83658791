import { toNovaError } from '@novasandbox/protocol';

type AsyncMethod = (...args: unknown[]) => Promise<unknown>;

/** The same service, with every rejection a NovaError: what the host's system calls throw gets its code, message and hint here. */
export function typedErrors<S extends object>(service: S): S {
  const methods = Object.entries(service as Record<string, AsyncMethod>).map(
    ([name, method]): [string, AsyncMethod] => [
      name,
      async (...args) => {
        try {
          return await method(...args);
        } catch (error) {
          throw toNovaError(error);
        }
      },
    ],
  );
  return Object.fromEntries(methods) as S;
}
