import { createInterface } from 'node:readline/promises';
import { printable } from '@novasandbox/protocol/visible';

/** Whether there is a terminal to ask at. */
export const canAsk = (): boolean => process.stdin.isTTY && process.stderr.isTTY;

/** Lists things and asks whether to do what the question says; anything but yes, and the end of the input, is no. */
export async function isAgreed(things: readonly string[], question: string): Promise<boolean> {
  for (const thing of things) process.stderr.write(`${printable(thing)}\n`);
  using asking = createInterface({ input: process.stdin, output: process.stderr });
  // Ctrl-D closes the prompt.
  const closed = new Promise<string>((resolve) => asking.once('close', () => resolve('')));
  const answer = await Promise.race([asking.question(`${question} [y/N] `), closed]);
  return /^y(es)?$/i.test(answer.trim());
}
