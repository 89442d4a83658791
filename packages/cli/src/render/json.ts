import { printableJson } from '@novasandbox/protocol/visible';

/** JSON for people and programs, on a terminal too: bigints as numbers or strings, errors as their fields. */
export function toJson(value: unknown): string {
  const json = JSON.stringify(
    value,
    (_key, field: unknown) =>
      typeof field === 'bigint' ? (Number.isSafeInteger(Number(field)) ? Number(field) : String(field)) : field,
    2,
  );
  return printableJson(json);
}

export function printJson(value: unknown): void {
  process.stdout.write(`${toJson(value)}\n`);
}
