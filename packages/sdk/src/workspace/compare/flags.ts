import type { WorkspaceState } from '../types.ts';
import { hasUnseen } from './safe-name.ts';
import { secretFolder, secretName } from '../host/secrets.ts';

/**
 * Changes that need consent: what the host, its tools or its services may run by themselves, or what decides what
 * leaves the host. The list cannot be whole: any source file is run sooner or later.
 */
export const flaggedPaths: readonly (readonly [RegExp, string])[] = [
  [/(^|\/)\.(github|gitea|forgejo)\/(workflows|actions)\//, 'runs in CI'],
  [
    /(^|\/)(\.gitlab-ci[^/]*|\.travis|appveyor|\.appveyor|azure-pipelines|bitbucket-pipelines|\.drone|cloudbuild)\.ya?ml$/,
    'runs in CI',
  ],
  [
    /(^|\/)(\.circleci|\.buildkite|\.woodpecker|\.gitlab\/ci|\.teamcity)\/|(^|\/)(Jenkinsfile|\.woodpecker\.ya?ml)$/,
    'runs in CI',
  ],
  [
    /(^|\/)(\.husky|\.githooks)\/|^hooks\/|(^|\/)(\.pre-commit-config\.ya?ml|\.?lefthook(-local)?\.(ya?ml|toml|json))$/,
    'is or sets hooks of git',
  ],
  [/(^|\/)\.(gitattributes|gitmodules|lfsconfig|mailmap)$/, 'changes what git does'],
  [/(^|\/)\.(gitignore|novaignore)$/, 'decides what a push sends'],
  [/(^|\/)\.(vscode|idea|zed|fleet|vs|nova)\/|\.(code-workspace|sublime-project)$/, 'is run or read by an editor'],
  [/(^|\/)\.?(exrc|vimrc|nvimrc|nvim\.lua|dir-locals\.el|editorconfig)$/, 'is run or read by an editor'],
  [
    /(^|\/)\.devcontainer(\/|\.json$)|(^|\/)(Dockerfile|Containerfile)([.-][^/]*)?$|(^|\/)(docker-)?compose[^/]*\.ya?ml$/,
    'builds or starts containers',
  ],
  [
    /(^|\/)\.(claude|cursor|codex|gemini|aider[^/]*|continue|windsurf)(\/|$)|(^|\/)\.(mcp\.json|cursorrules|windsurfrules)$/,
    'directs agents on this host',
  ],
  [/(^|\/)(AGENTS|CLAUDE|GEMINI)(\.local)?\.md$|(^|\/)copilot-instructions\.md$/, 'directs agents on this host'],
  [
    /(^|\/)\.(bashrc|bash_profile|bash_login|bash_logout|profile|zshrc|zshenv|zprofile|zlogin|inputrc|tmux\.conf)$/,
    'is run by a shell',
  ],
  [
    /(^|\/)(\.envrc|\.direnv\/.*|\.tool-versions|\.?mise(\.[^/]*)?\.toml|\.autoenv|\.env\.fish)$/,
    'is run on entering the folder',
  ],
  [
    /(^|\/)(GNU)?[Mm]akefile([.-][^/]*)?$|\.mk$|(^|\/)\.?[Jj]ustfile$|(^|\/)Taskfile[^/]*\.ya?ml$/,
    'is run by make or the like',
  ],
  [
    /(^|\/)(Rakefile|gulpfile\.[^/]+|Gruntfile\.[^/]+|build\.rs|setup\.py|setup\.cfg|conftest\.py|noxfile\.py|tox\.ini)$/,
    'is run by a build or its tests',
  ],
  [
    /(^|\/)(build|settings)\.gradle(\.kts)?$|(^|\/)(gradlew|mvnw)(\.(bat|cmd))?$|(^|\/)(\.mvn|gradle\/wrapper)\//,
    'is run by a build',
  ],
  [
    /(^|\/)(\.npmrc|\.yarnrc(\.yml)?|\.pnpmfile\.c?js|pnpm-workspace\.yaml|bunfig\.toml|\.cargo\/.*|pip\.conf|\.condarc)$/,
    'changes where packages come from',
  ],
  [/\.(sh|bash|zsh|fish|ksh|csh|ps1|bat|cmd|command|desktop|service)$/i, 'is a script'],
];

/** Why a change needs consent; empty where it needs none. The content is that of a file which can be read as text. */
export function flagsOf(
  path: string,
  before: WorkspaceState | null,
  after: WorkspaceState | null,
  texts: { readonly before: string | null; readonly after: string | null },
): string[] {
  const found = new Set<string>();
  for (const [pattern, reason] of flaggedPaths) if (pattern.test(path)) found.add(reason);
  const name = path.slice(path.lastIndexOf('/') + 1);
  const parents = path.split('/').slice(0, -1);
  if (secretName(name) !== null || parents.some((part) => secretFolder(part) !== null)) found.add('may hold secrets');
  if (hasUnseen(path)) found.add('its name has characters that are not seen');
  if (name === 'package.json' && changesScripts(texts.before, texts.after)) found.add('changes scripts of npm');
  if (after?.type === 'file' && (after.mode & 0o111) !== 0) {
    found.add(before?.type === 'file' && (before.mode & 0o111) !== 0 ? 'is a program' : 'becomes a program');
  }
  return [...found];
}

/** Parts of a package.json that npm or a program of the project runs. */
export const runningParts = [
  'scripts',
  'bin',
  'gypfile',
  'husky',
  'lint-staged',
  'pre-commit',
  'simple-git-hooks',
  'packageManager',
];

function changesScripts(before: string | null, after: string | null): boolean {
  const [old, now] = [running(before ?? '{}'), running(after ?? '{}')];
  return old === null || now === null || old !== now;
}

/** Null for what is not JSON. */
function running(text: string): string | null {
  try {
    const value = JSON.parse(text) as unknown;
    if (typeof value !== 'object' || value === null) return null;
    return JSON.stringify(runningParts.map((name) => (value as Readonly<Record<string, unknown>>)[name] ?? null));
  } catch {
    return null;
  }
}
