export { Sandbox, type CreateOptions } from './sandbox.ts';
export { SandboxConfig } from './sandbox-config.ts';
export {
  AppleVzHypervisor,
  CloudHypervisor,
  FirecrackerHypervisor,
  QemuHypervisor,
  type Hypervisor,
} from './hypervisor.ts';
export { TemplateManager } from './template-manager.ts';
export type { ConnectionOptions } from './connection.ts';
export type { DaemonAddress } from './remote/address.ts';

export { Commands, type RunOptions } from './commands/commands.ts';
export { CommandHandle, type CommandOutput, type OutputCallback } from './commands/command-handle.ts';
export { CommandError } from './commands/command-error.ts';
export type { CommandResult } from './commands/command-result.ts';
export type { Signal } from './commands/signals.ts';
export type { StdinSource } from './commands/stdin.ts';

export { Files } from './files/files.ts';
export type { FileOptions, FileStream, FileWatch, ReadOptions, WriteOptions } from './files/files.ts';
export type { FileContent } from './files/file-content.ts';
export { extractTar, type ExtractLimits, type ExtractResult } from './tar/extract.ts';
export { hostFileError } from './tar/host-file-error.ts';
export { extractFile } from './tar/extract-file.ts';
export { packDirectory, packFile, type OnSkipped } from './tar/pack-directory.ts';
export { SkippedFiles } from './tar/skipped-files.ts';

export { Pty, interactiveShell, type PtyCreateOptions } from './pty/pty.ts';
export { PtyHandle, type PtyCallback } from './pty/pty-handle.ts';
export type { PtySize } from './pty/pty-size.ts';

export { NovaError, isNovaError, type ErrorCode } from '@novasandbox/protocol';
export type {
  Change,
  DriverFeatures,
  Entry,
  Exit,
  ExtraDrive,
  HypervisorName,
  ProcessInfo,
  ProgressEvent,
  ProgressSink,
  SandboxConfigInput,
  SandboxInfo,
  SandboxState,
  SandboxStats,
  TemplateInfo,
} from '@novasandbox/protocol';
export type { Engine, HypervisorReport, SandboxFilter } from '@novasandbox/engine/services';
