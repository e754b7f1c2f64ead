#!/bin/sh
# third-party.sh TARGET: prints what is compiled into the program beside it: each crate with its version and licence, then
# the texts of their licences, equal ones once. Needs the sources that `cargo fetch` or `cargo build` put into CARGO_HOME.
set -eu

texts=$(mktemp -d)
trap 'rm -rf "$texts"' EXIT

cargo tree --locked --offline --package entra-operator --edges normal --target "$1" \
    --prefix none --format '{p}|{l}' |
    sed 's/ (\*)$//; s/ (proc-macro)//' | grep -v ' (/' | sort -u >"$texts/crates"

echo "entra-operator contains these crates:"
echo
sed 's/|/  /; s/ v/ /' "$texts/crates"

while IFS='|' read -r crate _; do
    directory="${crate%% *}-${crate##* v}"
    # In folders lies what is compiled in from elsewhere, as C code is.
    for text in "$CARGO_HOME"/registry/src/*/"$directory"/* "$CARGO_HOME"/registry/src/*/"$directory"/*/*; do
        case "${text##*/}" in
            [Ll][Ii][Cc][Ee][Nn][CcSs][Ee]* | COPYING* | NOTICE* | COPYRIGHT*) ;;
            *) continue ;;
        esac
        [ -f "$text" ] || continue
        sum=$(sha256sum <"$text")
        cp "$text" "$texts/${sum%% *}.text"
        echo "$directory" >>"$texts/${sum%% *}.names"
    done
done <"$texts/crates"

for names in "$texts"/*.names; do
    echo
    echo "--------------------------------------------------------------------------------"
    sort -u "$names" | paste -s -d ' '
    echo
    cat "${names%.names}.text"
done
