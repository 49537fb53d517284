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
