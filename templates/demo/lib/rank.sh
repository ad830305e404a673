# rank COUNT: the COUNT most frequent lines of standard input, each after its number
rank() {
    echo "rank is not written yet" >&2
    return 1
}
