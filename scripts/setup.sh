# Read by the other scripts with `.`; it needs a POSIX shell, Python 3.11 or newer, and pip.
#
# It moves to the root of the checkout, makes the virtual environment `.venv` there, installs segdex into it (editable,
# with the extras asked for), and puts it first on PATH. A stamp makes all of this free once it is done. PYTHON names
# the interpreter to use; without it the first one that is new enough is taken.

set -eu
root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd -P)
cd -- "$root"
unset PYTHONHOME PYTHONPATH

fail() {
    printf '%s: %s\n' "${0##*/}" "$1" >&2
    exit 1
}

usable() {
    command -v -- "$1" >/dev/null 2>&1 &&
        "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1
}

find_python() {
    if [ -n "${PYTHON:-}" ]; then
        usable "$PYTHON" || fail "PYTHON=$PYTHON is not a Python 3.11 or newer"
        printf '%s\n' "$PYTHON"
        return
    fi
    for candidate in python3 python python3.13 python3.12 python3.11 python3.14; do
        if usable "$candidate"; then
            printf '%s\n' "$candidate"
            return
        fi
    done
    fail "no Python 3.11 or newer was found; name one with PYTHON=/path/to/python3"
}

# Some systems leave `ensurepip` out of Python: then the pip of the system fills the environment from outside.
make_environment() {
    if "$1" -m venv --clear .venv >/dev/null 2>&1; then
        return
    fi
    "$1" -m venv --clear --without-pip .venv || fail "$1 cannot make a virtual environment"
    "$1" -m pip --python .venv/bin/python install --quiet pip || fail "$1 has no pip"
}

# setup EXTRAS: the environment with segdex[EXTRAS]. The stamp holds everything that decides what is installed.
setup() {
    stamp=.venv/installed-$1
    key="$root $(cksum <pyproject.toml) ${PYTHON:-}"
    if [ "$(cat "$stamp" 2>/dev/null)" != "$key" ] || ! .venv/bin/python -c '' 2>/dev/null; then
        python=$(find_python)
        printf 'Setting up .venv with %s (once) ...\n' "$("$python" --version 2>&1)" >&2
        # Only an environment made here, by this script, with this interpreter, is added to.
        if [ "$(cat .venv/made-by 2>/dev/null)" != "$root ${PYTHON:-}" ] || ! .venv/bin/python -c '' 2>/dev/null; then
            make_environment "$python"
            printf '%s\n' "$root ${PYTHON:-}" >.venv/made-by
        fi
        .venv/bin/python -m pip install --quiet --disable-pip-version-check --editable ".[$1]" ||
            fail "the installation did not succeed"
        printf '%s\n' "$key" >"$stamp"
    fi
    PATH=$root/.venv/bin:$PATH
    export PATH
}
