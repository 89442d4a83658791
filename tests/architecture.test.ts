import assert from 'node:assert/strict';
import { existsSync, globSync, readFileSync } from 'node:fs';
import { builtinModules } from 'node:module';
import { dirname, join, normalize, relative } from 'node:path';
import { test } from 'node:test';
import { cliRules } from './import-rules/cli.ts';
import type { Rule } from './import-rules/rule.ts';
import { sdkRules } from './import-rules/sdk.ts';
import { serverRules } from './import-rules/server.ts';

const root = join(import.meta.dirname, '..');

const engine = 'packages/engine/src';
const ports = `${engine}/ports`;
/**
 * The engine's folders that contain policy. Each may import those after it in this list and none before it, so that
 * there are no cycles.
 */
const policyFolders = [
  ...[
    'exec',
    'files',
    'storage',
    'volumes',
    'networks',
    'template',
    'snapshot',
    'pool',
    'sandbox',
    'memory',
    'golden',
    'guest',
  ],
];
const policyRules = policyFolders.map((name, index): Rule => ({
  from: `${engine}/${name}`,
  may: [
    '@novasandbox/protocol',
    'zod',
    ports,
    ...policyFolders.slice(index + 1).map((later) => `${engine}/${later}`),
    ...['context', 'services', 'layout', 'abort', 'rounds', 'architecture'].map((file) => `${engine}/${file}.ts`),
    ...['artifacts', 'programs', 'images', 'vmm', 'secrets', 'certificates'].map((folder) => `${engine}/${folder}`),
  ],
  because:
    'what holds policy speaks to drivers, agent and store through their ports, and the order of its folders has no circle',
}));

