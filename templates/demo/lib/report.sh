# report COUNT: a table of the COUNT most frequent words of standard input
report() {
    echo "report is not written yet" >&2
    return 1
}
