check 'report: a line for each word' 'go              2 ####################
stop            1 ##########' "$(echo 'Go, stop. Go!' | report 2 2>&1)"
check 'report: from the program itself' 'x               1 ####################' \
    "$(echo 'x' | sh bin/tally 1 2>&1)"
