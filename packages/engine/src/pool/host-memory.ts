import { readFileSync } from 'node:fs';
import { freemem, totalmem } from 'node:os';

const mebibyte = 1024 * 1024;
/**
 * Share of the host's memory that has to stay available when a clone is made, even if its guest uses all of its own.
 */
const spare = 0.15;
/** Below this share the pool gives its memory back. */
const pressed = 0.08;

export interface HostMemory {
  readonly availableMb: number;
  readonly totalMb: number;
}

export function hostMemory(): HostMemory {
  const totalMb = totalmem() / mebibyte;
  let text = '';
  try {
    text = readFileSync('/proc/meminfo', 'utf8');
  } catch {
    // Systems other than Linux do not have it.
  }
  const available = /^MemAvailable:\s+(\d+) kB/m.exec(text)?.[1];
  return { availableMb: available === undefined ? freemem() / mebibyte : Number(available) / 1024, totalMb };
}

export const hasRoomFor = (memoryMb: number, { availableMb, totalMb }: HostMemory): boolean =>
  availableMb - memoryMb > spare * totalMb;

export const isPressed = ({ availableMb, totalMb }: HostMemory): boolean => availableMb < pressed * totalMb;
