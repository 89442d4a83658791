import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hostSuite, publicSources, sourcesFor } from './debian-sources.ts';

test("a suite that is not the host's comes from the public mirror, with its updates", async () => {
  const suite = (await hostSuite()) === 'trixie' ? 'bookworm' : 'trixie';
  const lines = await sourcesFor(suite);
  assert.deepEqual(lines, publicSources(suite));
  assert.equal(lines.length, 3);
  for (const line of lines) assert.match(line, /^deb \[signed-by=[^\]]+\] http:\/\/deb\.debian\.org\//);
});

test("the host's own suite comes from Debian's sources alone", async (t) => {
  const suite = await hostSuite();
  if (suite === null) {
    t.skip('this host is not Debian');
    return;
  }
  for (const line of await sourcesFor(suite))
    assert.match(line, new RegExp(`^deb \\[signed-by=\\S+\\] \\S+ ${suite}\\S* main$`));
});
