# words: the words of standard input, one on each line, in small letters
words() {
    echo "words is not written yet" >&2
    return 1
}
