import { createInterface } from 'node:readline';
import { UsageError } from '../usage-error.ts';

const largestBytes = 1024;

/**
 * Reads a password from stdin, or twice from the terminal without echo. It is never taken from the command line, which
 * every user of the machine can read.
 */
export async function readPassword({ fromStdin }: { readonly fromStdin: boolean }): Promise<string> {
  if (fromStdin) return await firstLine();
  if (!process.stdin.isTTY || !process.stderr.isTTY) {
    throw new UsageError('There is no terminal to ask for the password: use --password-stdin and pass it on stdin.');
  }
  const password = await ask('Password: ');
  if ((await ask('Once more: ')) !== password) throw new UsageError('The two passwords are not the same.');
  return password;
}

async function firstLine(): Promise<string> {
  let text = '';
  for await (const part of process.stdin.setEncoding('utf8')) {
    text += String(part);
    if (text.length > largestBytes) throw new UsageError(`A password may have at most ${largestBytes} bytes.`);
  }
  return text.replace(/\r?\n$/, '');
}

/** Asks at the terminal without echo; Ctrl-C and Ctrl-D cancel. */
function ask(question: string): Promise<string> {
  process.stderr.write(question);
  return new Promise((resolve, reject) => {
    // Without an output, readline does not echo its input.
    const asking = createInterface({ input: process.stdin, terminal: true });
    const giveUp = (): void => reject(new UsageError('No password was given.'));
    asking.once('SIGINT', () => asking.close()).once('close', giveUp);
    asking.once('line', (line) => {
      asking.off('close', giveUp).close();
      process.stderr.write('\n');
      resolve(line);
    });
  });
}
