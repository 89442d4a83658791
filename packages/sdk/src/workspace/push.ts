import { realpathSync, statSync } from 'node:fs';
import { posix } from 'node:path';
import { NovaError } from '@novasandbox/protocol';
import type { SandboxScope } from '../sandbox-scope.ts';
import { hostFileError } from '../tar/host-file-error.ts';
import { maxKeptBytes, type Base, type BaseRow } from './base/base.ts';
import { workspacesOf } from './base/place.ts';
import { pruneBases } from './base/prune.ts';
import { mostRemembered } from './compare/guest-filter.ts';
import { stateOfHost, unchangedUntil } from './compare/states.ts';
import { GuestTree } from './guest/guest-tree.ts';
import { packEntries, type Packed } from './host/pack.ts';
import { walk, type Walk } from './host/walk.ts';
import { Steps } from './progress.ts';
import { planPush, type PushPlan } from './push-plan.ts';
import { removeFromGuest } from './push-removals.ts';
import { isOfBefore, restoredAt, userOf, withBase } from './session.ts';
import type { PushOptions, PushResult } from './types.ts';

const defaultGuestPath = '/workspace';
const defaultMaxBytes = 8 * 1024 ** 3;
const defaultMaxEntries = 500_000;
/** So many files are looked at one by one after they were sent; of more, only the time of the last one is noted. */
const mostLookedAt = 1000;

/** Copies a folder into the guest, or what has changed in it since the last time. */
export async function push(scope: SandboxScope, given: string, options: PushOptions): Promise<PushResult> {
  const folder = realFolder(given);
  const guestPath = guestPathOf(scope, folder, options.guestPath);
  const result = await withBase(scope, guestPath, options, (base) =>
    base.change(() => pushFolder(scope, base, folder, guestPath, options)),
  );
  await pruneBases(scope.engine, options.signal);
  return result;
}

async function pushFolder(
  scope: SandboxScope,
  base: Base,
  folder: string,
  guestPath: string,
  options: PushOptions,
): Promise<PushResult> {
  const settings = settingsOf(base, folder, guestPath, options);
  const restored = await restoredAt(scope);
  if (isOfBefore(base, restored)) base.forgetEntries();
  const { rows, rules } = base.all();
  const sentGit = new Set(JSON.parse(base.fact('git') ?? '[]') as string[]);
  const looking = new Steps(options.onProgress, 'workspace-look', `Looking at ${folder}`);
  const found = await looking.run(() =>
    walk(folder, {
      ...settings,
      sentGit,
      maxEntries: options.maxEntries ?? defaultMaxEntries,
      maxBytes: options.maxBytes ?? defaultMaxBytes,
      known: (below, digest, path) => settings.areSame && rules.get(below) === digest && rows.has(path),
      isUnchanged: ({ path, version }) => rows.get(path)?.hostVersion === version,
      signal: options.signal,
    }),
  );
  const guest = new GuestTree(scope, guestPath, settings.user, options.signal);
  const plan = await planPush(folder, found, rows, guest, { overwrite: options.overwrite ?? false });
  const { removed, kept } = await removeFromGuest(scope, guest, plan, base);
  const sent = await send(base, folder, found, withoutKept(plan, kept), guest, settings.includeSecrets, options);
  for (const row of plan.adopted) base.put(row, found.rules.get(row.path) ?? null);
  for (const path of plan.forgotten) base.remove(path);
  keepRules(base, found, rows, rules);
  // The guest is not asked what is in them.
  base.setFact('ignoredFolders', JSON.stringify(found.ignoredFolders.slice(0, mostRemembered)));
  base.setFact('pushedAt', new Date().toISOString());
  base.setFact('restoredAt', restored);
  base.setFact('git', JSON.stringify([...sentGit, ...gitTops(found)]));
  return {
    folder,
    guestPath,
    sentFiles: sent.files,
    sentBytes: sent.bytes,
    removed,
    unchanged: plan.unchanged,
    ignored: found.ignored,
    leftOut: found.leftOut,
    conflicts: plan.conflicts,
    notes: plan.notes,
  };
}

/** Sends the entries of a plan, and notes what was sent. */
async function send(
  base: Base,
  folder: string,
  found: Walk,
  plan: PushPlan,
  guest: GuestTree,
  includeSecrets: boolean,
  options: PushOptions,
): Promise<{ readonly files: number; readonly bytes: number }> {
  const packed: Packed[] = [];
  const belongsToGit = new Set(plan.git);
  const entries = [...plan.git, ...plan.send];
  let [files, bytes] = [0, 0];
  const steps = new Steps(options.onProgress, 'workspace-send', `Sending ${folder}`);
  const archive = packEntries(folder, entries, {
    searchKeys: !includeSecrets,
    onLeftOut: ({ path }, reason, kind) => found.leftOut.push({ path, reason, kind }),
    onPacked(each) {
      const { entry, sha256, content } = each;
      if (entry.type === 'file') files += 1;
      bytes += entry.size;
      steps.update(`${files} files`, entries.length === 0 ? 1 : (packed.length + 1) / entries.length);
      // Only what a later comparison can be about is noted.
      packed.push({ entry, sha256, content: null });
      if (sha256 !== null && content !== null && content.length <= maxKeptBytes && !belongsToGit.has(entry)) {
        base.keep(sha256, content);
      }
    },
  });
  await steps.run(async () => {
    if (entries.length > 0 || plan.isFirst) await guest.unpack(archive);
  });
  const sent = packed.filter(({ entry }) => !belongsToGit.has(entry));
  const versions = await versionsOf(guest, sent);
  for (const { entry, sha256 } of sent) {
    const row: BaseRow = {
      path: entry.path,
      state: stateOfHost(entry, sha256),
      hostVersion: entry.lasting,
      guestVersion: versions(entry.path),
      mtimeSeconds: entry.mtimeSeconds,
    };
    base.put(row, found.rules.get(entry.path) ?? null);
  }
  return { files, bytes };
}

