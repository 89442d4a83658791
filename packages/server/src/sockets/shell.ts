import { loginShell } from '@novasandbox/protocol';
import type { Services } from '../context.ts';
import { clientMessage } from './exec.ts';
import type { MessageSocket } from './message-socket.ts';

const hangUp = 1;

/** Runs a terminal. When the client disconnects, its processes get SIGHUP. */
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
