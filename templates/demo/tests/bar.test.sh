check 'bar: full width for the most' '##########' "$(bar 7 7 10 2>&1)"
check 'bar: in proportion' '#####' "$(bar 3 6 10 2>&1)"
check 'bar: never empty' '#' "$(bar 1 500 10 2>&1)"
