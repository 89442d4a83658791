/** The lines of one host pattern in an ssh_config file, between marks by which they are found again. */
const beginOf = (host: string): string => `# >>> nova ssh-config ${host}`;
const endOf = (host: string): string => `# <<< nova ssh-config ${host}`;

/** Returns the block of a host pattern, such as `box.nova` or `*.nova`. */
export function blockOf(host: string, options: readonly (readonly [name: string, value: string])[]): string {
  const lines = options.map(([name, value]) => `  ${name} ${value}`);
  return [beginOf(host), `Host ${host}`, ...lines, endOf(host), ''].join('\n');
}

/**
 * Returns the content of a file with the block in place of an earlier one. A new one comes first, because ssh takes the
 * first value that it finds for an option.
 */
export function withBlock(content: string, host: string, block: string): string {
  const rest = withoutBlock(content, host);
  return rest === '' ? block : `${block}\n${rest}`;
}

/** Returns the content of a file without the block of a host pattern, and without the empty line after it. */
export function withoutBlock(content: string, host: string): string {
  const lines = content.split('\n');
  const begin = lines.indexOf(beginOf(host));
  const end = lines.indexOf(endOf(host), begin);
  if (begin === -1 || end === -1) return content;
  const after = lines[end + 1] === '' && end + 2 < lines.length ? end + 2 : end + 1;
  return [...lines.slice(0, begin), ...lines.slice(after)].join('\n');
}
