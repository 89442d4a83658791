import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { verbs } from '../../packages/cli/src/verbs.ts';
import { cliUnderTest, finished, novaCommand } from '../support/nova-cli.ts';

const read = (file: string): Promise<string> => readFile(join(import.meta.dirname, '../../docs', file), 'utf8');
const page = await read('cli.md');
const pages = [
  ['docs/cli.md', page],
  ['docs/templates.md', await read('templates.md')],
  ['docs/volumes.md', await read('volumes.md')],
  ['docs/networks.md', await read('networks.md')],
  ['docs/snapshots.md', await read('snapshots.md')],
] as const;
const sessions = pages.flatMap(([file, text]) =>
  [...text.matchAll(/^```console\n([^]*?)^```$/gm)].map((match) => ({
    at: `${file}, line ${text.slice(0, match.index).split('\n').length}`,
    steps: parseSession(match[1] ?? ''),
  })),
);

interface Step {
  readonly command: string;
  /** `...` matches any text. */
  readonly output: string;
}

function parseSession(text: string): Step[] {
  return text
    .split(/^\$ /m)
    .slice(1)
    .map((step) => {
      const end = step.indexOf('\n');
      return { command: step.slice(0, end), output: step.slice(end + 1) };
    });
}

const marker = '=== next ===';

test('the page names every verb', () => {
  for (const [name, { hidden = false, alias }] of Object.entries(verbs)) {
    if (!hidden) assert.match(page, new RegExp(`\`${name}\``), name);
    if (alias !== undefined) assert.match(page, new RegExp(`\`${alias}\``), alias);
  }
});

for (const { at, steps } of sessions) {
  test(`${at}: the commands print what it says`, async () => {
    await using cli = await cliUnderTest();
    const folder = await mkdtemp(join(tmpdir(), 'nova-docs-'));
    try {
      const nova = `nova() { ${novaCommand.map((word) => `'${word}'`).join(' ')} "$@"; }`;
      // One shell for the whole session, so that `$?` and the folder carry over.
      const script = steps
        .map(({ command }) => `${command}\n__status=$?; echo '${marker}'; (exit $__status)`)
        .join('\n');
      const shell = spawn('bash', ['-c', `${nova}\n${script}`], { env: cli.home.env, cwd: folder });
      const { stdout, stderr } = await finished(shell);
      const outputs = stdout.split(`${marker}\n`);
      for (const [index, { command, output }] of steps.entries()) {
        const wanted = output.split('...').map((part) => part.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&'));
        assert.match(outputs[index] ?? '', new RegExp(`^${wanted.join('[^]*')}$`), `${command}\n${stderr}`);
      }
    } finally {
      await rm(folder, { recursive: true });
    }
  });
}
