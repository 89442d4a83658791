import { printable } from '@novasandbox/protocol/visible';
import type { Engine } from '@novasandbox/engine';
import type { SandboxInfo } from '@novasandbox/protocol';
import { openEngine } from './open-engine.ts';
import { reportError } from './render/error.ts';
import { printJson } from './render/json.ts';

/**
 * Applies one action to several sandboxes at once. Prints each success under the name given, reports each failure, and
 * exits with 1 if any failed. A call that resolves to `null` had nothing to do, and nothing is printed.
 */
export async function eachSandbox(
  refs: readonly string[],
  { json = false }: { readonly json?: boolean | undefined },
  call: (engine: Engine, ref: string) => Promise<SandboxInfo | void | null>,
): Promise<void> {
  await using engine = await openEngine();
  const results = await Promise.allSettled(
    [...new Set(refs)].map(async (ref) => ({ ref, info: await call(engine, ref) })),
  );
  const done = results.flatMap((result) =>
    result.status === 'fulfilled' && result.value.info !== null ? [result.value] : [],
  );
  if (json) printJson(done.map(({ ref, info }) => info ?? { ref }));
  else process.stdout.write(done.map(({ ref }) => `${printable(ref)}\n`).join(''));
  for (const result of results) {
    if (result.status === 'rejected') process.exitCode = await reportError(result.reason, { json, exitCode: 1 });
  }
}
