"""What a workspace leaves out and flags, written by build/write-field-documents.ts from the library's tables."""

# ruff: noqa: E501
# fmt: off

from __future__ import annotations

import re
from typing import Dict, List, Pattern, Tuple

#: Folders whose contents are secrets as a whole.
secret_folders: Dict[str, str] = {
    ".ssh": "keys of SSH",
    ".gnupg": "keys of GnuPG",
    ".aws": "credentials of AWS",
    ".azure": "credentials of Azure",
    ".kube": "credentials of Kubernetes",
    ".docker": "credentials of registries",
    ".password-store": "passwords",
}

#: Names of files that hold secrets.
secret_names: List[Tuple[Pattern[str], str]] = [
    (re.compile(r"^\.env(\..+)?$|^.+\.env$", re.I), "environment variables, which hold secrets"),
    (re.compile(r"^\.envrc(\..+)?$", re.I), "environment variables, which hold secrets"),
    (re.compile(r"^id_(rsa|dsa|ecdsa|ed25519)(_sk)?$|\.ppk$", re.I), "a private key"),
    (re.compile(r"\.(p12|pfx|jks|keystore|kdbx|agekey)$", re.I), "a key store"),
    (re.compile(r"^\.?_?netrc$", re.I), "passwords"),
    (re.compile(r"^\.(pgpass|my\.cnf|mylogin\.cnf|htpasswd|git-credentials|pypirc|dockercfg|boto|s3cfg|vault-token|terraformrc)$", re.I), "credentials"),
    (re.compile(r"^credentials(\.(json|toml|ya?ml|ini|csv|xml|db))?$", re.I), "credentials"),
    (re.compile(r"^client_secrets?.*\.json$|^service[-_]?account.*\.json$|^application_default_credentials\.json$", re.I), "credentials"),
    (re.compile(r"^secrets?\.(json|toml|ya?ml|ini|env|txt)$", re.I), "secrets"),
    (re.compile(r"\.tfstate(\.backup)?$|\.tfvars(\.json)?$", re.I), "values of Terraform, which hold secrets"),
    (re.compile(r"^auth\.json$", re.I), "credentials"),
]

#: Files that show which variables there are, without their values.
example_names = re.compile(r"^\.env\.(example|sample|template|dist|defaults?)$|^(example|sample|template)\.env$", re.I)

#: Names of files whose content decides, and what makes it a secret.
secret_contents: List[Tuple[Pattern[str], Pattern[str], str]] = [
    (re.compile(r"^\.npmrc$", re.I), re.compile(r"_auth|_password|authToken", re.I), "a token of npm"),
    (re.compile(r"^\.yarnrc(\.yml)?$", re.I), re.compile(r"npmAuth|_auth", re.I), "a token of npm"),
    (re.compile(r"^pip\.conf$|^\.condarc$", re.I), re.compile(r":\/\/[^/\s]*@"), "a password"),
    (re.compile(r"^\.gitconfig$", re.I), re.compile(r":\/\/[^/\s]*@|extraheader|password", re.I), "a password"),
    (re.compile(r"\.(pem|key|crt|cer|asc)$", re.I), re.compile(r"PRIVATE KEY"), "a private key"),
    (re.compile(r"\.json$", re.I), re.compile(r'"private_key"\s*:\s*"-----BEGIN'), "a private key"),
]

#: Git's own configuration may name a password in an address.
git_config = re.compile(r"(^|\/)\.git(\/modules\/.+)?\/config(\.worktree)?$")
git_secrets = re.compile(r":\/\/[^/\s]*@|extraheader", re.I)

#: How a private key begins.
key_begins = re.compile(r"^\s*-----BEGIN [A-Z ]*PRIVATE KEY( BLOCK)?-----")

#: Characters that some file systems do not see in a name.
unseen = re.compile(r"[\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff\u00ad]")

