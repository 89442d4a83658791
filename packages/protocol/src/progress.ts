/** Progress of a long step. The engine emits these events; a terminal or a stream of events shows them. */
export interface ProgressEvent {
  /** Stable name of the step, such as `rootfs`. */
  readonly step: string;
  /** Description of the step for people. */
  readonly label: string;
  /** `note` is not a step but a remark that is no error. */
  readonly state: 'start' | 'update' | 'done' | 'failed' | 'note';
  /** Between 0 and 1, if known. */
  readonly fraction?: number;
  /** The newest detail, such as the package being unpacked. */
  readonly detail?: string;
  readonly elapsedMs: number;
}

export type ProgressSink = (event: ProgressEvent) => void;
