# Sourced by the test scripts: check NAME COMMAND… runs a check and counts it; summary NAME prints the closing line and
# gives the script its exit status.
passed=0
failed=0

check() {
    local name=$1
    shift
    if "$@"; then
        passed=$((passed + 1))
        echo "ok    $name"
    else
        failed=$((failed + 1))
        echo "FAIL  $name"
    fi
}

summary() {
    echo "$1: $passed passed, $failed failed"
    [ $failed = 0 ] && [ $passed != 0 ]
}
