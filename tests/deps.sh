#!/usr/bin/env bash
# Installs the Debian packages that a target needs, if any is missing; says so before it does.
# usage: tests/deps.sh build|test|demo|bench|lint|fuzz|model|deb|rootfs|all
set -euo pipefail

build="gcc make pkg-config libc6-dev libxml2-dev libssl-dev libcurl4-openssl-dev libevent-dev libjansson-dev libcyaml-dev
       libyaml-dev libsqlite3-dev libicu-dev libsystemd-dev libcsv-dev libpq-dev"
run="openssl ca-certificates python3 tzdata"
test="$run libcmocka-dev curl slowhttptest systemd strace util-linux sslscan testssl.sh clang libclang-rt-14-dev spin nodejs nginx-light
      iproute2 chromium fonts-dejavu-core scdoc groff prometheus postgresql haproxy libnginx-mod-stream sqlite3"
command -v npm >/dev/null || test="$test npm" # other builds of Node bring their own
bench="$run nginx-light gsoap libgsoap-dev postgresql"
lint="clang clang-format clang-tidy cppcheck shellcheck libcmocka-dev git"
deb="debhelper dpkg-dev lintian scdoc"
case "${1:-all}" in
build) want="$build" ;;
test) want="$build $test" ;;
demo) want="$build $run curl" ;;
bench) want="$build $bench" ;;
lint) want="$build $lint" ;;
fuzz) want="$build clang libclang-rt-14-dev" ;;
model) want="spin gcc" ;;
deb) want="$build $deb" ;;
rootfs) want="$build $run mmdebstrap util-linux strace" ;;
all) want="$build $test $bench $lint" ;;
*) echo "usage: $0 build|test|demo|bench|lint|fuzz|model|deb|rootfs|all" >&2; exit 2 ;;
esac

have=$(dpkg-query -W -f '${db:Status-Abbrev} ${Package}\n' 2>/dev/null | sed -n 's/^ii *//p')
missing=()
for package in $want; do
    grep -qx "$package" <<<"$have" || missing+=("$package")
done
[ ${#missing[@]} -eq 0 ] && exit 0

as_root=()
if [ "$(id -u)" -ne 0 ]; then
    if ! command -v sudo >/dev/null; then
        echo "These Debian packages are missing, and neither root nor sudo is at hand to install them: ${missing[*]}" >&2
        exit 1
    fi
    as_root=(sudo)
fi
echo "Installing missing Debian packages: ${missing[*]}"
export DEBIAN_FRONTEND=noninteractive
log=$(mktemp)
trap 'rm -f "$log"' EXIT
# The tests make servers of their own; Debian's package would otherwise make one of the machine's, and start it.
if [[ " ${missing[*]} " == *" postgresql "* ]] && [ ! -e /etc/postgresql-common/createcluster.conf ]; then
    echo "PostgreSQL comes without a cluster (/etc/postgresql-common/createcluster.conf: create_main_cluster = false)"
    "${as_root[@]}" mkdir -p /etc/postgresql-common
    echo "create_main_cluster = false" | "${as_root[@]}" tee /etc/postgresql-common/createcluster.conf >/dev/null
fi
install() { "${as_root[@]}" apt-get install -y -qq --no-install-recommends "${missing[@]}" >"$log" 2>&1; }
install || { "${as_root[@]}" apt-get update -qq >"$log" 2>&1 && install; } || { cat "$log" >&2; exit 1; }
