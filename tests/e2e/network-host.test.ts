import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runOnOwnHost } from '../support/own-host.ts';
import { whyNoSlots } from '../support/slots.ts';

const skip = await whyNoSlots();

/** Runs on a host of its own, because the tests change resolver, forwarding and firewall. */
test('what slots need of the host is set up, mended and undone', { skip }, () => {
  const { status, stdout, stderr } = runOnOwnHost('./host-in-a-box.ts');
  assert.equal(status, 0, `${stdout}\n${stderr}`);
  assert.equal(stdout.match(/^passed: /gm)?.length, 6, stdout);
});
