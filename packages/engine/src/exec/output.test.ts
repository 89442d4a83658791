import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { AttachedProcess, GuestAgent, OutputChunk } from '../ports/guest-agent.ts';
import { readOutput } from './output.ts';

const chunk = (text: string): OutputChunk => ({ channel: 'stdout', bytes: Buffer.from(text) });

/** A guest in which a command has written ten bytes in two chunks, and runs. */
function guest(): { readonly agent: GuestAgent; readonly left: () => number } {
  let left = 0;
  const attach = (_: number, { stdout }: { readonly stdout: number | null }): Promise<AttachedProcess> => {
    async function* output(): AsyncGenerator<OutputChunk> {
      yield chunk('first');
      yield chunk('later');
      await new Promise(() => undefined);
    }
    const process = {
      execId: 7,
      pid: 70,
      stdoutOffset: stdout ?? 10,
      stderrOffset: 0,
      output: output(),
      leave: () => Promise.resolve(void left++),
    };
    return Promise.resolve(process as unknown as AttachedProcess);
  };
  const agent = { processes: () => Promise.resolve([{ execId: 7, running: true }]), attach };
  return { agent: agent as unknown as GuestAgent, left: () => left };
}

test('a reading ends at the output that exists, and tells where the next one goes on', async () => {
  const { agent } = guest();
  const reading = await readOutput(agent, 7, { stdout: 0, stderr: 0 }, {});
  const texts: string[] = [];
  for await (const { bytes } of reading.output) texts.push(Buffer.from(bytes).toString());
  assert.deepEqual(texts, ['first', 'later']);
  assert.deepEqual(await reading.ended, { exit: null, stdoutOffset: 10, stderrOffset: 0 });
});

test('a reader that stops before the end learns how far it got, and lets go of the command', async () => {
  const { agent, left } = guest();
  const reading = await readOutput(agent, 7, { stdout: 0, stderr: 0 }, {});
  for await (const _ of reading.output) break;
  assert.deepEqual(await reading.ended, { exit: null, stdoutOffset: 5, stderrOffset: 0 });
  assert.equal(left(), 2);
});
