import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { builtinModules } from 'node:module';
import { dirname, join, normalize, relative } from 'node:path';
import { test } from 'node:test';

const root = join(import.meta.dirname, '..');

interface Rule {
  /** Files the rule is about: a folder or file below the root, the most specific rule counts. */
  readonly from: string;
  /** What they may import besides Node's own modules and their own folder: folders or files of the project, or packages. */
  readonly may: readonly string[];
  readonly because: string;
}

const engine = 'packages/engine/src';
const ports = `${engine}/ports`;
const services = ['sandbox', 'exec', 'files', 'template', 'snapshot'].map((name) => `${engine}/${name}`);
const serviceImports = [
  '@novasandbox/protocol',
  'zod',
  ports,
  ...services,
  `${engine}/context.ts`,
  `${engine}/services.ts`,
  `${engine}/layout.ts`,
  `${engine}/abort.ts`,
  `${engine}/rounds.ts`,
  `${engine}/architecture.ts`,
  `${engine}/images`,
  `${engine}/vmm`,
];

const server = 'packages/server/src';
/** In the daemon too a request goes one way: HTTP -> route -> what it does -> the observed engine. */
const serverRules: readonly Rule[] = [
  {
    from: server,
    may: [
      '@novasandbox/protocol',
      '@novasandbox/engine',
      'zod',
      'fastify',
      'ws',
      'pino',
      'jose',
      'prom-client',
      'yaml',
      '@fastify/busboy',
      '@connectrpc',
      '@bufbuild',
      `${server}/trace`,
    ],
    because: 'the daemon offers the engine, and knows no client of its own',
  },
  {
    from: `${server}/context.ts`,
    may: [
      '@novasandbox/protocol',
      '@novasandbox/engine',
      'pino',
      `${server}/config/schema.ts`,
      `${server}/trace/tracing.ts`,
    ],
    because: 'what all ways in share names no implementation',
  },
  {
    from: `${server}/trace`,
    may: [
      '@novasandbox/protocol',
      '@novasandbox/engine',
      '@opentelemetry',
      `${server}/config/schema.ts`,
      `${server}/version.ts`,
    ],
    because: 'nothing else knows who measures',
  },
  {
    from: `${server}/config`,
    may: ['@novasandbox/protocol', 'zod', 'yaml'],
    because: 'a configuration can be checked without a daemon',
  },
  {
    from: `${server}/store`,
    may: ['@novasandbox/protocol', '@novasandbox/engine', 'zod'],
    because: 'the store keeps rows and decides nothing',
  },
  {
    from: `${server}/auth`,
    may: [
      '@novasandbox/protocol',
      '@novasandbox/engine',
      'jose',
      ...['context.ts', 'authority', 'store'].map((each) => `${server}/${each}`),
    ],
    because: 'who may come in depends on no route',
  },
  {
    from: `${server}/authority`,
    may: ['@novasandbox/protocol', '@novasandbox/engine', `${server}/context.ts`, `${server}/observe/roster.ts`],
    because: 'who may act on what is said in one place, whichever way in is taken',
  },
  {
    from: `${server}/bodies`,
    may: ['@novasandbox/protocol', `${server}/context.ts`],
    because: 'what a message may be holds for every way in',
  },
  {
    from: `${server}/observe`,
    may: [
      '@novasandbox/protocol',
      '@novasandbox/engine',
      'pino',
      ...['context.ts', 'config/schema.ts', 'store'].map((each) => `${server}/${each}`),
    ],
    because: 'what is observed is observed whichever way it came in',
  },
  {
    from: `${server}/forwards`,
    may: ['@novasandbox/protocol', '@novasandbox/engine', 'pino', `${server}/store`, `${server}/observe/roster.ts`],
    because: 'a forwarded port is one more way into the engine, and knows no HTTP',
  },
  {
    from: `${server}/vms`,
    may: [
      '@novasandbox/protocol',
      '@novasandbox/engine',
      'zod',
      `${server}/authority`,
      `${server}/context.ts`,
      `${server}/daemon-context.ts`,
    ],
    because: 'what a route does knows no HTTP',
  },
  {
    from: `${server}/sockets`,
    may: [
      '@novasandbox/protocol',
      '@novasandbox/engine',
      'ws',
      'zod',
      'fastify',
      `${server}/bodies`,
      `${server}/context.ts`,
      `${server}/vms`,
    ],
    because: 'a WebSocket is one more way to speak to the engine',
  },
];

