/** A published package, made of modules of the workspace. */
export interface Published {
  readonly name: string;
  readonly description: string;
  readonly engines: Readonly<Record<string, string>>;
  /** The source of each importable module, by subpath. */
  readonly exports: Readonly<Record<string, string>>;
  /** Modules that are run instead of imported. */
  readonly programs: readonly string[];
  /** Sources of the `#name`s in this package, if they differ from the workspace's. */
  readonly imports: Readonly<Record<string, string>>;
  /** Modules that replace a dependency at run time; the compiler uses the dependency itself. */
  readonly standIns: Readonly<Record<string, string>>;
  /** Whether it contains only the part of the contract that a client uses. */
  readonly isClient: boolean;
  readonly bin: Readonly<Record<string, string>>;
  /**
   * Files that are read instead of imported, as globs below `packages/`. They lie beside the module that reads them.
   */
  readonly data: readonly string[];
  /** Files and folders that keep their path relative to the root. */
  readonly folders: readonly string[];
  /**
   * Files of dependencies that are read and not imported, with their licences, by their folder. Installing redoc would
   * bring a hundred other packages, and swagger-ui-dist reports its installations.
   */
  readonly carried: Readonly<Record<string, readonly string[]>>;
  readonly readme: string;
}

/** Sources of the programs that are built on the user's machine, and the files that set up that machine. */
const builtOnTheMachine = [
  'guest/agent/Cargo.toml',
  'guest/agent/Cargo.lock',
  'guest/agent/.cargo',
  'guest/agent/src',
  'host/confine/Cargo.toml',
  'host/confine/Cargo.lock',
  'host/confine/src',
  'host/listen/Cargo.toml',
  'host/listen/Cargo.lock',
  'host/listen/src',
  'templates',
  'nova',
  'deploy',
];

/**
 * All published packages. The packages of the workspace are not published, because users need not know how the
 * workspace is divided.
 */
export const published: readonly Published[] = [
  {
    name: 'novasandbox',
    description: 'Runs code in microVMs: each with its own kernel, cloned from a snapshot in a fraction of a second.',
    engines: { node: '>=24' },
    exports: {
      '.': 'packages/sdk/src/index.ts',
      './engine': 'packages/sdk/src/engine.ts',
      './remote': 'packages/sdk/src/remote/remote-engine.ts',
    },
    programs: ['packages/cli/src/main.ts', 'packages/engine/src/egress/process/main.ts'],
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
    exports: {
      '.': 'packages/sdk/src/client.ts',
      './admin': 'packages/sdk/src/admin.ts',
      './tar': 'packages/sdk/src/tar/index.ts',
    },
    programs: [],
    imports: {
      '#administration': 'packages/sdk/src/administration/of-client.ts',
      '#backend': 'packages/sdk/src/backend/remote-only.ts',
      '#policy-schemas': 'packages/protocol/src/lean/policy-schemas.ts',
      '#secret-schemas': 'packages/protocol/src/lean/secret-schemas.ts',
      '#storage-errors': 'packages/protocol/src/lean/storage-errors.ts',
      '#manifest': 'packages/sdk/src/remote/manifest/left-out.ts',
      '#workspace': 'packages/sdk/src/workspace/left-out.ts',
    },
    standIns: {
      tslib: 'packages/protocol/src/lean/disposal.ts',
      zod: 'packages/protocol/src/lean/zod.ts',
    },
    isClient: true,
    bin: {},
    data: [],
    folders: [],
    carried: {},
    readme: 'build/client.md',
  },
];
