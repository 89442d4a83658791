# shellcheck shell=bash
# Runs a command that may install nothing: help, version, completion, the client of a daemon, or a service. Sourced by
# ./nova. Leaves `node` set, or ends the script: with the answer if it needs no Node, else with a list of everything
# that is missing and its remedy.
# shellcheck disable=SC2154

# shellcheck source=deploy/step.sh
. "$root/deploy/step.sh"
# shellcheck source=deploy/find.sh
. "$root/deploy/find.sh"

# If the user ran npm without this script, all packages are there.
has_modules() { modules_are_there || { [ -f "$root/node_modules/.package-lock.json" ] && ! [ -f "$root/node_modules/.nova" ]; }; }

print_version() { sed -n 's/^  "version": *"\([^"]*\)".*/\1/p' "$root/package.json"; }

# Prints the verbs with their summaries from the table of verbs.
print_usage() {
  local line name="" about="" named="^ +'?([a-z-]+)'?: [{]" summary="summary: ['\"](.*)['\"],"
  printf 'Usage: nova <verb> [options]\n\nRuns code in microVMs: each with its own kernel, cloned from a snapshot in a fraction of a second.\n\nVerbs:\n'
  while IFS= read -r line; do
    if [[ $line =~ $named ]]; then name="${BASH_REMATCH[1]}" about=""; fi
    if [ -n "$name" ] && [[ $line =~ $summary ]]; then about="${BASH_REMATCH[1]}"; fi
    if [[ $line == *'hidden: true'* ]]; then about=""; fi
    if [[ $line == *'},' && -n "$about" ]]; then
      printf '  %-11s %s\n' "$name" "$about"
      about=""
    fi
  done <"${main%/*}/verbs.${main##*.}"
  printf '\nNothing is set up here yet. The first command that needs a sandbox does it, such as ./nova run -- echo hello;\n'
  printf 'after that "nova help <verb>" explains each verb.\n'
}

lacks() { # what, remedy
  say "$1"
  say "  -> $2"
  exit 1
}

look_around
if [ -z "$node" ] || ! has_modules; then
  case "$command ${2:-}" in
    '--version '* | '-V '* | 'version '*) print_version && exit 0 ;;
    # The shell asks at every key, so a message on the terminal would be in the way.
    '__complete '*) exit 1 ;;
    'completion '*)
      lacks "completion needs Node >= $node_major and the npm packages, and installs nothing." "./nova setup client"
      ;;
    ' '* | 'help '* | '--help '* | '-h '* | *' --help' | *' -h') print_usage && exit 0 ;;
    'serve '*) ;;
    *)
      lacks "a client of a daemon installs nothing, and Node >= $node_major or the npm packages are not here." \
        "./nova setup client installs both, in $home and $root."
      ;;
  esac
fi
if [ "$command" = serve ]; then
  what="$(lacked)"
  what="${what# }"
  [ -n "$node" ] || what="${what:+$what, }Node (>= $node_major)"
  has_modules || what="${what:+$what, }the npm packages"
  [ -z "$what" ] ||
    lacks "a service installs nothing, and this machine lacks: $what" "Once, as the user of the service: NOVA_HOME='$home' $root/nova setup host"
fi
