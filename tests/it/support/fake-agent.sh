#!/usr/bin/env bash
# An agent program without a model: it asks what FAKE names, shows a composer and takes a prompt.
#
# FAKE       what it asks at its start, in this order: trust trust-no key bypass update hooks colour
# FAKE_LOG   where it writes what happened (a file; `.prompt` is added for what it was told)
# FAKE_MARK  what stands before a highlighted option and the composer
# FAKE_PLAIN set: it does not ask for pasted text to be marked
# FAKE_KEY   the character that submits
# FAKE_SLOW  seconds before it draws anything
# FAKE_DIES  set: it ends after its questions
# FAKE_HELP  what --help prints
# FAKE_MOVES set: something moves above its questions
# FAKE_DEAF  seconds for which it takes no key once it has drawn a question
log=${FAKE_LOG:-/dev/null}
mark=${FAKE_MARK:-❯}
submit=${FAKE_KEY:-$'\r'}
rule=────────────────────────────────────────
case " $* " in
*" --help "*) printf '%s\n' "$FAKE_HELP"; exit ;;
*" --version "*) echo "fake 1.2.3"; exit ;;
esac
printf 'argv' >>"$log"; printf ' %s' "$@" >>"$log"; printf '\n' >>"$log"
stty raw -echo
# bash would change the modes of a terminal that it reads keys from.
exec < <(exec cat </dev/tty)
reader=$!
trap 'kill "$reader" 2>/dev/null' EXIT
[ -n "$FAKE_SLOW" ] && sleep "$FAKE_SLOW"

key() {
    local c rest
    IFS= read -rN1 c || exit 0
    key=$c
    if [ "$c" = $'\e' ]; then
        IFS= read -rN2 -t 0.2 rest
        key=$c$rest
        [ "$rest" = "[2" ] && { IFS= read -rN3 -t 0.2 rest; key=$key$rest; }
    fi
}

# ask NAME HIGHLIGHTED QUESTION OPTION...: the answer is in $chosen
ask() {
    local name=$1 at=$2 question=$3 i
    shift 3
    local options=("$@") n=$#
    local deaf=$FAKE_DEAF
    while :; do
        printf '\e[H\e[2J'
        [ -n "$FAKE_MOVES" ] && printf 'logo\r\n\r\n'
        printf '%s\r\n\r\n' "$question"
        for ((i = 0; i < n; i++)); do
            local before=' '
            ((i == at)) && before=$mark
            printf ' %s %d. %s\r\n' "$before" $((i + 1)) "${options[i]}"
        done
        printf '\r\n Enter to confirm · Esc to cancel\r\n'
        if [ -n "$deaf" ]; then
            sleep "$deaf"
            while read -rN1 -t 0.01; do :; done
            deaf=
        fi
        while [ -n "$FAKE_MOVES" ] && ! read -t 0; do
            printf '\e[s\e[Hlogo %05d\e[u' "$RANDOM"
            sleep 0.02
        done
        key
        case $key in
        $'\e[A') at=$(((at + n - 1) % n)) ;;
        $'\e[B') at=$(((at + 1) % n)) ;;
        $'\r')
            chosen=${options[at]}
            printf '%s: %s\n' "$name" "$chosen" >>"$log"
            return
            ;;
        esac
    done
}

leave() {
    stty sane
    printf '\e[H\e[2J'
    echo "$1"
    exit 1
}

for question in $FAKE; do
    case $question in
    trust)
        ask trust 0 $'Accessing workspace:\r\n\r\n Quick safety check: Is this a project you created or one you trust?\r\n Do you trust the contents of this directory?' \
            'Yes, I trust this folder' 'No, exit'
        ;;
    trust-no)
        ask trust 1 'Do you trust the files in this folder?' 'Yes, proceed' 'No, exit'
        ;;
    key)
        ask key 1 $'Detected a custom API key in your environment\r\n\r\n Do you want to use this API key?' \
            'Yes' 'No (recommended)'
        ;;
    bypass)
        ask bypass 0 'WARNING: Claude Code running in Bypass Permissions mode' \
            'No, exit' 'Yes, I accept'
        ;;
    update)
        ask update 0 'Update available! 1.0 -> 2.0' \
            'Update now (runs `npm install`)' 'Skip' 'Skip until next version'
        ;;
    hooks)
        ask hooks 0 $'Hooks need review\r\n 11 hooks are new or changed.' \
            'Review hooks' 'Trust all and continue' "Continue without trusting (hooks won't run)"
        ;;
    colour) ask colour 0 'Which colour do you like?' Red Blue ;;
    esac
    case $chosen in "No, exit") leave 'good bye' ;; esac
done
[ -n "$FAKE_DIES" ] && leave 'no credentials were found'

text= status=
draw() {
    local shown=${text//$'\n'/$'\r\n'  }
    ((${#shown} > 2000)) && shown=${shown: -2000}
    printf '\e[H\e[2J● Hello.\r\n%s\r\n%s\r\n%s %s\r\n%s\r\n  fake model\r\n' \
        "$status" "$rule" "$mark" "$shown" "$rule"
}
[ -z "$FAKE_PLAIN" ] && printf '\e[?2004h'
draw
pasting=
while :; do
    key
    case $key in
    $'\e[200~') pasting=1 ;;
    $'\e[201~') pasting= ;;
    $'\x15') text= ;;
    "$submit")
        if [ -n "$pasting" ]; then
            text+=$'\n'
        else
            printf '%s\n' "$text" >>"$log.prompt"
            text= status='✶ Pondering… (esc to interrupt)'
            draw
            sleep 0.5
            status=
        fi
        ;;
    $'\r' | $'\n') text+=$'\n' ;;
    *) text+=$key ;;
    esac
    read -rt 0 || draw
done
