import assert from 'node:assert/strict';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
  readdirSync,
} from 'node:fs';
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

test('golden snapshots of an older version are found in their new place', (t) => {
  const shared = passableFolder(t);
  const layout = { ...layoutAt(join(shared, 'home')), run: join(shared, 'run') };
  const [kept, madeAgain] = ['a'.repeat(32), 'b'.repeat(32)];
  const old = join(layout.home, 'snapshots');
  const put = (folder: string, content: string): void => {
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, 'ram'), content);
  };
  for (const digest of [kept, madeAgain]) put(join(old, digest), `old ${digest}`);
  put(layout.golden(madeAgain), 'new');
  prepareLayout(layout);
  assert.equal(readFileSync(join(layout.golden(kept), 'ram'), 'utf8'), `old ${kept}`);
  assert.equal(readFileSync(join(layout.golden(madeAgain), 'ram'), 'utf8'), 'new');
  assert.deepEqual(readdirSync(old), []);

  put(join(old, 'somebody-elses'), 'stays');
  put(join(old, kept), 'made by an older version that is still in use');
  prepareLayout(layout);
  assert.equal(readFileSync(join(old, 'somebody-elses', 'ram'), 'utf8'), 'stays');
  assert.ok(!existsSync(join(old, kept)));
});
