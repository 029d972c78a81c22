#!/usr/bin/env bash
# Builds the load generator and the gSOAP peer into build/bench/ and runs bench.py; `make bench` has built the daemon.
# BENCH_ROUNDS (5), BENCH_SECONDS (3) and BENCH_QUEUED (1000000) make it shorter or longer. See README.md.
set -euo pipefail
cd "$(dirname "$0")/../.."

out=build/bench
peer=$out/gsoap
mkdir -p "$peer"
cc=${CC:-gcc}
flags=(-std=c17 -D_POSIX_C_SOURCE=200809L -O2 -g -pthread -iquote include -Wall -Wextra -Wpedantic -Wshadow
       -Wconversion -Wsign-conversion -Wstrict-prototypes -Wmissing-prototypes -Werror)
read -ra xml <<<"$(pkg-config --libs libxml-2.0)"
read -ra icu <<<"$(pkg-config --libs icu-i18n icu-uc)"
read -ra gsoap_flags <<<"$(pkg-config --cflags gsoapssl)"
read -ra gsoap_libs <<<"$(pkg-config --libs gsoapssl)"

here=tests/bench
lib=build/release/libtouchpoint.a
"$cc" "${flags[@]}" $here/load.c $here/pump.c $here/client.c $here/message.c $lib -o $out/load \
    -lssl -lcrypto "${xml[@]}"
"$cc" "${flags[@]}" $here/parse.c $here/message.c $lib -o $out/parse "${xml[@]}"
"$cc" "${flags[@]}" $here/fdatasync.c -o $out/fdatasync
"$cc" -O2 -shared -fPIC $here/allocs.c -o $out/allocs.so
"$cc" "${flags[@]}" $here/decide.c $lib -o $out/decide "${icu[@]}" -lm

soapcpp2 -1 -c -S -L -x -w -p outbound -d "$peer" $here/gsoap_peer/outbound.h >"$peer/soapcpp2.log" 2>&1 ||
    { cat "$peer/soapcpp2.log" >&2; exit 1; }
# What soapcpp2 generates is not ours to keep free of warnings.
for part in C Server; do
    "$cc" -O2 -w "${gsoap_flags[@]}" -I "$peer" -c "$peer/outbound$part.c" -o "$peer/outbound$part.o"
done
"$cc" "${flags[@]}" "${gsoap_flags[@]}" -isystem "$peer" $here/gsoap_peer/peer.c $here/gsoap_peer/store.c \
    "$peer/outboundC.o" "$peer/outboundServer.o" -o $out/gsoap-peer "${gsoap_libs[@]}" -lsqlite3 -lssl -lcrypto

exec python3 $here/bench.py
