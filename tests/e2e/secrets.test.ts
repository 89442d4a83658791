import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runOnOwnHost } from '../support/own-host.ts';
import { whyNoSlots } from '../support/slots.ts';

const skip = await whyNoSlots();

/** Runs on a host of its own, on which names lead to servers of the test. */
test('a guest uses secrets that it does not have, wherever it goes on', { skip, timeout: 600_000 }, () => {
  const { status, stdout, stderr } = runOnOwnHost('./secrets-in-a-box.ts');
  assert.equal(status, 0, `${stdout}\n${stderr}`);
  assert.equal(stdout.match(/^passed: /gm)?.length, 8, stdout);
});
