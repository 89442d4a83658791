import type { Services } from '../context.ts';
import { clientMessage } from './exec.ts';
import type { MessageSocket } from './message-socket.ts';

/** Bash where the guest has it, else its sh; as a login shell, so that profiles are read. */
const loginShell = ['/bin/sh', '-c', 'if command -v bash >/dev/null 2>&1; then exec bash -l; else exec sh -l; fi'];
const hangUp = 1;

/** A terminal. It ends with its client, as a terminal does that is hung up. */
export async function shellSocket(
  engine: Services,
  ref: string,
  { cols, rows, user }: { readonly cols: number; readonly rows: number; readonly user?: string | undefined },
  socket: MessageSocket,
): Promise<void> {
  const process = await engine.exec.start(
    ref,
    { argv: loginShell, env: { TERM: 'xterm-256color' }, user, pty: { cols, rows }, stdin: true },
    { signal: socket.signal },
  );
  const leave = (): void => {
    const detach = (): Promise<void> => process.detach().catch(() => undefined);
    void process.signal(hangUp).then(detach, detach);
  };
  socket.signal.addEventListener('abort', leave, { once: true });
  if (socket.signal.aborted) leave();
  const input = async (): Promise<void> => {
    for await (const message of socket.messages) {
      if ('bytes' in message) {
        await process.writeStdin(message.bytes).catch(() => undefined);
        continue;
      }
      const control = clientMessage(message);
      if (control.type === 'resize') await process.resize(control);
    }
  };
  const output = async (): Promise<void> => {
    for await (const { bytes } of process.output) await socket.sendBytes(bytes);
    if (socket.signal.aborted) return;
    const { exitCode, signal } = await process.exit;
    await socket.sendText({ type: 'exit', exit_code: exitCode, signal });
  };
  try {
    const failed = Promise.withResolvers<never>();
    void input().catch(failed.reject);
    await Promise.race([output(), failed.promise]);
  } finally {
    if (!socket.signal.aborted) leave();
  }
}
