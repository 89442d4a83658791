import * as z from 'zod';
import { manifestSchema } from '../memory/manifest.ts';

/*
 * The file that a snapshot is saved as, before its compression with zstd (docs/snapshots.md):
 *
 *   magic, 16 bytes; length of the header, u32; header, JSON
 *   pieces: number of the part, u32; offset, u64; length, u32; that many bytes
 *   the end: a piece of the part 0xffffffff with length 0
 *
 * Numbers are little-endian. Pieces of a part come in ascending order; what lies between them is zero.
 */

export const magic = Buffer.from('NOVASNAPSHOT 1\n\n', 'latin1');
export const maxHeaderBytes = 1 << 20;
export const pieceHeadBytes = 16;
export const maxPieceBytes = 1 << 20;
export const endOfParts = 0xffff_ffff;

/** The largest file that a guest can have, bytes: 16 TiB. */
const largestFile = 2 ** 44;

/** Where a part belongs. */
const placeSchema = z.enum(['snapshot', 'golden', 'root']);

export const partSchema = z.strictObject({
  place: placeSchema,
  name: z.enum(['ram', 'pages', 'state', 'channels', 'disk.raw', 'rootfs.ext4', 'manifest.json']),
  sizeBytes: z.int().min(0).max(largestFile),
  /** Bytes of its pieces. */
  dataBytes: z.int().min(0).max(largestFile),
});
export type Part = z.infer<typeof partSchema>;

export const headerSchema = z.strictObject({
  version: z.literal(1),
  manifest: manifestSchema,
  parts: z.array(partSchema).max(16),
});
export type Header = z.infer<typeof headerSchema>;
