check 'words: one on each line' 'one
two' "$(echo 'one two' | words 2>&1)"
check 'words: in small letters' 'shell' "$(echo 'SHELL' | words 2>&1)"
check 'words: without punctuation' 'so
what' "$(echo '... so, what?!' | words 2>&1)"
