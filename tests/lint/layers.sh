#!/usr/bin/env bash
# Checks what may include what (one-way layers), where library headers may appear, and that banned functions don't.
# usage: tests/lint/layers.sh [FILE...]     default: every C file that git knows; one line a finding; exit 1 if any
set -euo pipefail
cd "$(dirname "$0")/../.."

# contract header in include/ -> the folder that owns it
declare -A OWNER=(
    [buf]=base [cidr]=base [error]=base [hash]=base [log]=base [mem]=base [metrics]=base [pin]=base [refusal]=base [secret]=base [sfid]=base [timeutil]=base [zone]=base
    [soap]=soap
    [config]=config [schema]=config
    [access]=net [client_auth]=net [listener]=net [http]=net [proxy_protocol]=net [tls]=net [tls_reach]=net
    [store]=store [store_admin]=store [store_transfer]=store [rules]=rules [policy]=rules [explain]=rules [filter]=rules [org]=org [org_setup]=org
    [intake]=intake [worker]=worker [look]=worker [dates]=worker [admin]=admin
)
# a folder includes from lower layers only; siblings never from each other
declare -A LAYER=(
    [base]=0 [soap]=1 [config]=1 [net]=2 [store]=2 [rules]=2 [org]=2 [intake]=3 [worker]=3 [admin]=4 [main]=5 [ctl]=5
)
# folder:contract pairs that are allowed although the layers say no
EXCEPTIONS=" org:rules " # its plain structs only
# the client tool sees the admin API alone; the simulator must not share what it is there to check
CTL_DENIES=" soap config schema listener http tls store rules org intake worker admin "
SIM_DENIES=" org rules worker "

# library header (prefix) | files that may include it (extended regex on the path)
LIBRARIES='
curl/        ^receiver/org/http\.c$|^receiver/ctl/|^tests/
openssl/     ^receiver/net/tls[a-z_]*\.[ch]$|^receiver/net/listener[a-z_]*\.[ch]$|^receiver/org/auth\.c$|^receiver/base/secret\.c$|^tests/
libxml/      ^soap/|^tests/unit/soap_[a-z_]*_test\.c$|^tests/orgsim/metadata[a-z_]*\.[ch]$|^tests/bench/
libpq-fe.h   ^receiver/store/postgres[a-z_]*\.[ch]$|^receiver/config/store_url\.c$|^tests/
sqlite3.h    ^receiver/store/sqlite[a-z_]*\.[ch]$|^tests/
event2/      ^receiver/net/|^tests/
csv.h        ^receiver/org/csv[a-z_]*\.c$|^tests/
cyaml/       ^receiver/config/
yaml.h       ^receiver/config/
unicode/     ^receiver/base/
systemd/     ^receiver/[a-z_]*\.c$
cmocka.h     ^tests/
'
BANNED='strcpy|strcat|stpcpy|sprintf|vsprintf|strtok|gets|atoi|atol|atoll|atof|gmtime|localtime|asctime|ctime|system|popen|alloca|setjmp|longjmp|tmpnam|mktemp|rand|srand'

findings=0
finding() { # file line text
    echo "$1:$2: $3"
    findings=$((findings + 1))
}

