/** A package that people install, made of modules of the workspace. */
export interface Published {
  readonly name: string;
  readonly description: string;
  readonly engines: Readonly<Record<string, string>>;
  /** What `import` finds, by subpath: the source it is compiled from. Nothing else of the package can be imported. */
  readonly exports: Readonly<Record<string, string>>;
  /** Modules that are started instead of imported. */
  readonly programs: readonly string[];
  /** What `#name` means in this package, where it is not what it means in the workspace. */
  readonly imports: Readonly<Record<string, string>>;
  /** Modules that stand for a dependency in what is run; the compiler is told of the dependency itself. */
  readonly standIns: Readonly<Record<string, string>>;
  /** Whether it carries of the contract only what a client calls. */
  readonly isClient: boolean;
  readonly bin: Readonly<Record<string, string>>;
  /** Files that are read instead of imported, as globs below `packages/`: they lie beside the module that reads them. */
  readonly data: readonly string[];
  /** Files and folders that keep their place below the root. */
  readonly folders: readonly string[];
  /** Dependencies that are read from instead of imported. */
  readonly readDependencies: readonly string[];
  readonly readme: string;
}

/** The sources of the programs that are built on the machine of whoever installs the package, and what sets that machine up. */
const builtOnTheMachine = [
  'guest/agent/Cargo.toml',
  'guest/agent/Cargo.lock',
  'guest/agent/.cargo',
  'guest/agent/src',
  'host/confine/Cargo.toml',
  'host/confine/Cargo.lock',
  'host/confine/src',
  'templates',
  'nova',
  'deploy',
];

/** Every package that is published. The packages of the workspace are not: nobody outside has to know how it is divided. */
export const published: readonly Published[] = [
  {
    name: 'novasandbox',
    description: 'Runs code in microVMs: each with its own kernel, cloned from a snapshot in a fraction of a second.',
    engines: { node: '>=24' },
    exports: { '.': 'packages/sdk/src/index.ts', './remote': 'packages/sdk/src/remote/remote-engine.ts' },
    programs: ['packages/cli/src/main.ts'],
    imports: {},
    standIns: {},
    isClient: false,
    bin: { nova: 'nova', novasandbox: 'nova' },
    data: ['engine/src/images/*.sh'],
    folders: builtOnTheMachine,
    readDependencies: ['redoc', 'swagger-ui-dist'],
    readme: 'build/novasandbox.md',
  },
  {
    name: '@novasandbox/client',
    description: 'The client of a NovaSandbox daemon: microVM sandboxes over HTTP and WebSockets, without the engine.',
    engines: { node: '>=20' },
    exports: { '.': 'packages/sdk/src/client.ts' },
    programs: [],
    imports: { '#backend': 'packages/sdk/src/backend/remote-only.ts' },
    standIns: { zod: 'packages/protocol/src/lean/zod.ts' },
    isClient: true,
    bin: {},
    data: [],
    folders: [],
    readDependencies: [],
    readme: 'build/client.md',
  },
];
