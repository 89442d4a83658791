import { isNovaError } from '@novasandbox/protocol';
import ssh2, { type Attributes, type Sftp, type SftpEvents } from 'ssh2';
import type { Guest } from '../guest.ts';
import { attributesOf, namedFileOf } from './attributes.ts';
import * as files from './change-files.ts';
import { createHandles } from './handles.ts';

const { STATUS_CODE: status, OPEN_MODE: open } = ssh2.utils.sftp;
/** The most bytes of one answer. */
const mostBytes = 256 * 1024;
const namesPerAnswer = 128;

/** Serves the file transfer protocol, version 3, over the calls of the sandbox's files, until the client has gone. */
export async function serveSftp(sftp: Sftp, guest: Guest): Promise<void> {
  const handles = createHandles();
  const answer = (request: number, work: Promise<void>): void => {
    work.catch((error: unknown) => {
      if (!guest.gone.aborted) sftp.status(request, codeOf(error), error instanceof Error ? error.message : '');
    });
  };
  /** Answers with OK when the work is done. */
  const done = (request: number, work: Promise<unknown>): void =>
    answer(
      request,
      work.then(() => sftp.status(request, status.OK)),
    );
  const on = <N extends keyof SftpEvents>(name: N, listener: (...args: SftpEvents[N]) => void): void =>
    void sftp.on(name, listener);

  on('OPEN', (request, path, flags, attributes) =>
    answer(
      request,
      files
        .openFile(guest, path, intentOf(flags, attributes))
        .then((file) => sftp.handle(request, handles.addFile(file))),
    ),
  );
  on('READ', (request, handle, offset, length) =>
    answer(
      request,
      handles.withFile(handle, async (file) => {
        const bytes = await file.read(offset, Math.min(length, mostBytes));
        if (bytes === null) sftp.status(request, status.EOF);
        else sftp.data(request, bytes);
      }),
    ),
  );
  on('WRITE', (request, handle, offset, data) => {
    // The buffer belongs to ssh2, which may use it again.
    const bytes = Buffer.from(data);
    done(
      request,
      handles.withFile(handle, (file) => file.write(offset, bytes)),
    );
  });
  on('FSTAT', (request, handle) =>
    answer(
      request,
      handles.withFile(handle, async (file) => {
        await file.flush();
        sftp.attrs(request, attributesOf(await files.follow(guest, file.path)));
      }),
    ),
  );
  on('FSETSTAT', (request, handle, attributes) =>
    done(
      request,
      handles.withFile(handle, async (file) => {
        await file.flush();
        await files.setAttributes(guest, file.path, attributes);
      }),
    ),
  );
  on('CLOSE', (request, handle) => done(request, handles.close(handle)));
  on('OPENDIR', (request, path) =>
    answer(
      request,
      files
        .listDirectory(guest, path)
        .then((entries) => sftp.handle(request, handles.addDirectory(entries.map(namedFileOf)))),
    ),
  );
  on('READDIR', (request, handle) =>
    answer(
      request,
      handles.withDirectory(handle, (names) => {
        const next = names.splice(0, namesPerAnswer);
        if (next.length === 0) sftp.status(request, status.EOF);
        else sftp.name(request, next);
      }),
    ),
  );
  on('LSTAT', (request, path) =>
    answer(
      request,
      files.look(guest, path).then((entry) => sftp.attrs(request, attributesOf(entry))),
    ),
  );
  on('STAT', (request, path) =>
    answer(
      request,
      files.follow(guest, path).then((entry) => sftp.attrs(request, attributesOf(entry))),
    ),
  );
  on('SETSTAT', (request, path, attributes) => done(request, files.setAttributes(guest, path, attributes)));
  on('REMOVE', (request, path) => done(request, files.removeFile(guest, path)));
  on('RMDIR', (request, path) => done(request, files.removeDirectory(guest, path)));
  on('MKDIR', (request, path, attributes) => done(request, files.makeDirectory(guest, path, attributes.mode)));
  on('RENAME', (request, from, to) => done(request, files.rename(guest, from, to)));
  on('SYMLINK', (request, link, target) => done(request, files.makeLink(guest, link, target)));
  on('REALPATH', (request, path) =>
    answer(
      request,
      files
        .wholePath(guest, path)
        .then((filename) => sftp.name(request, [{ filename, longname: filename, attrs: {} }])),
    ),
  );
  on('READLINK', (request, path) =>
    answer(
      request,
      files.readLink(guest, path).then((filename) => sftp.name(request, [{ filename, longname: filename, attrs: {} }])),
    ),
  );
  await new Promise<void>((resolve) => {
    guest.gone.addEventListener('abort', () => resolve(), { once: true });
    if (guest.gone.aborted) resolve();
    sftp.once('end', resolve);
    sftp.once('close', resolve);
  });
  await handles.closeAll();
  // scp takes an end without a status for a failure, and ssh2 has a call for it only on other channels.
  if (!guest.gone.aborted) sftp._protocol.exitStatus(sftp.outgoing.id, 0);
  sftp.end();
}

const intentOf = (flags: number, { mode }: Attributes): files.OpenIntent => ({
  creates: (flags & open.CREAT) !== 0,
  empties: (flags & open.TRUNC) !== 0,
  isExclusive: (flags & open.EXCL) !== 0,
  appends: (flags & open.APPEND) !== 0,
  mode,
});

function codeOf(error: unknown): number {
  if (isNovaError(error, 'file_not_found', 'not_a_directory')) return status.NO_SUCH_FILE;
  if (isNovaError(error, 'permission_denied')) return status.PERMISSION_DENIED;
  return status.FAILURE;
}
