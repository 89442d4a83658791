/** JSON for people and programs: bigints as numbers or strings, errors as their fields. */
export function toJson(value: unknown): string {
  return JSON.stringify(
    value,
    (_key, field: unknown) =>
      typeof field === 'bigint' ? (Number.isSafeInteger(Number(field)) ? Number(field) : String(field)) : field,
    2,
  );
}

export function printJson(value: unknown): void {
  process.stdout.write(`${toJson(value)}\n`);
}