/** Requests go one way: route -> service -> driver or agent. Nothing imports upwards. */
const rules: readonly Rule[] = [
  {
    from: 'packages/protocol/src',
    may: ['zod', '#policy-schemas', '#secret-schemas', '#storage-errors'],
    because: 'the contract runs in a browser too and depends on zod alone',
  },
  {
    from: 'packages/mcp/src',
    may: ['@novasandbox/protocol', '@novasandbox/engine', '@modelcontextprotocol/server', 'zod'],
    because: 'the tools act on services, whoever offers them and whichever way the host is connected',
  },
  {
    from: ports,
    may: ['@novasandbox/protocol'],
    because: 'a seam names what both sides share and nothing of either',
  },
  {
    from: `${engine}/vmm`,
    may: [
      '@novasandbox/protocol',
      'zod',
      ports,
      `${engine}/layout.ts`,
      `${engine}/abort.ts`,
      `${engine}/architecture.ts`,
    ],
    because: 'mechanics that drivers share know no driver and no service',
  },
  {
    from: `${engine}/drivers`,
    may: [
      '@novasandbox/protocol',
      'zod',
      ports,
      `${engine}/vmm`,
      `${engine}/layout.ts`,
      `${engine}/abort.ts`,
      `${engine}/architecture.ts`,
    ],
    because: 'a driver holds no policy and no database',
  },
  {
    from: `${engine}/agent`,
    may: ['@novasandbox/protocol', ports],
    because: 'the agent client works over any byte stream',
  },
  {
    from: `${engine}/programs`,
    may: ['@novasandbox/protocol', `${engine}/architecture.ts`],
    because: 'how a program of the host is run, and which package has it, depends on nothing that is made with it',
  },
  {
    from: `${engine}/artifacts`,
    may: [
      '@novasandbox/protocol',
      'zod',
      `${engine}/programs`,
      `${engine}/layout.ts`,
      `${engine}/open-database.ts`,
      `${engine}/vmm/image-group.ts`,
      `${engine}/vmm/remove-folder.ts`,
    ],
    because: 'how a file comes to be whole, locked, copied and named by its digest does not depend on what it holds',
  },
  {
    from: `${engine}/images`,
    may: [
      '@novasandbox/protocol',
      'yaml',
      'zod',
      ports,
      `${engine}/artifacts`,
      `${engine}/programs`,
      `${engine}/layout.ts`,
      `${engine}/abort.ts`,
      `${engine}/architecture.ts`,
      `${engine}/open-database.ts`,
      `${engine}/vmm`,
    ],
    because: 'images know no sandboxes',
  },
  {
    from: `${engine}/setup`,
    may: [
      '@novasandbox/protocol',
      'zod',
      ports,
      `${engine}/architecture.ts`,
      `${engine}/layout.ts`,
      `${engine}/abort.ts`,
      `${engine}/drivers/registry.ts`,
      `${engine}/artifacts`,
      `${engine}/programs`,
      `${engine}/images`,
      `${engine}/vmm`,
    ],
    because: 'installing a VMM needs no engine, but the versions that its driver takes',
  },
  {
    from: `${engine}/store`,
    may: ['@novasandbox/protocol', 'zod', ports, `${engine}/open-database.ts`, `${engine}/vmm/process-identity.ts`],
    because: 'the store keeps records and decides nothing',
  },
  {
    from: `${engine}/network`,
    may: [
      '@novasandbox/protocol',
      'zod',
      ports,
      `${engine}/vmm`,
      `${engine}/abort.ts`,
      `${engine}/rounds.ts`,
      `${engine}/artifacts/lock.ts`,
      `${engine}/programs`,
    ],
    because: 'networks know slots and whoever holds them, and nothing of sandboxes',
  },
  {
    from: `${engine}/egress`,
    may: [
      '@novasandbox/protocol',
      'zod',
      ports,
      `${engine}/abort.ts`,
      `${engine}/layout.ts`,
      `${engine}/artifacts/lock.ts`,
      `${engine}/certificates`,
      `${engine}/network/resolver.ts`,
      `${engine}/vmm/process-identity.ts`,
      `${engine}/vmm/vmm-users.ts`,
    ],
    because: 'what a sandbox may reach is decided without knowing how its slot was made',
  },
  {
    from: `${engine}/certificates`,
    may: [ports],
    because: 'how a certificate is written does not depend on whom it is for',
  },
  {
    from: `${engine}/secrets`,
    may: ['@novasandbox/protocol', ports, `${engine}/certificates`],
    because: 'how a secret is kept does not depend on what is done with it',
  },
  ...policyRules,
  {
    from: `${engine}/policies`,
    may: [
      '@novasandbox/protocol',
      'tldts',
      ports,
      `${engine}/sandbox`,
      `${engine}/guest`,
      `${engine}/egress/policy`,
      ...['context', 'services', 'abort'].map((file) => `${engine}/${file}.ts`),
    ],
    because: 'policies with names, questions and what is learned are about sandboxes that are there',
  },
  {
    from: `${engine}/services.ts`,
    may: ['@novasandbox/protocol', ports],
    because: 'the offer of the engine names no implementation',
  },
  {
    from: `${engine}/context.ts`,
    may: ['@novasandbox/protocol', ports, `${engine}/layout.ts`],
    because: 'what services share names no implementation',
  },
  { from: `${engine}/architecture.ts`, may: ['@novasandbox/protocol'], because: 'data depends on nothing' },
  { from: `${engine}/layout.ts`, may: ['@novasandbox/protocol'], because: 'paths depend on nothing' },
  { from: `${engine}/open-database.ts`, may: [], because: 'how a database is opened depends on nothing' },
  {
    from: `${engine}/own-folder.ts`,
    may: ['@novasandbox/protocol', `${engine}/vmm/mapped-ids.ts`],
    because: 'whose a folder is has nothing to do with what lies in it',
  },
  {
    from: `${engine}/prepare-layout.ts`,
    may: [
      '@novasandbox/protocol',
      `${engine}/layout.ts`,
      `${engine}/old-layout.ts`,
      `${engine}/own-folder.ts`,
      `${engine}/vmm`,
    ],
    because: 'the first step knows the paths and who may pass',
  },
  { from: `${engine}/old-layout.ts`, may: [`${engine}/layout.ts`], because: 'a move needs the paths alone' },
  { from: `${engine}/abort.ts`, may: ['@novasandbox/protocol'], because: 'errors depend on nothing' },
  { from: `${engine}/rounds.ts`, may: [], because: 'a clock depends on nothing' },
  { from: `${engine}/boundary.ts`, may: ['@novasandbox/protocol', ports], because: 'what is offered has no say in it' },
  {
    from: `${engine}/engine.ts`,
    may: ['@novasandbox/protocol', engine],
    because: 'the composition root knows all parts',
  },
  { from: `${engine}/index.ts`, may: [engine], because: 'the curated exports' },
  { from: `${engine}/own-drivers.ts`, may: [engine], because: 'the curated exports for those who write a driver' },
  ...sdkRules,
  ...cliRules,
  ...serverRules,
  {
    from: 'bench',
    may: [
      ...['@novasandbox/protocol', '@novasandbox/engine', '@novasandbox/server', 'e2b', 'novasandbox'],
      ...['@novasandbox/tests/stand-in', '@novasandbox/tests/egress-process', '@novasandbox/tests/egress-world'],
    ],
    because: 'measurements go through the public ways in, and past a VMM to its driver',
  },
  {
    from: 'lab',
    may: ['@novasandbox/protocol', '@novasandbox/engine', 'zod'],
    because: 'the lab is made of the parts that sandboxes are made of',
  },
  { from: 'examples', may: ['novasandbox'], because: 'examples use what users have' },
];

