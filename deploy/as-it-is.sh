# shellcheck shell=bash
# Runs a command that may install nothing with what is there: help, version and completion, the client of a daemon, a service. Sourced by ./nova. Leaves
# `node` set, or ends the script: with the answer where it is to be had without Node, else with all that is lacked and the remedy.
# shellcheck disable=SC2154

# shellcheck source=deploy/step.sh
. "$root/deploy/step.sh"
# shellcheck source=deploy/find.sh
. "$root/deploy/find.sh"

# A user who ran npm without this script has all packages.
has_modules() { modules_are_there || { [ -f "$root/node_modules/.package-lock.json" ] && ! [ -f "$root/node_modules/.nova" ]; }; }

print_version() { sed -n 's/^  "version": *"\([^"]*\)".*/\1/p' "$root/package.json"; }

# The verbs with what they do, as they stand in their table.
print_usage() {
  local line name="" named='^ +([a-z]+): [{]' summary="summary: ['\"](.*)['\"],"
  printf 'Usage: nova <verb> [options]\n\nRuns code in microVMs: each with its own kernel, cloned from a snapshot in a fraction of a second.\n\nVerbs:\n'
  while IFS= read -r line; do
    if [[ $line =~ $named ]]; then name="${BASH_REMATCH[1]}"; fi
    if [ -n "$name" ] && [[ $line =~ $summary ]]; then
      printf '  %-11s %s\n' "$name" "${BASH_REMATCH[1]}"
      name=""
    fi
  done <"${main%/*}/verbs.${main##*.}"
  printf '\nNothing is set up here yet. The first command that needs it does that, such as ./nova run -- echo hello;\n'
  printf 'from then on "nova help <verb>" tells about each.\n'
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
    # Asked at every key: a word on the terminal would be in the way.
    '__complete '*) exit 1 ;;
    'completion '*)
      lacks "completion needs Node >= $node_major and the npm packages, and installs nothing." "./nova setup client"
      ;;
    ' '* | 'help '* | '--help '* | '-h '* | *' --help' | *' -h') print_usage && exit 0 ;;
    'serve '*) ;;
    *)
      lacks "a client of a daemon installs nothing, and Node >= $node_major or the npm packages are not here." \
        "./nova setup client installs these two, in $home and $root."
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
