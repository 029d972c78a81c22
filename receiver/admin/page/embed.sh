#!/usr/bin/env bash
# Prints a C file that holds the page's files named on the command line. usage: embed.sh FOLDER FILE... > page_files.c
set -euo pipefail

[ $# -gt 1 ] || { echo "usage: $0 FOLDER FILE..." >&2; exit 2; }
folder=$1
shift

type_of() { # file
    case $1 in
    *.html) echo 'text/html; charset=utf-8' ;;
    *.css) echo 'text/css; charset=utf-8' ;;
    *.js) echo 'text/javascript; charset=utf-8' ;;
    *.svg) echo 'image/svg+xml' ;;
    *) echo "$0: $1: a file of this kind has no content type here" >&2; exit 1 ;;
    esac
}

echo '/* Made by receiver/admin/page/embed.sh; do not edit. */'
echo '#include "../receiver/admin/page_int.h"'
n=0
rows=()
for file in "$@"; do
    path=/page/${file#"$folder"/}
    [ "$path" != /page/index.html ] || path=/
    type=$(type_of "$file")
    etag="\\\"$(sha256sum "$file" | cut -c1-32)\\\""
    n=$((n + 1))
    echo
    echo "static const char FILE_${n}[] = {"
    od -An -v -td1 "$file" | sed 's/\(-\{0,1\}[0-9][0-9]*\)/\1,/g'
    echo '0};'
    rows+=("    {\"$path\", \"$type\", \"$etag\", PAGE_HEADERS \"ETag: $etag\\r\\n\", FILE_$n, sizeof FILE_$n - 1},")
done
echo
echo 'const struct page_file page_files[] = {'
printf '%s\n' "${rows[@]}"
echo '};'
echo "const size_t page_file_count = $n;"
