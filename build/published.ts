/** A package that people install, made of modules of the workspace. */
export interface Published {
  readonly name: string;
  readonly description: string;
  readonly engines: Readonly<Record<string, string>>;
  /** The modules that can be imported, by subpath: each with the source it is compiled from. */
  readonly exports: Readonly<Record<string, string>>;
  /** Modules that are started instead of imported. */
  readonly programs: readonly string[];
  /** The sources that `#name` stands for in this package, where they differ from the workspace's. */
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
  /**
   * Files of dependencies that are read and not imported, with their licences, by the folder they lie in: installing redoc would bring a hundred others along,
   * and swagger-ui-dist reports who installs it.
   */
  readonly carried: Readonly<Record<string, readonly string[]>>;
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
    carried: {
      'dist/server/openapi/carried': [
        'redoc/bundles/redoc.standalone.js',
        'redoc/bundles/redoc.standalone.js.LICENSE.txt',
        'redoc/LICENSE',
        'swagger-ui-dist/swagger-ui.css',
        'swagger-ui-dist/swagger-ui-bundle.js',
        'swagger-ui-dist/swagger-ui-bundle.js.LICENSE.txt',
        'swagger-ui-dist/LICENSE',
        'swagger-ui-dist/NOTICE',
      ],
    },
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
    carried: {},
    readme: 'build/client.md',
  },
];
