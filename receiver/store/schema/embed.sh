#!/usr/bin/env bash
# Prints a C file that holds the numbered migrations named on the command line (0001_name.sql ...),
# in that order, as store_NAME_migrations. usage: embed.sh NAME FILE.sql... > store_schema.c
set -euo pipefail

[ $# -gt 1 ] || { echo "usage: $0 NAME FILE.sql..." >&2; exit 2; }
backend=$1
shift

echo '/* Made by receiver/store/schema/embed.sh; do not edit. */'
echo '#include "../receiver/store/store_int.h"'
want=1
for file in "$@"; do
    name=$(basename "$file" .sql)
    number=$((10#${name%%_*}))
    if [ "$number" -ne "$want" ]; then
        echo "$0: $file: the next migration has number $want" >&2
        exit 1
    fi
    want=$((want + 1))
    echo
    echo "static const char MIGRATION_${number}[] = {"
    od -An -v -td1 "$file" | sed 's/\(-\{0,1\}[0-9][0-9]*\)/\1,/g'
    echo '0};'
done
echo
echo "const struct store_migration store_${backend}_migrations[] = {"
for file in "$@"; do
    name=$(basename "$file" .sql)
    number=$((10#${name%%_*}))
    echo "    {$number, \"$name\", MIGRATION_$number},"
done
echo '};'
echo "const int store_${backend}_migration_count = $#;"
