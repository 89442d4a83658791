# shellcheck shell=bash
# Finds the programs of this machine, and the Debian packages of missing ones. Changes nothing. Needs these variables of
# ./nova: root home node_major.
# shellcheck disable=SC2154

# Sets `node` to the machine's Node if that is new enough, or to the one installed here.
find_node() {
  local candidate version
  for candidate in "$(type -P node || :)" "$home/node/node_modules/.bin/node"; do
    [ -x "$candidate" ] || continue
    # A program that does not run (another libc, another processor) does not count.
    version="$("$candidate" --version 2>/dev/null)" || continue
    version="${version#v}"
    if [ "${version%%.*}" -ge "$node_major" ] 2>/dev/null; then
      node="$candidate"
      # A version manager's shim may start another Node in another folder, so the path of the running program is kept.
      case "$node" in "$home"/*) ;; *) node="$("$candidate" -p process.execPath)" ;; esac
      return 0
    fi
  done
  return 1
}

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

# Prints the version of Rust that the crate requires.
least_rust_version() {
  sed -n 's/^rust-version *= *"\([0-9]*\.[0-9]*\).*/\1/p' "$root/guest/agent/Cargo.toml"
}

# Debian's newest Rust has another package name than its first one. Sets `rust_packages`, empty where none is new
# enough.
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

# Debian 12 has separate tools for its newer Rust. This puts their package names into `missing`.
name_rust_tools() {
  case "$missing" in *' rust-clippy rustfmt'*) ;; *) return 0 ;; esac
  find_rust_packages "${least_rust:-$(least_rust_version)}"
  case "$rust_packages" in
    cargo\ *) ;;
    *) missing="${missing/ rust-clippy rustfmt/ rust-web-clippy rustfmt-web}" ;;
  esac
}

# Sets `missing` to the Debian packages that this machine lacks, and `least_cargo` to the version of Rust if Rust is
# missing. `node` and `cargo_bin` are set to the programs found, or to nothing.
look_around() {
  missing="" least_cargo="" rust_remedy="" least_rust="" cargo_bin=""
  if [ "$wants_guest" -eq 1 ]; then
    missing_packages
    if ! known_cargo && ! may_do_without_cargo; then
      [ -f "$root/guest/agent/Cargo.toml" ] || give_up "there is no guest agent in $root/guest/agent" 'Clone the whole repository.'
      least_rust="$(least_rust_version)"
      rust_remedy="Install Rust >= $least_rust (rustup, or a newer distribution), then run the same command again."
      find_cargo "$least_rust" || least_cargo="$least_rust"
    fi
  fi
  known_node || find_node || node=""
  # Without npm both are fetched from its registry. Where apt is not there to install a downloader, the distribution's
  # own packages are named.
  if ! is_there npm && { [ -z "$node" ] || ! modules_are_there; }; then
    if is_there curl || is_there wget; then :
    elif is_there apt-get; then missing="$missing curl ca-certificates"
    elif [ -z "$node" ]; then missing="$missing nodejs npm"
    else missing="$missing npm"; fi
  fi
}

# Prints the Debian packages that this machine lacks.
lacked() {
  name_rust_tools
  if [ -n "$least_cargo" ]; then
    find_rust_packages "$least_cargo"
    # Only the package lists tell the name: Debian 12 has its newer Rust under a name of its own.
    [ -n "$rust_packages" ] || rust_packages="cargo-web rustc-web libc6-dev"
    printf '%s' "$missing $rust_packages"
  else
    printf '%s' "$missing"
  fi
}
