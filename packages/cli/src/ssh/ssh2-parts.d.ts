/** Types for the parts of ssh2 that serve a connection: the package has none of its own. */
declare module 'ssh2' {
  import type { EventEmitter } from 'node:events';
  import type { Duplex, Writable } from 'node:stream';

  type Listener<A extends readonly unknown[]> = (...args: A) => void;
  type Reply = (() => void) | undefined;

  interface Channel extends Duplex {
    readonly stderr: Writable;
    /** Reports an exit code, or the name of the signal that ended the program. */
    exit(code: number): void;
    exit(signal: string, coreDumped: boolean, message: string): void;
    close(): void;
  }

  interface Attributes {
    readonly mode?: number;
    readonly uid?: number;
    readonly gid?: number;
    readonly size?: number;
    readonly atime?: number;
    readonly mtime?: number;
  }

  interface NamedFile {
    readonly filename: string;
    readonly longname: string;
    readonly attrs: Attributes;
  }

  interface SftpEvents {
    OPEN: [request: number, path: string, flags: number, attributes: Attributes];
    READ: [request: number, handle: Buffer, offset: number, length: number];
    WRITE: [request: number, handle: Buffer, offset: number, data: Buffer];
    FSTAT: [request: number, handle: Buffer];
    FSETSTAT: [request: number, handle: Buffer, attributes: Attributes];
    CLOSE: [request: number, handle: Buffer];
    OPENDIR: [request: number, path: string];
    READDIR: [request: number, handle: Buffer];
    LSTAT: [request: number, path: string];
    STAT: [request: number, path: string];
    SETSTAT: [request: number, path: string, attributes: Attributes];
    REMOVE: [request: number, path: string];
    RMDIR: [request: number, path: string];
    MKDIR: [request: number, path: string, attributes: Attributes];
    REALPATH: [request: number, path: string];
    READLINK: [request: number, path: string];
    SYMLINK: [request: number, link: string, target: string];
    RENAME: [request: number, from: string, to: string];
  }

  interface Sftp extends EventEmitter {
    on<N extends keyof SftpEvents>(name: N, listener: Listener<SftpEvents[N]>): this;
    status(request: number, code: number, message?: string): void;
    handle(request: number, handle: Buffer): void;
    data(request: number, data: Buffer): void;
    name(request: number, names: readonly NamedFile[]): void;
    attrs(request: number, attributes: Attributes): void;
    end(): void;
    /** Not part of the package's interface, whose version is pinned. */
    readonly _protocol: { exitStatus(channel: number, code: number): void };
    readonly outgoing: { readonly id: number };
  }

  interface WindowSize {
    readonly cols: number;
    readonly rows: number;
  }

  interface SessionEvents {
    env: [accept: Reply, reject: Reply, variable: { readonly key: string; readonly val: string }];
    pty: [accept: Reply, reject: Reply, terminal: WindowSize & { readonly term: string }];
    'window-change': [accept: Reply, reject: Reply, size: WindowSize];
    signal: [accept: Reply, reject: Reply, signal: { readonly name: string }];
    exec: [accept: () => Channel, reject: Reply, command: { readonly command: string }];
    shell: [accept: () => Channel, reject: Reply];
    sftp: [accept: () => Sftp, reject: Reply];
    close: [];
  }

  interface Session extends EventEmitter {
    on<N extends keyof SessionEvents>(name: N, listener: Listener<SessionEvents[N]>): this;
  }

  interface Authentication {
    readonly method: string;
    readonly username: string;
    readonly key?: { readonly algo: string; readonly data: Buffer };
    readonly signature?: Buffer;
    readonly blob?: Buffer;
    readonly hashAlgo?: string;
    accept(): void;
    reject(methods?: readonly string[]): void;
  }

  interface ConnectionEvents {
    authentication: [context: Authentication];
    session: [accept: () => Session, reject: () => void];
    tcpip: [accept: () => Channel, reject: () => void, target: { readonly destIP: string; readonly destPort: number }];
    error: [error: Error];
    end: [];
    close: [];
  }

  interface Connection extends EventEmitter {
    on<N extends keyof ConnectionEvents>(name: N, listener: Listener<ConnectionEvents[N]>): this;
    end(): this;
  }

  interface ParsedKey {
    getPublicSSH(): Buffer;
    verify(blob: Buffer, signature: Buffer, hashAlgorithm?: string): boolean | Error;
  }

  class Server {
    constructor(
      options: { readonly hostKeys: readonly string[]; readonly ident: string },
      onConnection: Listener<[connection: Connection]>,
    );
    injectSocket(socket: Duplex): void;
  }

  const ssh2: {
    readonly Server: typeof Server;
    readonly utils: {
      generateKeyPairSync(
        type: 'ed25519',
        options: { readonly comment: string },
      ): { readonly private: string; readonly public: string };
      parseKey(key: string): ParsedKey | Error;
      readonly sftp: {
        readonly STATUS_CODE: Readonly<
          Record<'OK' | 'EOF' | 'NO_SUCH_FILE' | 'PERMISSION_DENIED' | 'FAILURE' | 'OP_UNSUPPORTED', number>
        >;
        readonly OPEN_MODE: Readonly<Record<'READ' | 'WRITE' | 'APPEND' | 'CREAT' | 'TRUNC' | 'EXCL', number>>;
      };
    };
  };
  export default ssh2;
  export type {
    Attributes,
    Authentication,
    Channel,
    Connection,
    NamedFile,
    ParsedKey,
    Session,
    Sftp,
    SftpEvents,
    WindowSize,
  };
}
