/**
 * Recognises files that hold secrets by their names, and a few by their contents. A push leaves them out unless they
 * are asked for: what runs in the guest could send them anywhere.
 */

/** Folders whose contents are secrets as a whole. */
export const secretFolders: Readonly<Record<string, string>> = {
  '.ssh': 'keys of SSH',
  '.gnupg': 'keys of GnuPG',
  '.aws': 'credentials of AWS',
  '.azure': 'credentials of Azure',
  '.kube': 'credentials of Kubernetes',
  '.docker': 'credentials of registries',
  '.password-store': 'passwords',
};

export const secretNames: readonly (readonly [RegExp, string])[] = [
  [/^\.env(\..+)?$|^.+\.env$/i, 'environment variables, which hold secrets'],
  [/^\.envrc(\..+)?$/i, 'environment variables, which hold secrets'],
  [/^id_(rsa|dsa|ecdsa|ed25519)(_sk)?$|\.ppk$/i, 'a private key'],
  [/\.(p12|pfx|jks|keystore|kdbx|agekey)$/i, 'a key store'],
  [/^\.?_?netrc$/i, 'passwords'],
  [
    /^\.(pgpass|my\.cnf|mylogin\.cnf|htpasswd|git-credentials|pypirc|dockercfg|boto|s3cfg|vault-token|terraformrc)$/i,
    'credentials',
  ],
  [/^credentials(\.(json|toml|ya?ml|ini|csv|xml|db))?$/i, 'credentials'],
  [/^client_secrets?.*\.json$|^service[-_]?account.*\.json$|^application_default_credentials\.json$/i, 'credentials'],
  [/^secrets?\.(json|toml|ya?ml|ini|env|txt)$/i, 'secrets'],
  [/\.tfstate(\.backup)?$|\.tfvars(\.json)?$/i, 'values of Terraform, which hold secrets'],
  [/^auth\.json$/i, 'credentials'],
];

/** Files that show which variables there are, without their values. */
export const exampleNames = /^\.env\.(example|sample|template|dist|defaults?)$|^(example|sample|template)\.env$/i;

/** Files whose content decides, with what makes it a secret. */
export const secretContents: readonly (readonly [RegExp, RegExp, string])[] = [
  [/^\.npmrc$/i, /_auth|_password|authToken/i, 'a token of npm'],
  [/^\.yarnrc(\.yml)?$/i, /npmAuth|_auth/i, 'a token of npm'],
  [/^pip\.conf$|^\.condarc$/i, /:\/\/[^/\s]*@/, 'a password'],
  [/^\.gitconfig$/i, /:\/\/[^/\s]*@|extraheader|password/i, 'a password'],
  [/\.(pem|key|crt|cer|asc)$/i, /PRIVATE KEY/, 'a private key'],
  [/\.json$/i, /"private_key"\s*:\s*"-----BEGIN/, 'a private key'],
];

/** Git's own configuration may name a password in an address. */
export const gitConfig = /(^|\/)\.git(\/modules\/.+)?\/config(\.worktree)?$/;
export const gitSecrets = /:\/\/[^/\s]*@|extraheader/i;

/** A private key in any file is recognised by how it begins. */
export const keyBegins = /^\s*-----BEGIN [A-Z ]*PRIVATE KEY( BLOCK)?-----/;

/** As much of a file's beginning as is looked at. */
export const secretHeadBytes = 65_536;

/** Why a folder is left out with all that is in it; null where it is not. */
export function secretFolder(name: string): string | null {
  return Object.hasOwn(secretFolders, name) ? (secretFolders[name] ?? null) : null;
}

/** Why a file is left out; null where its name tells nothing. */
export function secretName(name: string): string | null {
  if (exampleNames.test(name)) return null;
  return secretNames.find(([pattern]) => pattern.test(name))?.[1] ?? null;
}

/** Whether a file has to be read before it is known whether it holds a secret. */
export const mayHoldSecret = (path: string): boolean =>
  gitConfig.test(path) || secretContents.some(([pattern]) => pattern.test(nameOf(path)));

/** Why the content of a file is a secret; null where it is none. */
export function secretContent(path: string, head: string): string | null {
  if (gitConfig.test(path) && gitSecrets.test(head)) return 'a password of git';
  const name = nameOf(path);
  const found = secretContents.find(([pattern, content]) => pattern.test(name) && content.test(head));
  return found?.[2] ?? (keyBegins.test(head) ? 'a private key' : null);
}

const nameOf = (path: string): string => path.slice(path.lastIndexOf('/') + 1);
