#!/bin/bash
# tests/cli/describe.sh PHISCOPE: the manual page and the completions name all that the program's help names, and the shells
# that are here complete with them. Prints TAP.
set -u
phiscope=$1
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
mkdir "$dir/bin" "$dir/empty"
ln -s "$(realpath "$phiscope")" "$dir/bin/phiscope"
export PATH="$dir/bin:$PATH" HOME="$dir" HF_HUB_CACHE="$dir/hub" XDG_CONFIG_HOME="$dir" XDG_DATA_HOME="$dir" LC_ALL=C.UTF-8
unset HF_HOME
. "$(dirname -- "$0")/../tap.sh"
tell() { cat "$dir/err"; }

: >"$dir/err"
for form in man bash zsh fish; do phiscope describe $form >"$dir/$form" || exit 1; done

# What help lists.
phiscope help >"$dir/help"
verbs=$(sed -n 's/^  phiscope \([a-z]*\).*/\1/p' "$dir/help")
options=$(sed -n 's/^  [ -].*--\([a-z-]*\) .*/\1/p' "$dir/help")
for verb in $verbs; do options="$options $(phiscope help "$verb" | sed -n 's/^  [ -].*--\([a-z-]*\) .*/\1/p')"; done
commands=$(phiscope help commands | sed -n 's/^  :\([a-z]*\).*/\1/p')
settings=$(phiscope help settings | awk '{ print $1 }')
set -- $verbs $options $commands $settings
[ $# -gt 100 ]
result $? "help names $# words"

# missing FORM PATTERN WORDS…: those that are not there; %s in the pattern stands for the word.
missing() {
    form=$1 pattern=$2
    shift 2
    for word in "$@"; do
        # shellcheck disable=SC2059
        grep -qE -- "$(printf -- "$pattern" "$word")" "$dir/$form" || echo "$form lacks $word"
    done
}
sed 's/\\-/-/g' "$dir/man" >"$dir/plain"
{
    missing man '^\.SS %s( |$)' $verbs
    missing plain '--%s( |$)' $options
    missing man '^\.B :%s ' $commands
    missing man '^\.B %s$' $settings
    missing bash '^    %s\)' $verbs
    missing bash '[ '"'"']--%s ' $options
    missing bash ' :%s ' $commands
    missing bash '[ '"'"']%s=' $settings
    missing zsh "^    '%s:" $verbs
    missing zsh '--%s[=[}]' $options
    missing zsh ' :%s ' $commands
    missing zsh ' %s ' $settings
    missing fish 'subcommand -a %s ' $verbs
    missing fish ' -l %s ' $options
    missing fish ' :%s ' $commands
    missing fish ' %s=' $settings
} >"$dir/err"
[ ! -s "$dir/err" ]
result $? 'all of them are in the manual page and in the completions'

if command -v man >/dev/null && command -v groff >/dev/null; then
    man --warnings -E UTF-8 -l "$dir/man" >"$dir/page" 2>"$dir/err" && [ ! -s "$dir/err" ] && grep -q '^EXIT STATUS' "$dir/page"
    result $? 'man reads the page without a warning'
else
    skip 'man reads the page without a warning' 'man or groff is not here'
fi

# wants SHELL LINE ANSWERS: what the shell offers for the line begins with the answers, in any order.
wants() {
    offered=$("offer_$1" "$2" 2>"$dir/err" | sort | tr '\n' ' ')
    expected=$(printf '%s\n' $3 | sort | tr '\n' ' ')
    [ "$offered" = "$expected" ] || echo "offered: $offered" >>"$dir/err"
    [ "$offered" = "$expected" ]
    result $? "$1 completes: $2"
}

all() { # SHELL: what each shell must complete alike
    cd "$dir/empty" || exit 1
    mkdir -p folder
    : >picture.png
    wants "$1" 'phiscope dev' 'devices'
    wants "$1" 'phiscope qu' 'quantize'
    wants "$1" 'phiscope ask --dtype b' 'bf16'
    wants "$1" 'phiscope --vision-d' '--vision-dtype'
    wants "$1" 'phiscope eval --ro' '--rounding'
    wants "$1" 'phiscope kernel in' 'install'
    wants "$1" 'phiscope -m default debug tok' 'tokenize'
    wants "$1" 'phiscope models r' 'rm'
    wants "$1" 'phiscope help :fore' ':foreach'
    wants "$1" 'phiscope ask -m defa' 'default'
    wants "$1" 'phiscope ask -i pic' 'picture.png'
    wants "$1" 'phiscope bench --comp' '--compare'
    cd / || exit 1
}

bash -n "$dir/bash" 2>"$dir/err"
result $? 'bash takes the script'
offer_bash() {
    bash --norc -c '
        source "$1"
        line=$2
        read -ra COMP_WORDS <<<"${line//=/ = }"
        COMP_CWORD=$((${#COMP_WORDS[@]} - 1)) COMP_LINE=$line COMP_POINT=${#line}
        _phiscope 2>/dev/null
        printf "%s\n" "${COMPREPLY[@]}"' bash "$dir/bash" "$1" | sed 's/ *$//'
}
all bash
cd "$dir/empty" || exit 1
wants bash 'phiscope --set tempera' 'temperature='
wants bash 'phiscope --set kv=f' 'f32 f16'
wants bash 'phiscope ask --kv=f' 'f32 f16'
wants bash 'phiscope --set seed=1 dev' 'devices'
wants bash 'phiscope models rm defa' 'default'

if command -v zsh >/dev/null; then
    zsh -n "$dir/zsh" 2>"$dir/err"
    result $? 'zsh takes the script'
    # A zsh on a terminal of its own, whose completions are printed and not shown.
    offer_zsh() {
        zsh -f -c '
            zmodload zsh/zpty
            zpty z zsh -f -i
            send() { zpty -w z "$1"; }
            send "PROMPT= PS2=; stty -echo; autoload -Uz compinit; compinit -u -d $3/zcompdump; source $1"
            send "compadd() { [[ \${@[1,(i)(-|--)]} == *-(O|A|D)* ]] && { builtin compadd \"\$@\"; return }; local -a hits; builtin compadd -O hits \"\$@\"; (( \$#hits )) && print -l OFFER:\$^hits >>$3/offers; builtin compadd \"\$@\" }"
            send "show() { zle complete-word }; zle -N show; bindkey \"^I\" complete-word"
            send "print READY"
            zpty -r z line "*READY*"; zpty -r z line "*READY*"
            : >$3/offers
            zpty -w -n z "$2"$'"'\t'"'
            for i in {1..300}; do sleep 0.1; [[ -s $3/offers ]] && break; done
            sleep 0.3
            zpty -d z
        ' zsh "$dir/zsh" "$1" "$dir" >/dev/null
        sed -n 's/^OFFER://p' "$dir/offers" | sort -u
    }
    all zsh
else
    skip 'zsh' 'zsh is not here'
fi

if command -v fish >/dev/null; then
    fish --no-execute "$dir/fish" 2>"$dir/err"
    result $? 'fish takes the script'
    # Fish offers besides what contains the word, after what begins with it.
    offer_fish() {
        fish --no-config -c 'source $argv[1]; complete -C "$argv[2]"' "$dir/fish" "$1" | sed 's/\t.*//' |
            grep -- "^${1##* }"
    }
    all fish
else
    skip 'fish' 'fish is not here'
fi
tap_end
