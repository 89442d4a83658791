import assert from 'node:assert/strict';
import { chmodSync, existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { layoutAt } from './layout.ts';
import { prepareLayout } from './prepare-layout.ts';

function passableFolder(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'nova-layout-'));
  chmodSync(folder, 0o755);
  t.after(() => rmSync(folder, { recursive: true }));
  return folder;
}

test('folders on the way are made, so that other users can pass through and see nothing', (t) => {
  const shared = passableFolder(t);
  const layout = { ...layoutAt(join(shared, 'not/there')), run: join(shared, 'run') };
  prepareLayout(layout);
  prepareLayout(layout);
  for (const folder of [join(shared, 'not'), layout.home, layout.sandboxes])
    assert.equal(statSync(folder).mode & 0o777, 0o711, folder);
});

test('a state folder that cannot be made is told with its name and NOVA_HOME', (t) => {
  const shared = passableFolder(t);
  const file = join(shared, 'file');
  writeFileSync(file, '', { mode: 0o640 });
  const places = [file, join(file, 'home'), ...(existsSync('/proc/self') ? ['/proc/nova'] : [])];
  for (const home of places) {
    assert.throws(() => prepareLayout({ ...layoutAt(home), run: join(shared, 'run') }), {
      code: 'storage_failed',
      message: new RegExp(`The folder ${home}.* cannot be made: `),
      hint: /NOVA_HOME/,
    });
  }
  assert.equal(statSync(file).mode & 0o777, 0o640, 'what is no folder stays as it was');
});
