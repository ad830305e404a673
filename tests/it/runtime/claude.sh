#!/bin/bash
# An agent program with a composer, as far as a terminal shows it. It looks like Claude Code.
#   FAKE_START=ask    begins with a permission dialog
#   FAKE_START=draft  begins with a draft in its composer
#   FAKE_START=busy   begins in the middle of a turn, which ends when the file `go` appears
#   FAKE_DEAF=1       never sends what stands in its composer
#   FAKE_ASK=1        asks for a permission at each turn
#   FAKE_SHY=N        takes no notice of the first N answers to its questions
#   FAKE_HOOKS=1      tells its hooks
me=${CLAWTEAM_AGENT_NAME:-x}
stty -icanon -echo -icrnl -isig min 1 time 0
printf '\033[?2004h'
history='' draft='' mode=idle chosen=1 number=0
rule='────────────────────────────────────────'

hook() {
  [ -n "$FAKE_HOOKS" ] || return 0
  local answer
  answer=$("$FAKE_CLAWTEAM" hook-event claude <<<"$1")
  [ -z "$answer" ] || printf '%s\n' "$answer" >>"$me.hooked"
}

draw() {
  local out=$'\033[H\033[2J'"$history"$'\n'
  case $mode in
    working) out+=$'✶ Thinking… (3s · esc to interrupt)\n' ;;
    ask)
      out+="$rule"$'\n Bash command\n\n   rm -rf build-'"$number"$'\n   Clean up\n\n Do you want to proceed?\n'
      local n=0 option
      for option in Yes "Yes, and don't ask again for rm" "No, and tell Claude what to do"; do
        n=$((n + 1))
        if [ $n = $chosen ]; then out+=" ❯ $n. $option"$'\n'; else out+="   $n. $option"$'\n'; fi
      done
      printf '%s' "$out"
      return ;;
  esac
  out+="$rule"$'\n❯ '"$draft"$'\n'"$rule"$'\n  ? for shortcuts'
  printf '%s' "$out"
}

ask() {
  mode=ask chosen=1 number=$((number + 1))
  hook "{\"hook_event_name\":\"PermissionRequest\",\"session_id\":\"s\",\"tool_name\":\"Bash\",\"tool_input\":{\"command\":\"rm -rf build-$number\"}}"
  draw
}

finish() {
  mode=idle
  hook '{"hook_event_name":"Stop","session_id":"s"}'
  draw
}

submit() {
  [ -n "$draft" ] || return 0
  [ -z "$FAKE_DEAF" ] || return 0
  printf '%s\n--\n' "$draft" >>"$me.got"
  history+="> ${draft//$'\n'/ }"$'\n'
  draft='' mode=working
  draw
  hook '{"hook_event_name":"UserPromptSubmit","session_id":"s","prompt":"x"}'
  sleep "${FAKE_WORK:-0.3}"
  if [ -n "$FAKE_ASK" ]; then ask; else finish; fi
}

answered() {
  printf '%s\n' "$1" >>"$me.answers"
  history+="answered $1"$'\n'
  finish
}

key() {
  if [ $mode = ask ]; then
    case $1 in
      [123]) answered "$1" ;;
      up) [ $chosen -gt 1 ] && chosen=$((chosen - 1)); draw ;;
      down) [ $chosen -lt 3 ] && chosen=$((chosen + 1)); draw ;;
      enter)
        pressed=$((pressed + 1))
        [ $pressed -le "${FAKE_SHY:-0}" ] || answered "$chosen" ;;
      *) printf '%s' "$1" >>"$me.stray" ;;
    esac
    return
  fi
  case $1 in
    enter) submit ;;
    up | down) ;;
    *) draft+=$1; [ -n "$pasting" ] || draw ;;
  esac
}

escape() {
  local c sequence=''
  while IFS= read -rsn1 -d '' -t 1 c; do
    sequence+=$c
    case $c in [A-Za-z~]) break ;; esac
  done
  case $sequence in
    '[200~') pasting=1 ;;
    '[201~') pasting=''; draw ;;
    '[A' | 'OA') key up ;;
    '[B' | 'OB') key down ;;
  esac
}

case $FAKE_START in
  ask) ask ;;
  draft) draft='half a thought'; draw ;;
  busy)
    mode=working; draw
    hook '{"hook_event_name":"UserPromptSubmit","session_id":"s"}'
    until [ -e go ]; do sleep 0.05; done
    finish ;;
  *) hook '{"hook_event_name":"SessionStart","source":"startup","session_id":"s"}'; draw ;;
esac
while IFS= read -rsn1 -d '' c; do
  case $c in
    $'\033') escape ;;
    # `read` of bash turns the one into the other.
    $'\r' | $'\n') if [ -n "$pasting" ]; then key $'\n'; else key enter; fi ;;
    *) key "$c" ;;
  esac
done
