export interface ElfNote {
  readonly owner: string;
  readonly type: number;
}

export interface Elf {
  readonly machine: number;
  /** Notes in its program headers. */
  readonly notes: readonly ElfNote[];
  /** Content of a section, or null where there is none of that name. */
  section(name: string): Buffer | null;
}

/** Reads the parts of a 64-bit little-endian ELF file that matter for kernels and modules. Null for any other file. */
export function readElf(file: Buffer): Elf | null {
  if (file.length < 64 || file.toString('latin1', 0, 6) !== '\x7fELF\x02\x01') return null;
  try {
    return { machine: file.readUInt16LE(18), notes: readNotes(file), section: (name) => findSection(file, name) };
  } catch (error) {
    if (error instanceof RangeError) return null; // headers that point outside the file
    throw error;
  }
}

function readNotes(file: Buffer): ElfNote[] {
  const notes: ElfNote[] = [];
  const [start, size, count] = [offsetAt(file, 32), file.readUInt16LE(54), file.readUInt16LE(56)];
  for (let index = 0; index < count; index++) {
    const header = start + index * size;
    if (file.readUInt32LE(header) !== 4) continue; // PT_NOTE
    const end = offsetAt(file, header + 8) + offsetAt(file, header + 32);
    for (let at = offsetAt(file, header + 8); at + 12 <= end;) {
      const [nameSize, contentSize, type] = [
        file.readUInt32LE(at),
        file.readUInt32LE(at + 4),
        file.readUInt32LE(at + 8),
      ];
      notes.push({ owner: file.toString('latin1', at + 12, at + 12 + Math.max(0, nameSize - 1)), type });
      at += 12 + aligned(nameSize) + aligned(contentSize);
    }
  }
  return notes;
}

function findSection(file: Buffer, wanted: string): Buffer | null {
  const [start, size, count] = [offsetAt(file, 40), file.readUInt16LE(58), file.readUInt16LE(60)];
  const content = (index: number): Buffer => {
    const offset = offsetAt(file, start + index * size + 24);
    return file.subarray(offset, offset + offsetAt(file, start + index * size + 32));
  };
  const names = content(file.readUInt16LE(62));
  for (let index = 0; index < count; index++) {
    const from = file.readUInt32LE(start + index * size);
    if (names.toString('latin1', from, names.indexOf(0, from)) === wanted) return content(index);
  }
  return null;
}

const offsetAt = (file: Buffer, at: number): number => Number(file.readBigUInt64LE(at));
const aligned = (size: number): number => (size + 3) & ~3;
