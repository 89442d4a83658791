/** ELF files that hold only what the tests need. */

/** A kernel with or without a PVH entry. */
export function elfKernel(
  options: { readonly machine?: number; readonly pvh?: boolean; readonly release?: string } = {},
): Buffer {
  const { machine = 62, pvh = true, release = '6.1.0-test' } = options;
  const note = Buffer.alloc(12 + 4 + 8);
  note.writeUInt32LE(4, 0);
  note.writeUInt32LE(8, 4);
  note.writeUInt32LE(pvh ? 18 : 6, 8);
  note.write('Xen\0', 12, 'latin1');
  const header = elfHeader(machine);
  header.writeBigUInt64LE(64n, 32); // program headers
  header.writeUInt16LE(56, 54);
  header.writeUInt16LE(1, 56);
  const program = Buffer.alloc(56);
  program.writeUInt32LE(4, 0); // PT_NOTE
  program.writeBigUInt64LE(120n, 8);
  program.writeBigUInt64LE(BigInt(note.length), 32);
  return Buffer.concat([
    header,
    program,
    note,
    Buffer.from(`Linux version %s\0Linux version ${release} (builder@host) #1\0`),
  ]);
}

/** A kernel module that depends on others. */
export function elfModule(depends: readonly string[]): Buffer {
  const information = Buffer.from(`license=GPL\0depends=${depends.join(',')}\0retpoline=Y\0`);
  const names = Buffer.from('\0.modinfo\0.shstrtab\0');
  const header = elfHeader(62);
  const sections = 64 + information.length + names.length;
  header.writeBigUInt64LE(BigInt(sections), 40);
  header.writeUInt16LE(64, 58);
  header.writeUInt16LE(3, 60);
  header.writeUInt16LE(2, 62);
  const section = (name: number, offset: number, size: number): Buffer => {
    const content = Buffer.alloc(64);
    content.writeUInt32LE(name, 0);
    content.writeBigUInt64LE(BigInt(offset), 24);
    content.writeBigUInt64LE(BigInt(size), 32);
    return content;
  };
  return Buffer.concat([
    header,
    information,
    names,
    section(0, 0, 0),
    section(1, 64, information.length),
    section(10, 64 + information.length, names.length),
  ]);
}

/** A bzImage of boot protocol 2.15 around a compressed kernel. */
export function bzImage(compressed: Buffer, appendSize: number | null): Buffer {
  const size = Buffer.alloc(appendSize === null ? 0 : 4);
  if (appendSize !== null) size.writeUInt32LE(appendSize);
  const payload = Buffer.concat([compressed, size]);
  const sectors = 3;
  const offset = 100;
  const head = Buffer.alloc((sectors + 1) * 512 + offset);
  head.writeUInt8(sectors, 0x1f1);
  head.write('HdrS', 0x202, 'latin1');
  head.writeUInt16LE(0x20f, 0x206);
  head.writeUInt32LE(offset, 0x248);
  head.writeUInt32LE(payload.length, 0x24c);
  return Buffer.concat([head, payload, Buffer.from('what follows the payload')]);
}

function elfHeader(machine: number): Buffer {
  const header = Buffer.alloc(64);
  header.write('\x7fELF\x02\x01\x01', 0, 'latin1');
  header.writeUInt16LE(machine, 18);
  return header;
}
