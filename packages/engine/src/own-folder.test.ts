import assert from 'node:assert/strict';
import { chmod, chown, lchown, mkdir, mkdtemp, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { layoutAt } from './layout.ts';
import { requireOwn } from './own-folder.ts';
import { prepareLayout } from './prepare-layout.ts';

const somebody = 778_001;
const skip = process.getuid?.() === 0 ? false : 'takes root, who can give folders away';

/** A folder like /tmp, in which anybody may make files. */
async function sharedFolder(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'nova-own-'));
  await chmod(folder, 0o1777);
  t.after(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

const refused = (reason: RegExp) => ({ code: 'set_up_failed', message: reason });

test('a folder of our own in a shared one is taken, also when it is not there yet', async (t) => {
  const shared = await sharedFolder(t);
  requireOwn(join(shared, 'not', 'there'));
  await mkdir(join(shared, 'ours'), { mode: 0o711 });
  requireOwn(join(shared, 'ours'));
});

test('a folder that another user has made first is refused, and so is anything below it', { skip }, async (t) => {
  const shared = await sharedFolder(t);
  const theirs = join(shared, 'theirs');
  await mkdir(theirs, { mode: 0o755 });
  await chown(theirs, somebody, somebody);
  for (const folder of [theirs, join(theirs, 'home')])
    assert.throws(() => requireOwn(folder), refused(/belongs to another user \(uid 778001\)/));
  assert.throws(() => prepareLayout(layoutAt(theirs)), refused(/belongs to another user/));
  const layout = { ...layoutAt(join(shared, 'home')), run: join(theirs, 'run') };
  assert.throws(() => prepareLayout(layout), refused(/belongs to another user/));
});

test("another user's link is refused, wherever it leads; a link of ours is followed", { skip }, async (t) => {
  const shared = await sharedFolder(t);
  await mkdir(join(shared, 'ours'), { mode: 0o711 });
  await symlink('ours', join(shared, 'link'));
  requireOwn(join(shared, 'link'));
  await lchown(join(shared, 'link'), somebody, somebody);
  assert.throws(() => requireOwn(join(shared, 'link')), refused(/link belongs to another user/));
  const theirs = join(shared, 'theirs');
  await mkdir(theirs);
  await chown(theirs, somebody, somebody);
  await symlink(theirs, join(shared, 'ours', 'away'));
  assert.throws(() => requireOwn(join(shared, 'ours', 'away')), refused(/theirs belongs to another user/));
  // The path goes through another user's link to a folder of ours.
  await symlink(join(shared, 'link'), join(shared, 'ours', 'back'));
  assert.throws(() => requireOwn(join(shared, 'ours', 'back', 'home')), refused(/link, which belongs to another user/));
  await symlink('round', join(shared, 'round'));
  assert.throws(() => requireOwn(join(shared, 'round')), refused(/leads nowhere/));
});

test('a folder that everybody may write to is refused, and so is what lies below one without the sticky bit', async (t) => {
  const shared = await sharedFolder(t);
  assert.throws(() => requireOwn(shared), refused(/may be written to by every user/));
  await chmod(shared, 0o777);
  assert.throws(() => requireOwn(join(shared, 'home')), refused(/may be written to by every user/));
});

test('for root, what lies above must let the users of VMMs pass', { skip }, async (t) => {
  const shared = await sharedFolder(t);
  await mkdir(join(shared, 'closed'), { mode: 0o700 });
  assert.throws(() => requireOwn(join(shared, 'closed', 'home')), refused(/other users may not pass through/));
});
