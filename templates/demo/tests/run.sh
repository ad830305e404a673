#!/bin/sh
# Runs the tests of the modules that are named, or of all modules.
set -u
cd "$(dirname "$0")/.." || exit 1
LC_ALL=C
export LC_ALL
passed=0
failed=0

# check NAME EXPECTED FOUND
check() {
    if [ "$2" = "$3" ]; then
        passed=$((passed + 1))
        printf 'ok      %s\n' "$1"
    else
        failed=$((failed + 1))
        printf 'not ok  %s: expected "%s", found "%s"\n' "$1" "$2" "$3"
    fi
}

for module in words rank bar report; do
    . "./lib/$module.sh"
done
[ $# -gt 0 ] || set -- words rank bar report
for module in "$@"; do
    . "./tests/$module.test.sh"
done
printf '%d passed, %d failed\n' "$passed" "$failed"
[ "$failed" -eq 0 ]
