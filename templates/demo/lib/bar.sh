# bar NUMBER MOST WIDTH: a bar that is WIDTH long for MOST
bar() {
    echo "bar is not written yet" >&2
    return 1
}