#: Changes that need consent, by their paths.
flagged_paths: List[Tuple[Pattern[str], str]] = [
    (re.compile(r"(^|\/)\.(github|gitea|forgejo)\/(workflows|actions)\/"), "runs in CI"),
    (re.compile(r"(^|\/)(\.gitlab-ci[^/]*|\.travis|appveyor|\.appveyor|azure-pipelines|bitbucket-pipelines|\.drone|cloudbuild)\.ya?ml$"), "runs in CI"),
    (re.compile(r"(^|\/)(\.circleci|\.buildkite|\.woodpecker|\.gitlab\/ci|\.teamcity)\/|(^|\/)(Jenkinsfile|\.woodpecker\.ya?ml)$"), "runs in CI"),
    (re.compile(r"(^|\/)(\.husky|\.githooks)\/|^hooks\/|(^|\/)(\.pre-commit-config\.ya?ml|\.?lefthook(-local)?\.(ya?ml|toml|json))$"), "is or sets hooks of git"),
    (re.compile(r"(^|\/)\.(gitattributes|gitmodules|lfsconfig|mailmap)$"), "changes what git does"),
    (re.compile(r"(^|\/)\.(gitignore|novaignore)$"), "decides what a push sends"),
    (re.compile(r"(^|\/)\.(vscode|idea|zed|fleet|vs|nova)\/|\.(code-workspace|sublime-project)$"), "is run or read by an editor"),
    (re.compile(r"(^|\/)\.?(exrc|vimrc|nvimrc|nvim\.lua|dir-locals\.el|editorconfig)$"), "is run or read by an editor"),
    (re.compile(r"(^|\/)\.devcontainer(\/|\.json$)|(^|\/)(Dockerfile|Containerfile)([.-][^/]*)?$|(^|\/)(docker-)?compose[^/]*\.ya?ml$"), "builds or starts containers"),
    (re.compile(r"(^|\/)\.(claude|cursor|codex|gemini|aider[^/]*|continue|windsurf)(\/|$)|(^|\/)\.(mcp\.json|cursorrules|windsurfrules)$"), "directs agents on this host"),
    (re.compile(r"(^|\/)(AGENTS|CLAUDE|GEMINI)(\.local)?\.md$|(^|\/)copilot-instructions\.md$"), "directs agents on this host"),
    (re.compile(r"(^|\/)\.(bashrc|bash_profile|bash_login|bash_logout|profile|zshrc|zshenv|zprofile|zlogin|inputrc|tmux\.conf)$"), "is run by a shell"),
    (re.compile(r"(^|\/)(\.envrc|\.direnv\/.*|\.tool-versions|\.?mise(\.[^/]*)?\.toml|\.autoenv|\.env\.fish)$"), "is run on entering the folder"),
    (re.compile(r"(^|\/)(GNU)?[Mm]akefile([.-][^/]*)?$|\.mk$|(^|\/)\.?[Jj]ustfile$|(^|\/)Taskfile[^/]*\.ya?ml$"), "is run by make or the like"),
    (re.compile(r"(^|\/)(Rakefile|gulpfile\.[^/]+|Gruntfile\.[^/]+|build\.rs|setup\.py|setup\.cfg|conftest\.py|noxfile\.py|tox\.ini)$"), "is run by a build or its tests"),
    (re.compile(r"(^|\/)(build|settings)\.gradle(\.kts)?$|(^|\/)(gradlew|mvnw)(\.(bat|cmd))?$|(^|\/)(\.mvn|gradle\/wrapper)\/"), "is run by a build"),
    (re.compile(r"(^|\/)(\.npmrc|\.yarnrc(\.yml)?|\.pnpmfile\.c?js|pnpm-workspace\.yaml|bunfig\.toml|\.cargo\/.*|pip\.conf|\.condarc)$"), "changes where packages come from"),
    (re.compile(r"\.(sh|bash|zsh|fish|ksh|csh|ps1|bat|cmd|command|desktop|service)$", re.I), "is a script"),
]

#: Parts of a package.json that npm or a program of the project runs.
running_parts: List[str] = ["scripts","bin","gypfile","husky","lint-staged","pre-commit","simple-git-hooks","packageManager"]