/** A folder that stays in the guest keeps the place of what was to replace it. */
function withoutKept(plan: PushPlan, kept: ReadonlySet<string>): PushPlan {
  const send = plan.send.filter(({ path, type }) => {
    if (type === 'directory' || !kept.has(path)) return true;
    plan.conflicts.push({ path, reason: 'it is a folder in the sandbox, in which something was added' });
    return false;
  });
  return { ...plan, send };
}

/** How later looks at the guest tell that what was sent has not been changed there. */
async function versionsOf(guest: GuestTree, sent: readonly Packed[]): Promise<(path: string) => string | null> {
  const files = sent.filter(({ entry }) => entry.type === 'file').map(({ entry }) => entry);
  const last = files.at(-1);
  if (last === undefined) return () => null;
  if (files.length > mostLookedAt) {
    const entry = (await guest.some([last.path], { hash: false })).get(last.path);
    return () => (entry === undefined ? null : unchangedUntil(entry.ctime));
  }
  const now = await guest.some(
    files.map(({ path }) => path),
    { hash: false },
  );
  const times = new Map(files.map(({ path, size, mtimeSeconds }) => [path, { size, mtimeSeconds }]));
  return (path) => {
    const [entry, file] = [now.get(path), times.get(path)];
    if (entry === undefined || file === undefined) return null;
    const isAsSent = entry.size === file.size && Date.parse(entry.mtime) === file.mtimeSeconds * 1000;
    return isAsSent ? entry.version : null;
  };
}

/** The digests of the ignore rules tell the next push which paths need no test. */
function keepRules(
  base: Base,
  found: Walk,
  rows: ReadonlyMap<string, BaseRow>,
  before: ReadonlyMap<string, string>,
): void {
  base.setFact('rules', found.rules.get('') ?? '');
  for (const [path, digest] of found.rules) {
    const row = rows.get(path);
    if (row !== undefined && before.get(path) !== digest) base.put(row, digest);
  }
}

const gitTops = ({ gitEntries }: Walk): string[] =>
  gitEntries.filter(({ path }) => path === '.git' || path.endsWith('/.git')).map(({ path }) => path);

interface Settings {
  readonly include: readonly string[];
  readonly includeSecrets: boolean;
  readonly git: boolean;
  readonly user: string | undefined;
  /** Whether the last push had the same settings. */
  readonly areSame: boolean;
}

/** Settings that a call leaves out are those of the last push. */
function settingsOf(base: Base, folder: string, guestPath: string, options: PushOptions): Settings {
  const other = base.fact('folder');
  if (other !== null && other !== folder) {
    throw new NovaError('invalid_argument', `guestPath: ${other} was pushed there.`, {
      hint: 'Push this folder to another path of the guest.',
    });
  }
  const before = JSON.parse(base.fact('settings') ?? '{}') as Partial<
    Pick<Settings, 'include' | 'includeSecrets' | 'git'>
  >;
  const include = (options.include ?? before.include ?? []).map(relativePath);
  const includeSecrets = options.includeSecrets ?? before.includeSecrets ?? false;
  const git = options.git ?? before.git ?? true;
  const user = options.user ?? userOf(base);
  const settings = JSON.stringify({ include, includeSecrets, git });
  const areSame = settings === base.fact('settings');
  base.setFact('folder', folder);
  base.setFact('guestPath', guestPath);
  base.setFact('settings', settings);
  if (user !== undefined) base.setFact('user', user);
  return { include, includeSecrets, git, user, areSame };
}

function relativePath(path: string): string {
  const plain = posix.normalize(path).replace(/\/$/, '');
  if (posix.isAbsolute(plain) || plain === '..' || plain.startsWith('../')) {
    throw new NovaError('invalid_argument', `include: "${path}" is not in the folder.`);
  }
  return plain;
}

function realFolder(given: string): string {
  try {
    const folder = realpathSync(given);
    if (!statSync(folder).isDirectory()) throw new NovaError('not_a_directory', `${given} is not a folder.`);
    return folder;
  } catch (error) {
    throw hostFileError(error);
  }
}

/** The folder of the guest: the one named, or the one that this folder was pushed to before. */
function guestPathOf(scope: SandboxScope, folder: string, given: string | undefined): string {
  if (given === undefined) {
    const before = workspacesOf(scope.engine.place, scope.id).find((each) => each.folder === folder);
    return before?.guestPath ?? defaultGuestPath;
  }
  const path = posix.normalize(given).replace(/\/$/, '');
  if (!path.startsWith('/') || path === '') {
    throw new NovaError('invalid_argument', `guestPath: "${given}" is not an absolute path below the guest's root.`);
  }
  return path;
}
