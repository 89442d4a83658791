/** What a long step tells while it runs. The engine emits them, a terminal or a stream of events shows them. */
export interface ProgressEvent {
  /** Stable name of the step, such as `rootfs`. */
  readonly step: string;
  /** What is being done, for people. */
  readonly label: string;
  readonly state: 'start' | 'update' | 'done' | 'failed';
  /** 0 to 1, where it can be told. */
  readonly fraction?: number;
  /** The newest detail, such as the package being unpacked. */
  readonly detail?: string;
  readonly elapsedMs: number;
}

export type ProgressSink = (event: ProgressEvent) => void;
