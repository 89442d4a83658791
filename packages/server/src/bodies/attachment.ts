/** `Content-Disposition` of a file. The guest chose the name, so it is encoded and cannot add other parameters. */
export function attachment(name: string): string {
  const encoded = encodeURIComponent(name.toWellFormed()).replaceAll(
    /['()*]/g,
    (char) => `%${char.charCodeAt(0).toString(16)}`,
  );
  return `attachment; filename*=utf-8''${encoded}`;
}
