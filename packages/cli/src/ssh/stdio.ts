import { Duplex } from 'node:stream';

/** Our stdin and stdout as one stream. Where the stream is destroyed they stay as they are. */
export function stdio(): Duplex {
  const { stdin, stdout } = process;
  const stream = new Duplex({
    read: () => void stdin.resume(),
    write: (bytes: Buffer, _encoding, done) => void stdout.write(bytes, done),
  });
  stdin.on('data', (bytes: Buffer) => {
    if (!stream.push(bytes)) stdin.pause();
  });
  const end = (): void => void stream.push(null);
  stdin.once('end', end).once('error', end);
  return stream;
}
