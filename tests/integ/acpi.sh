#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# The ACPI tables as Intel's compiler sees them: every table disassembles, and what comes out
# compiles again without an error or a warning. Usage: acpi.sh path/to/dump-acpi
set -eu
dump=$(realpath "$1")
command -v iasl >/dev/null || { echo "iasl is missing (Debian: acpica-tools)"; exit 77; }
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"

check() { # what dump-acpi is told
    rm -f ./*
    "$dump" . "$@"
    for table in *.dat; do
        name=${table%.dat}
        iasl -d "$table" >disassemble.log 2>&1 || { cat disassemble.log; exit 1; }
        if grep -E '^(Error|Warning)|ACPI (Error|Warning)|incorrect checksum|Invalid' \
            disassemble.log "$name.dsl"; then
            echo "acpi.sh: $name ($*): iasl -d complains"
            exit 1
        fi
        iasl -tc "$name.dsl" >compile.log 2>&1 || { cat compile.log; exit 1; }
        if ! grep -q '0 Errors, 0 Warnings' compile.log; then
            cat compile.log
            echo "acpi.sh: $name ($*): iasl -tc complains"
            exit 1
        fi
        # The round trip gives the same bytes, but for the compiler's own name and version.
        [ "$name" = DSDT ] || cmp -i 36 "$table" "$name.aml" || exit 1
    done
    echo "ok: $*"
}

check 1
check 4
check 64
check 1 no-hpet
check 2 pc
check 300
