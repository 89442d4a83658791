import { relative, join } from 'node:path';
import type { TestEvent } from 'node:test/reporters';
import { styleText } from 'node:util';

export interface Outcome {
  readonly result: 'passed' | 'failed' | 'skipped';
  /** Its text, without a newline at the end. */
  readonly text: string;
}

const root = join(import.meta.dirname, '../..');

export const passedText = (name: string, detail = ''): string =>
  `${styleText('green', '✔')} ${name} ${styleText('gray', detail)}`;

export const failedText = (name: string, detail: string): string =>
  `${styleText('red', '✖')} ${name}\n${detail.replaceAll(/^/gm, '    ')}`;

const skippedText = (name: string, reason: string): string =>
  `${styleText('yellow', '-')} ${name} (skipped: ${reason})`;

/**
 * The result in an event of Node's test runner; null when the event contains none. Suites and files are counted by
 * their tests.
 */
export function outcomeOf({ type, data }: TestEvent): Outcome | null {
  if (type !== 'test:pass' && type !== 'test:fail') return null;
  if (data.details.type === 'suite' || (data.nesting === 0 && data.file !== undefined && data.name === data.file)) {
    if (type === 'test:pass') return null;
    if (data.details.type === 'suite' && data.details.error.message.includes('subtest')) return null;
  }
  const name = `${data.file === undefined ? '' : `${relative(root, data.file)}: `}${data.name}`;
  if (data.skip !== undefined && data.skip !== false)
    return { result: 'skipped', text: skippedText(name, String(data.skip)) };
  if (type === 'test:pass')
    return { result: 'passed', text: passedText(name, `${Math.round(data.details.duration_ms)} ms`) };
  const { cause, message } = data.details.error;
  const reason = cause instanceof Error ? (cause.stack ?? cause.message) : String(cause ?? message);
  return { result: 'failed', text: failedText(name, reason) };
}
