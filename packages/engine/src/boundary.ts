import { toNovaError, type NovaError } from '@novasandbox/protocol';
import { inSpan } from './ports/trace.ts';

type AsyncMethod = (...args: unknown[]) => Promise<unknown>;

/** Finds the reason why a call of `method` on the sandbox that `ref` names failed. */
type Explain = (method: string, ref: string, error: NovaError) => Promise<NovaError>;

/**
 * A service as it is offered to callers. Each call is a span of the trace in which it is made, named `<name>.<method>`,
 * and rejects only with a NovaError: errors of the host's system calls get their code, message and hint here. `explain`
 * may find a better reason for the failure of a method whose first argument is a reference to a sandbox.
 */
export function offer<S extends object>(name: string, service: S, explain?: Explain): S {
  const methods = Object.entries(service as Record<string, AsyncMethod>).map(
    ([method, call]): [string, AsyncMethod] => [
      method,
      async (...args) => {
        try {
          return await inSpan(`${name}.${method}`, () => call(...args));
        } catch (error) {
          const typed = toNovaError(error);
          const [ref] = args;
          throw explain === undefined || typeof ref !== 'string'
            ? typed
            : await explain(method, ref, typed).catch(() => typed);
        }
      },
    ],
  );
  return Object.fromEntries(methods) as S;
}
