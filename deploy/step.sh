# shellcheck shell=bash
# Steps of the set-up: shown while they run, timed, ended as a whole when interrupted. Sourced by setup.sh, which sets `setup`, the folder of
# the logs.
# shellcheck disable=SC2154

say() { printf 'nova: %s\n' "$*" >&2; }

give_up() { # what happened, remedy
  say "$1"
  say "  -> $2"
  exit 1
}

job=""
job_name=""
# Ends what the step has started. npm does not listen; dpkg gets the time to finish the package at hand.
stop_job() {
  local tenths=20
  [ -z "$job" ] && return
  kill -TERM -- "-$job" 2>/dev/null || :
  [ "$job_name" = apt ] && tenths=600
  while kill -0 -- "-$job" 2>/dev/null && [ "$tenths" -gt 0 ]; do
    sleep 0.1
    tenths=$((tenths - 1))
  done
  kill -KILL -- "-$job" 2>/dev/null || :
  wait "$job" 2>/dev/null || :
  job=""
}
interrupted() {
  trap '' INT TERM HUP
  trap - EXIT
  printf '\n' >&2
  say 'interrupted: ending what is under way ...'
  stop_job
  say 'the same command goes on from here.'
  exit 130
}

live=0
columns=80
if [ -t 2 ] && [ -z "${CI:-}" ] && [ "${TERM:-dumb}" != dumb ]; then
  live=1
  size="$(stty size <&2 2>/dev/null || :)"
  [ "${size##* }" -gt 20 ] 2>/dev/null && columns="${size##* }"
fi

# How far an installation by apt is, as ` 42 %`: packages unpacked and set up, of as many as were announced.
percent() { # log
  local all finished
  all="$(sed -n 's/.* \([0-9][0-9]*\) newly installed.*/\1/p' "$1" | tail -n 1)"
  [ "${all:-0}" -gt 0 ] || return 0
  finished="$(grep -c -E '^(Unpacking|Setting up) ' "$1")" || :
  printf ' %s %%' "$((finished * 50 / all > 100 ? 100 : finished * 50 / all))"
}

# One line of the terminal: the step, how far it is, for how long, and the newest line of its log.
show() { # label, seconds, log
  local head detail room
  head="${1%%:*}$(percent "$3")  $2 s"
  room=$((columns - ${#head} - 5))
  detail="$(tail -n 1 "$3" 2>/dev/null | tr -d '\033\r')"
  printf '\r\033[K  %s  \033[2m%s\033[0m' "$head" "${detail:0:$((room > 0 ? room : 0))}" >&2
}

# What a log says of the failure: npm says it first and its usage last, others last.
complaints() { # log
  if grep -q -E '^npm (ERR!|error) ' "$1"; then
    grep -E '^npm (ERR!|error) ' "$1" | head -n 12
  else
    tail -n 15 "$1"
  fi
}

# Runs a command as a step. Its output goes to a log, of which a failure shows the end.
step() { # name, label, remedy, command...
  local name="$1" label="$2" remedy="$3" log="$setup/$1.log" began="$SECONDS" code=0
  shift 3
  if [ "$live" -eq 0 ]; then say "$label ..."; fi
  set -m # a process group of its own, to be ended as a whole
  "$@" </dev/null >"$log" 2>&1 &
  job=$!
  job_name="$name"
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
  say "the step \"$name\" failed ($code). From $log:"
  complaints "$log" | sed 's/^/    /' >&2
  say "  -> $remedy"
  exit 1
}
