import { printableJson } from '@novasandbox/protocol/visible';

/** JSON that is safe to show on a terminal: bigints as numbers or strings, errors as their fields. */
export const toJson = (value: unknown): string => printableJson(JSON.stringify(value, replaceBigint, 2));

/** The same on one line, for streams of documents. */
export const toJsonLine = (value: unknown): string => printableJson(JSON.stringify(value, replaceBigint));

const replaceBigint = (_key: string, field: unknown): unknown =>
  typeof field === 'bigint' ? (Number.isSafeInteger(Number(field)) ? Number(field) : String(field)) : field;

export function printJson(value: unknown): void {
  process.stdout.write(`${toJson(value)}\n`);
}
