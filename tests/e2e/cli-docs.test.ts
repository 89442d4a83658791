import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { verbs } from '../../packages/cli/src/verbs.ts';
import { cliUnderTest, finished, novaCommand } from '../support/nova-cli.ts';

const page = await readFile(join(import.meta.dirname, '../../docs/cli.md'), 'utf8');
const sessions = [...page.matchAll(/^```console\n([^]*?)^```$/gm)].map((match) => ({
  line: page.slice(0, match.index).split('\n').length,
  steps: parseSession(match[1] ?? ''),
}));

interface Step {
  readonly command: string;
  /** `...` stands for anything. */
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

for (const { line, steps } of sessions) {
  test(`docs/cli.md, line ${line}: the commands print what it says`, async () => {
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