folder_of() { # path
    case $1 in
    soap/*) echo soap ;;
    receiver/*/*) local rest=${1#receiver/}; echo "${rest%%/*}" ;;
    receiver/*) echo main ;;
    tests/orgsim/*_test.c) echo tests ;;
    tests/orgsim/*) echo orgsim ;;
    tests/*) echo tests ;;
    include/*) local name=${1#include/}; echo "${OWNER[${name%.h}]:-unknown}" ;;
    *) echo unknown ;;
    esac
}

check_contract() { # file line folder contract
    local owner=${OWNER[$4]:-}
    if [ -z "$owner" ]; then
        finding "$1" "$2" "include/$4.h belongs to no folder in tests/lint/layers.sh"
        return
    fi
    case $3 in
    tests) return ;;
    orgsim) [[ $SIM_DENIES == *" $4 "* ]] && finding "$1" "$2" "the simulator must not include $4.h"; return 0 ;;
    ctl) [[ $CTL_DENIES == *" $4 "* ]] && finding "$1" "$2" "the client tool must not include $4.h"; return 0 ;;
    esac
    [ "$owner" = "$3" ] && return 0
    [[ $EXCEPTIONS == *" $3:$4 "* ]] && return 0
    [ "${LAYER[$owner]}" -lt "${LAYER[$3]}" ] || finding "$1" "$2" "$3 (layer ${LAYER[$3]}) must not include $4.h of $owner (layer ${LAYER[$owner]})"
}

check_quoted() { # file line folder name
    if [ -f "$(dirname "$1")/$4" ]; then
        [[ $1 == include/* ]] && check_contract "$1" "$2" "$3" "${4%.h}"
        return 0
    fi
    if [ -f "include/$4" ]; then
        check_contract "$1" "$2" "$3" "${4%.h}"
    elif [ "$3" != tests ]; then
        finding "$1" "$2" "\"$4\" is neither a contract in include/ nor beside this file"
    fi
}

check_library() { # file line name
    local prefix where
    while read -r prefix where; do
        if [ -z "$prefix" ] || [[ $3 != "$prefix"* ]]; then continue; fi
        [[ $1 =~ $where ]] || finding "$1" "$2" "<$3> may only be included in $where"
    done <<<"$LIBRARIES"
}

check_includes() { # file folder
    local line text name
    while IFS=: read -r line text; do
        name=$(sed -E 's/^[[:space:]]*#[[:space:]]*include[[:space:]]*[<"]([^>"]+)[>"].*/\1/' <<<"$text")
        if [[ $text == *\"* ]]; then
            check_quoted "$1" "$line" "$2" "$name"
        else
            check_library "$1" "$line" "$name"
        fi
    done < <(grep -nE '^[[:space:]]*#[[:space:]]*include' "$1" || true)
}

# Prints "line name" for each call of a banned function outside comments and strings.
banned_calls() { # file
    # shellcheck disable=SC2016 # for awk, not for the shell
    awk -v banned="(^|[^A-Za-z0-9_.>])($BANNED)[[:space:]]*[(]" '
        {
            text = $0
            if (inside) {
                if (!sub(/^.*[*]\//, "", text)) next
                inside = 0
            }
            gsub(/\\./, "", text)                       # escaped quotes
            gsub(/"[^"]*"/, "\"\"", text)
            gsub(/\/\*([^*]|\*+[^*\/])*\*+\//, " ", text) # comments that end on the line
            sub(/\/\/.*/, "", text)
            if (sub(/\/\*.*/, "", text)) inside = 1
            while (match(text, banned)) {
                name = substr(text, RSTART, RLENGTH)
                text = substr(text, RSTART + RLENGTH)
                gsub(/[^A-Za-z0-9_]/, "", name)
                print FNR, name
            }
        }' "$1"
}

check_banned() { # file
    local line name
    while read -r line name; do
        finding "$1" "$line" "$name() is banned"
    done < <(banned_calls "$1")
}

check_gnu_source() { # file
    local line
    line=$(grep -n '^#define _GNU_SOURCE' "$1" | head -n 1 | cut -d: -f1 || true)
    [ -z "$line" ] || [ "$line" -eq 1 ] || finding "$1" "$line" "_GNU_SOURCE belongs on the first line"
}

if [ $# -gt 0 ]; then
    files=("$@")
else
    mapfile -t files < <(git ls-files '*.c' '*.h')
fi
for file in "${files[@]}"; do
    [ -f "$file" ] || continue
    folder=$(folder_of "$file")
    if [ "$folder" = unknown ]; then
        finding "$file" 1 "this folder has no layer in tests/lint/layers.sh"
        continue
    fi
    if [ "$folder" != tests ] && [ "$folder" != orgsim ] && [ -z "${LAYER[$folder]:-}" ]; then
        finding "$file" 1 "the folder $folder has no layer in tests/lint/layers.sh"
        continue
    fi
    check_includes "$file" "$folder"
    check_banned "$file"
    check_gnu_source "$file"
done
[ "$findings" -eq 0 ] || { echo "$findings findings"; exit 1; }