/** Drivers must not import each other either. */
const driverFolder = /^packages\/engine\/src\/drivers\/([^/]+)\//;

function importsOf(file: string): string[] {
  const text = readFileSync(join(root, file), 'utf8');
  return [
    ...text.matchAll(
      /(?:^|[\s;}])(?:import|export)\s[^'"`;]*?from\s*['"]([^'"]+)['"]|import\s*\(\s*['"]([^'"]+)['"]\s*\)|^import\s*['"]([^'"]+)['"]/gm,
    ),
  ].map((found) => found[1] ?? found[2] ?? found[3] ?? '');
}

/** The file that a relative import names, or the name of a package. */
const targetOf = (file: string, specifier: string): string =>
  specifier.startsWith('.') ? normalize(relative(root, join(root, dirname(file), specifier))) : specifier;

const within = (path: string, folder: string): boolean => path === folder || path.startsWith(`${folder}/`);
const sources = (...patterns: string[]): string[] =>
  globSync(patterns, { cwd: root }).filter(
    (file) => !/\.test\.ts$|\.test-support\.ts$|\/testing\/|\/node_modules\//.test(file),
  );

test('imports go one way', () => {
  const files = sources('packages/*/src/**/*.ts', 'bench/**/*.ts', 'lab/**/*.ts', 'examples/**/*.ts');
  assert.ok(files.length > 50);
  const broken: string[] = [];
  for (const file of files) {
    const rule = rules.filter(({ from }) => within(file, from)).toSorted((a, b) => b.from.length - a.from.length)[0];
    if (rule === undefined) {
      broken.push(`${file}: no rule covers it`);
      continue;
    }
    for (const specifier of importsOf(file)) {
      if (specifier.startsWith('node:') || builtinModules.includes(specifier)) continue;
      const target = targetOf(file, specifier);
      const own = within(target, rule.from.endsWith('.ts') ? '\0' : rule.from);
      const allowed = own || rule.may.some((each) => within(target, each));
      const otherDriver =
        driverFolder.exec(file)?.[1] !== undefined &&
        driverFolder.exec(target)?.[1] !== undefined &&
        driverFolder.exec(file)?.[1] !== driverFolder.exec(target)?.[1];
      if (!allowed || otherDriver) broken.push(`${file} imports ${specifier}: ${rule.because}`);
    }
  }
  assert.deepEqual(broken, []);
});

test('no two folders of the engine import each other, directly or by way of others', () => {
  const folderOf = (path: string): string | undefined => new RegExp(`^${engine}/([^/]+)/`).exec(path)?.[1];
  const imports = new Map<string, Set<string>>();
  for (const file of globSync(`${engine}/*/**/*.ts`, { cwd: root })) {
    if (file.endsWith('.test.ts') || file.includes('/testing/')) continue;
    const from = folderOf(file) ?? '';
    const others = importsOf(file)
      .filter((specifier) => specifier.startsWith('.'))
      .map((specifier) => folderOf(normalize(join(dirname(file), specifier))))
      .filter((to): to is string => to !== undefined && to !== from);
    imports.set(from, new Set([...(imports.get(from) ?? []), ...others]));
  }
  assert.ok(imports.size > 10);
  const reachable = (from: string, seen = new Set<string>()): Set<string> => {
    for (const to of imports.get(from) ?? []) if (!seen.has(to)) reachable(to, seen.add(to));
    return seen;
  };
  assert.deepEqual(
    [...imports.keys()].filter((folder) => reachable(folder).has(folder)),
    [],
  );
});

