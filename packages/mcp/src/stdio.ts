import { serveStdio } from '@modelcontextprotocol/server/stdio';
import { MadeSandboxes } from './made-sandboxes.ts';
import { createToolServer } from './server.ts';
import type { ToolHost } from './tool-host.ts';
import type { Toolset } from './toolsets.ts';

export interface StdioOptions {
  readonly version: string;
  readonly chosen?: readonly Toolset[] | undefined;
  readonly signal: AbortSignal;
}

/** Hosts drop servers without closing their pipes. One that nobody has asked for so long ends. */
const idleMs = 6 * 3_600_000;
/** How often a server looks whether its host is still there. */
const lookEveryMs = 5000;

/**
 * Serves one host on stdin and stdout until the host closes the pipe, ends, asks for nothing for six hours, or `signal`
 * aborts. The sandboxes that it has made are removed then.
 */
export async function serveOnStdio(
  host: Omit<ToolHost, 'made' | 'used'>,
  { version, chosen, signal }: StdioOptions,
): Promise<void> {
  await using made = new MadeSandboxes(host.engine);
  const over = Promise.withResolvers<void>();
  const parent = process.ppid;
  let askedAt = performance.now();
  const look = setInterval(() => {
    // The host has ended, and something else holds the other end of its pipe.
    if (process.ppid !== parent || performance.now() - askedAt > idleMs) over.resolve();
  }, lookEveryMs);
  const asked = (): void => void (askedAt = performance.now());
  const end = (): void => over.resolve();
  process.stdin.on('data', asked);
  process.stdin.once('end', end).once('close', end);
  signal.addEventListener('abort', end, { once: true });
  if (signal.aborted) end();
  const tools: ToolHost = { ...host, made: (sandbox) => made.add(sandbox), used: (ref) => made.renew(ref) };
  const serving = serveStdio(() => createToolServer(tools, { version, chosen }));
  try {
    await over.promise;
  } finally {
    clearInterval(look);
    process.stdin.off('data', asked);
    await serving.close();
  }
}
