# Sourced by tests in shell that print TAP. A script that includes this may define tell(), which prints what helps to
# understand a failure.
n=0
failed=0
tell() { :; }

# result OK NAME
result() {
    n=$((n + 1))
    if [ "$1" = 0 ]; then echo "ok $n - $2"; else
        failed=1
        tell | sed 's/^/# /'
        echo "not ok $n - $2"
    fi
}

# skip NAME REASON: a case that cannot be tried here.
skip() {
    n=$((n + 1))
    echo "ok $n - $1 # SKIP $2"
}

# skip_all REASON: none can. Ends the script.
skip_all() {
    echo "1..0 # SKIP $1"
    exit 0
}

# Prints the plan and ends the script.
tap_end() {
    echo "1..$n"
    exit $failed
}
