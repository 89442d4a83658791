/** Sandboxes and what belongs to them. */
export { Sandbox, Snapshot, type CreateOptions, type ForkOptions } from './sandbox.ts';
export type { CallOptions } from './sandbox-life.ts';
export type { Forked } from './snapshots/fork.ts';
export type { RaceBranch, RaceOptions, RaceResult } from './snapshots/race.ts';
export { SandboxConfig } from './sandbox-config.ts';
export type { ConnectionOptions } from './connection.ts';
export type { DaemonAddress } from './remote/address.ts';

export { Commands, type ConnectOptions, type OutputOptions, type RunOptions } from './commands/commands.ts';
export type { OutputSoFar } from './commands/output-so-far.ts';
export { CommandHandle, type CommandOutput, type OutputCallback } from './commands/command-handle.ts';
export { CommandError } from './commands/command-error.ts';
export type { CommandResult } from './commands/command-result.ts';
export type { StdinSource } from './commands/stdin.ts';

export { Files } from './files/files.ts';
export type { FileOptions, FileStream, FileWatch, ReadOptions, WriteOptions } from './files/files.ts';
export type { FileContent } from './files/file-content.ts';
export { extractTar, type ExtractLimits, type ExtractResult } from './tar/extract.ts';
export { hostFileError } from './tar/host-file-error.ts';
export { packDirectory, type OnSkipped } from './tar/pack-directory.ts';
export { SkippedFiles } from './tar/skipped-files.ts';

export type {
  ApplyOptions,
  ApplyResult,
  DiffOptions,
  LeftOut,
  PathReason,
  PushOptions,
  PushResult,
  WorkspaceCallOptions,
  WorkspaceChange,
  WorkspaceDiff,
  WorkspaceHunk,
  WorkspaceInfo,
  WorkspaceState,
} from './workspace/types.ts';
export type { Workspace } from '#workspace';

export { Ports } from './ports/ports.ts';
export type { CreatedPortUrl, NewPortForward, NewPortUrl, PortForward, PortService, PortUrl } from './remote/ports.ts';
export { Pty, type PtyCreateOptions } from './pty/pty.ts';
export { PtyHandle, type PtyCallback } from './pty/pty-handle.ts';
export type { PtySize } from './pty/pty-size.ts';

export { NovaError, isNovaError, loginShell as interactiveShell, type ErrorCode } from '@novasandbox/protocol';
export type {
  Change,
  ContinuedConfigInput,
  Entry,
  EventKind,
  EventType,
  Exit,
  ExtraDrive,
  HypervisorName,
  ProcessInfo,
  ProgressEvent,
  ProgressSink,
  SandboxConfigInput,
  SandboxEvent,
  SandboxInfo,
  SandboxState,
  SandboxStats,
  Signal,
  SnapshotCheck,
  SnapshotInfo,
  SnapshotKind,
  SnapshotStatistics,
  TakeSnapshotInput,
  VolumeMount,
} from '@novasandbox/protocol';
export type { EventFilter, SandboxFilter, SandboxLogs, SnapshotFilter } from '@novasandbox/engine/services';
