import type { Writable } from 'node:stream';
import type { CallContext } from '@novasandbox/engine/services';
import { isNovaError, type SnapshotCheck, type SnapshotInfo, type SnapshotStatistics } from '@novasandbox/protocol';
import { withEngine, type ConnectionOptions } from '../connection.ts';
import { writeTo } from './host-file.ts';

/** The part of a snapshot's handle that needs no sandbox. */
export abstract class SnapshotRecord {
  /** All about the snapshot, as of when the handle was made. */
  readonly info: SnapshotInfo;
  /** @internal */
  protected readonly connection: ConnectionOptions;

  /** @internal */
  constructor(info: SnapshotInfo, connection: ConnectionOptions) {
    this.info = info;
    this.connection = connection;
  }

  /** Adds up all snapshots that the caller may see. */
  static statistics(options: ConnectionOptions = {}): Promise<SnapshotStatistics> {
    return withEngine(options, ({ snapshots }) => snapshots.statistics());
  }

  /** Removes the snapshots that are older than `ageMs`; resolves to those that it has removed. */
  static removeOlder(ageMs: number, options: ConnectionOptions = {}): Promise<SnapshotInfo[]> {
    return withEngine(options, ({ snapshots }) => snapshots.removeOlder(ageMs));
  }

  get id(): string {
    return this.info.id;
  }

  get name(): string | null {
    return this.info.name;
  }

  /** Reads all files of the snapshot and compares them with the checksums of when it was taken. */
  verify(options: CallContext = {}): Promise<SnapshotCheck> {
    return withEngine(this.connection, ({ snapshots }) => snapshots.verify(this.id, options));
  }

  /** Removes the snapshot; sandboxes that were made from it stay. False when it was already gone. */
  remove(): Promise<boolean> {
    return withEngine(this.connection, async ({ snapshots }) => {
      try {
        await snapshots.remove(this.id);
        return true;
      } catch (error) {
        if (isNovaError(error, 'snapshot_not_found')) return false;
        throw error;
      }
    });
  }

  /**
   * Writes the snapshot as one file, for `Snapshot.load` here or on another host. It holds the guest's memory with all
   * secrets in it, so the file is readable for its owner alone. A stream is written to and left open.
   */
  save(target: string | Writable, { signal }: CallContext = {}): Promise<void> {
    return withEngine(this.connection, async ({ snapshots }) => {
      await using content = await snapshots.save(this.id, { signal });
      await writeTo(target, content, signal);
    });
  }
}
