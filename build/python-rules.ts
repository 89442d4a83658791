import { flaggedPaths, runningParts } from '../packages/sdk/src/workspace/compare/flags.ts';
import { unseen } from '../packages/sdk/src/workspace/compare/safe-name.ts';
import {
  exampleNames,
  gitConfig,
  gitSecrets,
  keyBegins,
  secretContents,
  secretFolders,
  secretNames,
} from '../packages/sdk/src/workspace/host/secrets.ts';

/** Generates the module with the tables of workspaces for Python: both libraries leave out and flag the same. */
export const rulesModule =
  (): string => `"""What a workspace leaves out and flags, written by build/write-field-documents.ts from the library's tables."""

# ruff: noqa: E501
# fmt: off

from __future__ import annotations

import re
from typing import Dict, List, Pattern, Tuple

#: Folders whose contents are secrets as a whole.
secret_folders: Dict[str, str] = {
${Object.entries(secretFolders)
  .map(([name, reason]) => `    ${JSON.stringify(name)}: ${JSON.stringify(reason)},`)
  .join('\n')}
}

#: Names of files that hold secrets.
secret_names: List[Tuple[Pattern[str], str]] = [
${secretNames.map(([pattern, reason]) => `    (${compiled(pattern)}, ${JSON.stringify(reason)}),`).join('\n')}
]

#: Files that show which variables there are, without their values.
example_names = ${compiled(exampleNames)}

#: Names of files whose content decides, and what makes it a secret.
secret_contents: List[Tuple[Pattern[str], Pattern[str], str]] = [
${secretContents
  .map(([name, content, reason]) => `    (${compiled(name)}, ${compiled(content)}, ${JSON.stringify(reason)}),`)
  .join('\n')}
]

#: Git's own configuration may name a password in an address.
git_config = ${compiled(gitConfig)}
git_secrets = ${compiled(gitSecrets)}

#: How a private key begins.
key_begins = ${compiled(keyBegins)}

#: Characters that some file systems do not see in a name.
unseen = ${compiled(unseen)}

#: Changes that need consent, by their paths.
flagged_paths: List[Tuple[Pattern[str], str]] = [
${flaggedPaths.map(([pattern, reason]) => `    (${compiled(pattern)}, ${JSON.stringify(reason)}),`).join('\n')}
]

#: Parts of a package.json that npm or a program of the project runs.
running_parts: List[str] = ${JSON.stringify(runningParts)}
`;

function compiled({ source, flags }: RegExp): string {
  const text = source.includes('"') ? `r'${source}'` : `r"${source}"`;
  return `re.compile(${text}${flags.includes('i') ? ', re.I' : ''})`;
}
