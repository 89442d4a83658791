import type { FileService } from '@novasandbox/engine/services';
import { entryOfWire } from '@novasandbox/protocol/api';
import { listRemoteManifest } from '#manifest';
import type { HttpClient } from './http.ts';
import { notOverDaemon } from './remote-error.ts';
import { readRemoteFile, streamOf } from './read-file.ts';
import type { OpenSocket } from './socket.ts';
import { openRemoteTunnel } from './tunnel.ts';
import { openRemoteWatch } from './watch.ts';

/** Formats the mode in octal, as the contract requires. */
const permissionsOf = (mode: number | undefined): { permissions?: string } =>
  mode === undefined ? {} : { permissions: mode.toString(8).padStart(4, '0') };
const userOf = (user: string | undefined): { user?: string } => (user === undefined ? {} : { user });

/** Files over the daemon: contents stream through requests and responses at the pace of the slower side. */
export function createRemoteFiles(http: HttpClient, openSocket: OpenSocket): FileService {
  return {
    read: (ref, path, range, context) => readRemoteFile(http, ref, path, range ?? {}, context?.signal),
    async write(ref, path, source, how = {}, context) {
      const { mode, user, append = false, exclusive = false, offset } = how;
      const query = { path, user, append, exclusive, offset, ...permissionsOf(mode) };
      const options = { query, bytes: source, signal: context?.signal };
      return entryOfWire(await http.call('writeFile', { id: ref }, options));
    },
    async stat(ref, path, user, context) {
      const options = { query: { path, user }, signal: context?.signal };
      return entryOfWire(await http.call('statFile', { id: ref }, options));
    },
    async list(ref, path, how = {}, context) {
      if (how.xattrs === true) throw notOverDaemon('Listing extended attributes');
      const query = { path, user: how.user, depth: how.depth };
      const { entries } = await http.call('listFiles', { id: ref }, { query, signal: context?.signal });
      return entries.map(entryOfWire);
    },
    async makeDirectory(ref, path, how = {}, context) {
      const body = { path, ...permissionsOf(how.mode), ...userOf(how.user) };
      return (await http.call('makeDirectory', { id: ref }, { body, signal: context?.signal })).created;
    },
    async move(ref, source, destination, user, context) {
      const body = { source, destination, ...userOf(user) };
      return entryOfWire(await http.call('moveFile', { id: ref }, { body, signal: context?.signal }));
    },
    async remove(ref, path, user, context) {
      const options = { query: { path, user }, signal: context?.signal };
      return (await http.call('removeFile', { id: ref }, options)).existed;
    },
    async setAttributes(ref, path, attributes, context) {
      const { mode, owner, user, xattrs } = attributes;
      if (xattrs !== undefined) throw notOverDaemon('Setting extended attributes');
      const body = { path, ...permissionsOf(mode), ...(owner === undefined ? {} : { owner }), ...userOf(user) };
      return entryOfWire(await http.call('setFileAttributes', { id: ref }, { body, signal: context?.signal }));
    },
    watch: (ref, path, how, context) => openRemoteWatch(openSocket, ref, path, how ?? {}, context?.signal),
    tarIn: (ref, path, source, user, context) =>
      http.call('uploadArchive', { id: ref }, { query: { path, user }, bytes: source, signal: context?.signal }),
    async tarOut(ref, path, user, context) {
      const signal = context?.signal;
      return streamOf(await http.stream('downloadArchive', { id: ref }, { query: { path, user }, signal }), signal);
    },
    manifest: (ref, path, request, context) => listRemoteManifest(http, ref, path, request ?? {}, context?.signal),
    tunnel: (ref, port, context) => openRemoteTunnel(openSocket, ref, port, context?.signal),
  };
}
