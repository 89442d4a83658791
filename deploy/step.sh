# shellcheck shell=bash
# Runs the steps of the set-up: shows them while they run, times them, and ends them all when interrupted. Sourced by
# setup.sh, which sets `setup`, the folder of the logs.
# shellcheck disable=SC2154

say() { printf 'nova: %s\n' "$*" >&2; }

give_up() { # what happened, remedy
  say "$1"
  say "  -> $2"
  exit 1
}

# The steps in the order they were begun; a step that has ended has no process. Steps that run at once share only the
# screen.
steps=0
step_pid=() step_name=() step_label=() step_remedy=() step_began=()
# Process group of the build that runs beside the steps without being shown (begin_build).
beside=""

# Ends the processes of all steps. npm ignores the signal; dpkg gets time to finish its current package.
stop_steps() {
  local i
  for ((i = 0; i < steps; i++)); do [ -z "${step_pid[i]}" ] || kill -TERM -- "-${step_pid[i]}" 2>/dev/null || :; done
  [ -z "$beside" ] || end_group "$beside" 20
  for ((i = 0; i < steps; i++)); do
    [ -n "${step_pid[i]}" ] || continue
    case "${step_name[i]}" in
      apt*) end_group "${step_pid[i]}" 600 ;;
      *) end_group "${step_pid[i]}" 20 ;;
    esac
    wait "${step_pid[i]}" 2>/dev/null || :
  done
  steps=0
  beside=""
}
end_group() { # group, tenths of a second that it has for it
  local tenths="$2"
  kill -TERM -- "-$1" 2>/dev/null || :
  while kill -0 -- "-$1" 2>/dev/null && [ "$tenths" -gt 0 ]; do
    sleep 0.1
    tenths=$((tenths - 1))
  done
  kill -KILL -- "-$1" 2>/dev/null || :
}
interrupted() {
  trap '' INT TERM HUP
  trap - EXIT
  printf '\n' >&2
  say 'interrupted: ending the running steps ...'
  stop_steps
  say 'run the same command again to continue from here.'
  exit 130
}

live=0
columns=80
if [ -t 2 ] && [ -z "${CI:-}" ] && [ "${TERM:-dumb}" != dumb ]; then
  live=1
  size="$(stty size <&2 2>/dev/null || :)"
  [ "${size##* }" -gt 20 ] 2>/dev/null && columns="${size##* }"
fi

# Prints the progress of apt as ` 42 %`: packages unpacked and set up, out of those announced.
percent() { # log
  local all finished
  all="$(sed -n 's/.* \([0-9][0-9]*\) newly installed.*/\1/p' "$1" | tail -n 1)"
  [ "${all:-0}" -gt 0 ] || return 0
  finished="$(grep -c -E '^(Unpacking|Setting up) ' "$1")" || :
  printf ' %s %%' "$((finished * 50 / all > 100 ? 100 : finished * 50 / all))"
}

# Prints one line of the terminal: the step, its progress, its time, and the newest line of its log.
line_of() { # label, seconds, log
  local head detail room
  head="${1%%:*}$(percent "$3")  $2 s"
  room=$((columns - ${#head} - 5))
  detail="$(tail -n 1 "$3" 2>/dev/null | tr -d '\033\r')"
  printf '  %s  \033[2m%s\033[0m' "$head" "${detail:0:$((room > 0 ? room : 0))}"
}

# Draws a line for each running step over the previous lines.
drawn=0
erase() {
  while [ "$drawn" -gt 0 ]; do
    printf '\033[1A\r\033[K' >&2
    drawn=$((drawn - 1))
  done
}
draw() {
  local i text="" lines=0
  for ((i = 0; i < steps; i++)); do
    [ -n "${step_pid[i]}" ] || continue
    text="$text$(line_of "${step_label[i]}" "$((SECONDS - step_began[i]))" "$setup/${step_name[i]}.log")"$'\n'
    lines=$((lines + 1))
  done
  erase
  printf '%s' "$text" >&2
  drawn="$lines"
}

# Prints the part of a log that explains the failure: npm writes it first and its usage last, other programs write it
# last.
complaints() { # log
  if grep -q -E '^npm (ERR!|error) ' "$1"; then
    grep -E '^npm (ERR!|error) ' "$1" | head -n 12
  else
    tail -n 15 "$1"
  fi
}

# Starts a command as a step. Its output goes to a log; after a failure the end of the log is shown.
begin() { # name, label, remedy, command...
  step_name[steps]="$1" step_label[steps]="$2" step_remedy[steps]="$3" step_began[steps]="$SECONDS"
  shift 3
  if [ "$live" -eq 0 ]; then say "${step_label[steps]} ..."; fi
  set -m # a process group of its own, to be ended as a whole
  "$@" </dev/null >"$setup/${step_name[steps]}.log" 2>&1 &
  step_pid[steps]=$!
  set +m
  steps=$((steps + 1))
}

# Waits until the step has ended. A failure of this step, or of one beside it, ends the script.
await() { # name
  local i under_way
  while :; do
    under_way=0
    for ((i = 0; i < steps; i++)); do
      [ -n "${step_pid[i]}" ] || continue
      if kill -0 "${step_pid[i]}" 2>/dev/null; then
        [ "${step_name[i]}" = "$1" ] && under_way=1
      else
        finish "$i"
      fi
    done
    [ "$under_way" -eq 1 ] || break
    if [ "$live" -eq 1 ]; then draw && sleep 0.2; else sleep 0.1; fi
  done
  erase
}

# Reports the end of a step.
finish() { # which
  local label="${step_label[$1]}" name="${step_name[$1]}" took="$((SECONDS - step_began[$1]))" code=0
  wait "${step_pid[$1]}" || code=$?
  step_pid[$1]=""
  erase
  if [ "$code" -eq 0 ]; then
    if [ "$live" -eq 1 ]; then printf '  \033[32m✔\033[0m %s  \033[2m%s s\033[0m\n' "$label" "$took" >&2
    else say "$label: done in $took s"; fi
    return 0
  fi
  [ "$live" -eq 1 ] && printf '  \033[31m✖\033[0m %s\n' "$label" >&2
  say "the step \"$name\" failed ($code). From $setup/$name.log:"
  complaints "$setup/$name.log" | sed 's/^/    /' >&2
  say "  -> ${step_remedy[$1]}"
  exit 1
}

# Tells whether the step was begun.
is_begun() { # name
  local i
  for ((i = 0; i < steps; i++)); do [ "${step_name[i]}" != "$1" ] || return 0; done
  return 1
}
