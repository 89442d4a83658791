import { hostKeyAlias, type SshFiles } from './keys.ts';
import { defaultUserName } from './user-name.ts';

/** The domain in which SSH clients know sandboxes: the sandbox `box` is the host `box.nova`. */
const sshDomain = '.nova';

/** The host of a sandbox for SSH clients. */
export const hostOf = (ref: string): string => `${ref}${sshDomain}`;

/** The sandbox that a client's host names; the domain may be left out. */
export const refOf = (host: string): string => (host.endsWith(sshDomain) ? host.slice(0, -sshDomain.length) : host);

/** The options with which OpenSSH's client reaches a sandbox, by their names in ssh_config. */
export function clientOptions(
  { userKey, knownHosts }: SshFiles,
  proxy: readonly string[],
): readonly (readonly [name: string, value: string])[] {
  return [
    ['User', defaultUserName],
    // %n is the host as it was typed: ssh turns %h to lower case, and names of sandboxes may have capitals.
    ['ProxyCommand', [...proxy.map(forShell), '%n'].join(' ')],
    ['HostKeyAlias', hostKeyAlias],
    ['UserKnownHostsFile', quoted(knownHosts)],
    ['GlobalKnownHostsFile', '/dev/null'],
    ['StrictHostKeyChecking', 'yes'],
    ['UpdateHostKeys', 'no'],
    ['IdentityFile', quoted(userKey)],
    ['IdentitiesOnly', 'yes'],
    ['IdentityAgent', 'none'],
    ['PreferredAuthentications', 'publickey'],
    ['ForwardAgent', 'no'],
    ['ForwardX11', 'no'],
  ];
}

/** Quotes a word for the user's shell, which runs the ProxyCommand; `%` begins a token of ssh. */
const forShell = (word: string): string => `'${word.replaceAll("'", `'\\''`).replaceAll('%', '%%')}'`;
const quoted = (path: string): string => `"${path.replaceAll('%', '%%')}"`;