test('every folder of a package has a rule of its own', () => {
  const folders = globSync('packages/{engine,server,sdk,cli}/src/*/', { cwd: root }).map((folder) => normalize(folder));
  assert.ok(folders.length > 40, String(folders.length));
  assert.deepEqual(
    folders.filter((folder) => !rules.some(({ from }) => from === folder)),
    [],
  );
});

test('every package that a rule allows is imported by what the rule is about', () => {
  const idle = [...serverRules, ...sdkRules, ...cliRules].flatMap(({ from, may }) => {
    const imported = sources(from.endsWith('.ts') ? from : `${from}/**/*.ts`).flatMap((file) =>
      importsOf(file).map((specifier) => targetOf(file, specifier)),
    );
    const packages = may.filter((each) => !each.includes('/src') && !each.startsWith('@novasandbox/'));
    return packages.filter((name) => !imported.some((each) => within(each, name))).map((name) => `${from}: ${name}`);
  });
  assert.deepEqual(idle, []);
});

test('the folders of a package import each other in no circle', () => {
  for (const from of ['packages/server/src', 'packages/sdk/src', 'packages/cli/src', 'packages/protocol/src']) {
    const partOf = (file: string): string => relative(from, file).split('/', 1)[0] ?? '';
    const imports = new Map<string, Set<string>>();
    for (const file of sources(`${from}/**/*.ts`)) {
      const of = imports.get(partOf(file)) ?? new Set();
      imports.set(partOf(file), of);
      for (const target of importsOf(file).map((specifier) => targetOf(file, specifier)))
        if (within(target, from) && partOf(target) !== partOf(file)) of.add(partOf(target));
    }
    // A file that imports none of the remaining ones can be removed; the files that remain in the end form a cycle.
    for (let taken = true; taken;) {
      taken = false;
      for (const [part, of] of imports) {
        if ([...of].some((each) => imports.has(each))) continue;
        imports.delete(part);
        taken = true;
      }
    }
    assert.deepEqual([...imports.keys()], [], from);
  }
});

/** Files that keep state for the whole process, each with the reason. */
const processWide: Readonly<Record<string, string>> = {
  'packages/engine/src/images/isolated.ts': 'a fact about the host, which is found out once',
  'packages/engine/src/sandbox/boot.ts': 'a snapshot whose clones are late is late for every engine of the process',
  'packages/engine/src/sandbox/end.ts': 'what this process has given up is not in the store, whose disk was full',
  'packages/engine/src/sandbox/pause.ts': 'all calls of an engine that resume a sandbox share one resumption',
  'packages/engine/src/sandbox/wake.ts': 'all calls of an engine that want a sandbox awake share one waking',
  'packages/engine/src/vmm/cgroup.ts': 'a fact about the host, which is found out once',
  'packages/engine/src/vmm/confine.ts': 'facts about the host, which are found out once',
  'packages/engine/src/vmm/process-identity.ts': 'a fact about the process itself',
  'packages/sdk/src/connection.ts': 'the engine of a state folder is opened once in a process and shared',
  'packages/sdk/src/remote/sandbox-engine.ts':
    'the connection of an engine is found by the engine, whose type hides it',
};

test('no module keeps state of its own', () => {
  const state =
    /^(?:export )?(?:let \w|const \w+(?::[^=]+)? = (?:new (?:Map|Set|WeakMap|WeakSet|WebSocketServer)|sharedWork)(?:<[^;]*>)?\(\s*\))/m;
  const found = sources('packages/*/src/**/*.ts')
    // A driver's state about its VMM is its own.
    .filter((file) => !within(file, `${engine}/drivers`))
    .filter((file) => state.test(readFileSync(join(root, file), 'utf8')));
  assert.deepEqual(found.toSorted(), Object.keys(processWide));
});

test('files that are named as the place of a new thing are there', () => {
  const [, section = ''] =
    /## Where a new thing goes\n(.*?)\n## /s.exec(readFileSync(join(root, 'ARCHITECTURE.md'), 'utf8')) ?? [];
  const named = [...section.matchAll(/`([\w./-]+\/[\w./-]*)`/g)].map(([, path = '']) => path);
  assert.ok(named.length > 10);
  const missing = named.filter((path) => !existsSync(join(root, path)) && !existsSync(join(root, 'packages', path)));
  assert.deepEqual(missing, []);
});

test('every rule is about something', () => {
  for (const { from } of rules) {
    assert.ok(globSync([from, `${from}/**/*.ts`], { cwd: root }).length > 0, from);
  }
});
