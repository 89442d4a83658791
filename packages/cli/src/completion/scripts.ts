/**
 * The scripts ask `nova __complete` for the candidates, one per line, so that they always match the verbs and options.
 * A last line `:files` asks for the shell's own file names in addition.
 */
export const completionScripts = {
  bash: `# nova completion for bash
_nova() {
  local word="\${COMP_WORDS[COMP_CWORD]}" candidates
  # A colon splits words in bash: "box:/p" arrives in three of them.
  candidates="$("\${COMP_WORDS[0]}" __complete -- "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)" || return
  COMPREPLY=()
  local files=0 candidate
  while IFS= read -r candidate; do
    if [ "$candidate" = ":files" ]; then files=1
    elif [[ "$candidate" == "$word"* ]]; then COMPREPLY+=("$candidate"); fi
  done <<< "$candidates"
  if [ "$files" = 1 ] && [ "\${#COMPREPLY[@]}" = 0 ]; then compopt -o default 2>/dev/null; fi
  case "\${COMPREPLY[0]-}" in *: | */) compopt -o nospace 2>/dev/null ;; esac
}
complete -F _nova nova ./nova
`,
  zsh: `#compdef nova
_nova() {
  local -a candidates
  candidates=("\${(@f)$("\${words[1]}" __complete -- "\${(@)words[2,CURRENT]}" 2>/dev/null)}")
  if (( \${candidates[(I):files]} )); then
    candidates=("\${(@)candidates:#:files}")
    _files
  fi
  compadd -- "\${candidates[@]}"
}
if [ "$funcstack[1]" = "_nova" ]; then _nova "$@"; else compdef _nova nova; fi
`,
  fish: `# nova completion for fish
function __nova_complete
  set -l words (commandline -opc) (commandline -ct)
  $words[1] __complete -- $words[2..-1] 2>/dev/null | while read -l candidate
    if test "$candidate" = ":files"
      __fish_complete_path (commandline -ct)
    else
      echo $candidate
    end
  end
end
complete -c nova -f -a '(__nova_complete)'
`,
} as const;
