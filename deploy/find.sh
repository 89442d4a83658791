# shellcheck shell=bash
# Finds what this machine has, and what Debian calls what it lacks. Changes nothing. Sourced with what ./nova sets: root home node_major.
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
      # A version manager's shim may be another Node in another folder: what it runs is remembered.
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

# Sets `missing` to the Debian packages that are lacked, `least_cargo` to the version of Rust where that is lacked; `node` and `cargo_bin` to what is
# there, else to nothing.
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
  # Without npm both are fetched from its registry; where apt does not bring what fetches, by whatever brings the distribution's own.
  if ! is_there npm && { [ -z "$node" ] || ! modules_are_there; }; then
    if is_there curl || is_there wget; then :
    elif is_there apt-get; then missing="$missing curl ca-certificates"
    elif [ -z "$node" ]; then missing="$missing nodejs npm"
    else missing="$missing npm"; fi
  fi
}

# Prints the Debian packages that this machine lacks.
lacked() {
  if [ -n "$least_cargo" ]; then
    find_rust_packages "$least_cargo"
    # Without package lists nobody can tell: Debian 12 has its newer Rust under a name of its own.
    [ -n "$rust_packages" ] || rust_packages="cargo-web rustc-web libc6-dev"
    printf '%s' "$missing $rust_packages"
  else
    printf '%s' "$missing"
  fi
}
