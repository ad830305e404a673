check 'rank: the most frequent first' '2 b
1 a' "$(printf 'b\na\nb\n' | rank 9 2>&1)"
check 'rank: equal ones by name' '1 a
1 b' "$(printf 'b\na\n' | rank 9 2>&1)"
check 'rank: no more than asked for' '1 a' "$(printf 'b\na\n' | rank 1 2>&1)"
