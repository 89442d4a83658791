import { toNovaError, type NovaError } from '@novasandbox/protocol';

type AsyncMethod = (...args: unknown[]) => Promise<unknown>;

/** Finds the reason why a call of `method` on the sandbox that `ref` names failed. */
type Explain = (method: string, ref: string, error: NovaError) => Promise<NovaError>;

/**
 * The same service, with every rejection a NovaError: what the host's system calls throw gets its code, message and hint here. `explain` may find a better reason for
 * the failure of a method whose first argument is a reference to a sandbox.
 */
export function typedErrors<S extends object>(service: S, explain?: Explain): S {
  const methods = Object.entries(service as Record<string, AsyncMethod>).map(
    ([name, method]): [string, AsyncMethod] => [
      name,
      async (...args) => {
        try {
          return await method(...args);
        } catch (error) {
          const typed = toNovaError(error);
          const [ref] = args;
          throw explain === undefined || typeof ref !== 'string'
            ? typed
            : await explain(name, ref, typed).catch(() => typed);
        }
      },
    ],
  );
  return Object.fromEntries(methods) as S;
}
