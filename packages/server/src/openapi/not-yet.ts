import { apiPrefix } from '../http/addresses.ts';
import { notYet } from '../http/not-yet.ts';

/** docs/not-yet.md: the addresses of the API that do not work yet, and what each of them will do. */
export function notYetDocument(): string {
  const parts = notYet.map(({ name, calls }) => {
    const rows = calls.map(([method, path, does]) => `| \`${method} ${apiPrefix}${path}\` | ${does} |`);
    return `\n## ${name[0]?.toUpperCase()}${name.slice(1)}\n| call | what it will do |\n|---|---|\n${rows.join('\n')}\n`;
  });
  return `# Not there yet

These addresses of the REST API are reserved. They want credentials as any other, and answer 501 with the code
\`not_implemented\` until they work; \`/docs\` and [openapi.json](openapi.json) show what works. This page is written
by \`node packages/server/src/openapi/write.ts\` from \`packages/server/src/http/not-yet.ts\`.
${parts.join('')}`;
}