/** Requests go one way: route -> service -> driver or agent. Nothing imports upwards. */
const rules: readonly Rule[] = [
  {
    from: 'packages/protocol/src',
    may: ['zod'],
    because: 'the contract runs in a browser too and depends on zod alone',
  },
  {
    from: ports,
    may: ['@novasandbox/protocol', `${engine}/vmm/process-identity.ts`],
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
    from: `${engine}/images`,
    may: [
      '@novasandbox/protocol',
      'zod',
      ports,
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
      `${engine}/images`,
      `${engine}/vmm`,
    ],
    because: 'installing a VMM needs no engine',
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
      `${engine}/images/command.ts`,
    ],
    because: 'networks know slots and whoever holds them, and nothing of sandboxes',
  },
  ...services.map((from): Rule => ({
    from,
    may: serviceImports,
    because: 'a service speaks to drivers, agent and store through their ports',
  })),
  {
    from: `${engine}/services.ts`,
    may: ['@novasandbox/protocol', ports],
    because: 'the offer of the engine names no implementation',
  },
  {
    from: `${engine}/context.ts`,
    may: ['@novasandbox/protocol', ports, `${engine}/layout.ts`, `${engine}/sandbox/links.ts`],
    because: 'what services share',
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
    may: ['@novasandbox/protocol', `${engine}/layout.ts`, `${engine}/own-folder.ts`, `${engine}/vmm`],
    because: 'the first step knows the paths and who may pass',
  },
  { from: `${engine}/abort.ts`, may: ['@novasandbox/protocol'], because: 'errors depend on nothing' },
  { from: `${engine}/rounds.ts`, may: [], because: 'a clock depends on nothing' },
  { from: `${engine}/boundary.ts`, may: ['@novasandbox/protocol'], because: 'errors depend on nothing' },
  {
    from: `${engine}/engine.ts`,
    may: ['@novasandbox/protocol', engine],
    because: 'the composition root knows all parts',
  },
  { from: `${engine}/index.ts`, may: [engine], because: 'the curated exports' },
  {
    from: 'packages/sdk/src',
    may: ['@novasandbox/protocol', '@novasandbox/engine', '#backend'],
    because: 'the SDK speaks the services',
  },
  {
    from: 'packages/sdk/src/remote',
    may: ['@novasandbox/protocol', '@novasandbox/engine', 'undici', 'ws', 'zod', 'packages/sdk/src/with-resolvers.ts'],
    because: 'the way to a daemon knows the contract and the services, and no class of the SDK',
  },
  {
    from: 'packages/cli/src',
    may: [
      '@novasandbox/protocol',
      '@novasandbox/engine',
      '@novasandbox/server',
      'novasandbox',
      'commander',
      'tar-stream',
      'bench/main.ts',
      'lab/main.ts',
      'lab/suite.ts',
    ],
    because: 'the CLI is a client',
  },
  ...serverRules,
  {
    from: 'bench',
    may: [
      '@novasandbox/protocol',
      '@novasandbox/engine',
      '@novasandbox/server',
      'novasandbox',
      'e2b',
      'tests/support/stand-in.ts',
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

/** Drivers must not know each other either. */
const driverFolder = /^packages\/engine\/src\/drivers\/([^/]+)\//;

function importsOf(file: string): string[] {
  const text = readFileSync(join(root, file), 'utf8');
  return [
    ...text.matchAll(
      /(?:^|[\s;}])(?:import|export)\s[^'"`;]*?from\s*['"]([^'"]+)['"]|import\s*\(\s*['"]([^'"]+)['"]\s*\)|^import\s*['"]([^'"]+)['"]/gm,
    ),
  ].map((found) => found[1] ?? found[2] ?? found[3] ?? '');
}

const within = (path: string, folder: string): boolean => path === folder || path.startsWith(`${folder}/`);

test('imports go one way', () => {
  const files = globSync(['packages/*/src/**/*.ts', 'bench/**/*.ts', 'lab/**/*.ts', 'examples/**/*.ts'], {
    cwd: root,
  }).filter((file) => !file.endsWith('.test.ts') && !file.includes('/testing/'));
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
      const target = specifier.startsWith('.')
        ? normalize(relative(root, join(root, dirname(file), specifier)))
        : specifier;
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

test('every rule is about something', () => {
  for (const { from } of rules) {
    assert.ok(globSync([from, `${from}/**/*.ts`], { cwd: root }).length > 0, from);
  }
});
