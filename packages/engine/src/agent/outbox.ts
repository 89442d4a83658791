import type { Duplex } from 'node:stream';

/** Something that has frames to send. Each call gives the next frame, or undefined when there is none for now. */
export interface Sender {
  /** Gives frames that must not wait for data: requests, credit, messages, cancellations. */
  nextUrgent(): Buffer | undefined;
  nextData(): Buffer | undefined;
}

/**
 * Feeds a Duplex no faster than it drains. Frames stay with their senders, where possible not yet encoded, until
 * there is room. However long the guest does not read, only the high-water mark of the Duplex and one frame are
 * buffered. Senders of data take turns, a frame at a time.
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

  /** Removes the sender, whose remaining frames are not sent. */
  withdraw(sender: Sender): void {
    this.#urgent.delete(sender);
    this.#data.delete(sender);
  }

  /** Calls back once nothing waits here, or at once when that is so already. The Duplex may still buffer bytes. */
  whenEmpty(callback: () => void): void {
    this.#onEmpty = callback;
    this.#checkEmpty();
  }

  /** Stops writing and forgets the senders. */
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
      // The sender goes to the end of the queue, so that the others have their turn first.
      this.#data.add(sender);
      return frame;
    }
    return undefined;
  }

  /** All frames of one turn of the event loop leave in one write. */
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
