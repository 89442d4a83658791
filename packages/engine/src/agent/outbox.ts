import type { Duplex } from 'node:stream';

/** What has something to send. Each call gives the next frame, undefined when there is none for now. */
export interface Sender {
  /** Frames that must not wait for data: requests, credit, messages, cancellations. */
  nextUrgent(): Buffer | undefined;
  nextData(): Buffer | undefined;
}

/**
 * Feeds a Duplex no faster than it drains: frames stay with their senders, unencoded where they can, until there is room. So what
 * is buffered is the Duplex's own high-water mark and one frame, however long the guest does not read. Data goes out a frame in turn.
 */
export class Outbox {
  readonly #duplex: Duplex;
  readonly #urgent = new Set<Sender>();
  readonly #data = new Set<Sender>();
  #blocked = false;
  #corked = false;
  #closed = false;
  #onEmpty: (() => void) | null = null;

  constructor(duplex: Duplex) {
    this.#duplex = duplex;
    duplex.on('drain', this.#onDrain);
  }

  /** Whether the next frame would have to wait. */
  get blocked(): boolean {
    return this.#blocked || this.#closed;
  }

  offerUrgent(sender: Sender): void {
    this.#urgent.add(sender);
    this.#pump();
  }

  offerData(sender: Sender): void {
    this.#data.add(sender);
    this.#pump();
  }

  /** Nothing more of the sender goes out. */
  withdraw(sender: Sender): void {
    this.#urgent.delete(sender);
    this.#data.delete(sender);
  }

  /** Calls back once nothing waits here; at once when that is so already. What the Duplex still buffers is its own. */
  whenEmpty(callback: () => void): void {
    this.#onEmpty = callback;
    this.#checkEmpty();
  }

  /** Writes nothing any more and forgets the senders. */
  close(): void {
    this.#closed = true;
    this.#urgent.clear();
    this.#data.clear();
    this.#duplex.off('drain', this.#onDrain);
  }

  #pump(): void {
    while (!this.blocked) {
      const frame = this.#next();
      if (frame === undefined) break;
      this.#write(frame);
    }
    this.#checkEmpty();
  }

  #next(): Buffer | undefined {
    for (const sender of this.#urgent) {
      const frame = sender.nextUrgent();
      if (frame !== undefined) return frame;
      this.#urgent.delete(sender);
    }
    for (const sender of this.#data) {
      this.#data.delete(sender);
      const frame = sender.nextData();
      if (frame === undefined) continue;
      // Back to the end of the queue: the others have their turn first.
      this.#data.add(sender);
      return frame;
    }
    return undefined;
  }

  /** What one turn of the event loop sends leaves in one write. */
  #write(frame: Buffer): void {
    if (!this.#corked) {
      this.#corked = true;
      this.#duplex.cork();
      process.nextTick(this.#uncork);
    }
    this.#blocked = !this.#duplex.write(frame);
  }

  readonly #uncork = (): void => {
    this.#corked = false;
    this.#duplex.uncork();
  };

  readonly #onDrain = (): void => {
    this.#blocked = false;
    this.#pump();
  };

  #checkEmpty(): void {
    if (this.#onEmpty === null || this.#urgent.size > 0 || this.#data.size > 0) return;
    const callback = this.#onEmpty;
    this.#onEmpty = null;
    callback();
  }
}
