#!/usr/bin/env bash
# Makes what TLS needs on a developer's machine: an authority, server certificates (ECDSA P-256 and RSA-2048) and a client's.
# usage: certs/make-dev.sh DIR [NAME...]     NAME: further host names or IP addresses for the servers
# What is there and still good (same names, a day of life left) is kept. Keys are readable by their owner only.
set -euo pipefail

if [ $# -lt 1 ] || [ "$1" = --help ]; then
    sed -n '2,4s/^# //p' "$0"
    exit $(($# < 1 ? 2 : 0))
fi
dir=$1
shift
umask 077
mkdir -p "$dir"

san="DNS:localhost,IP:127.0.0.1,IP:::1"
for name in "$@"; do
    case $name in
    *:* | [0-9]*.[0-9]*.[0-9]*.[0-9]*) san="$san,IP:$name" ;;
    *) san="$san,DNS:$name" ;;
    esac
done

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
log=$work/log
run() { "$@" >"$log" 2>&1 || { cat "$log" >&2; exit 1; }; }

make_key() { # file ec|rsa
    if [ "$2" = ec ]; then
        run openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$1"
    else
        run openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out "$1"
    fi
}

good() { # NAME: certificate and key are there, of the present authority, not about to end, and made with the same extensions
    [ -s "$dir/$1.pem" ] && [ -s "$dir/$1.key" ] && [ -s "$dir/$1.ext" ] &&
        cmp -s "$work/ext" "$dir/$1.ext" &&
        openssl x509 -in "$dir/$1.pem" -noout -checkend 86400 >/dev/null 2>&1 &&
        openssl verify -CAfile "$dir/ca.pem" "$dir/$1.pem" >/dev/null 2>&1
}

authority() {
    printf 'basicConstraints=critical,CA:TRUE,pathlen:0\nkeyUsage=critical,keyCertSign,cRLSign\nsubjectKeyIdentifier=hash\n' >"$work/ext"
    good ca && return
    make_key "$dir/ca.key" ec
    run openssl req -new -key "$dir/ca.key" -subj "/CN=touchpointd development CA" -out "$work/csr"
    run openssl x509 -req -in "$work/csr" -signkey "$dir/ca.key" -days 3650 -extfile "$work/ext" -out "$dir/ca.pem"
    cp "$work/ext" "$dir/ca.ext"
}

leaf() { # NAME kind common-name usage
    printf 'basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\nextendedKeyUsage=%s\nsubjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n' "$4" >"$work/ext"
    [ "$4" = serverAuth ] && printf 'subjectAltName=%s\n' "$san" >>"$work/ext"
    good "$1" && return
    make_key "$dir/$1.key" "$2"
    run openssl req -new -key "$dir/$1.key" -subj "/CN=$3" -out "$work/csr"
    run openssl x509 -req -in "$work/csr" -CA "$dir/ca.pem" -CAkey "$dir/ca.key" -set_serial "0x$(openssl rand -hex 16)" -days 825 \
        -extfile "$work/ext" -out "$work/leaf"
    cat "$work/leaf" "$dir/ca.pem" >"$dir/$1.pem" # the chain, the leaf first
    cp "$work/ext" "$dir/$1.ext"
}

authority
leaf server ec localhost serverAuth
leaf server-rsa rsa localhost serverAuth
leaf client ec "touchpointd development client" clientAuth
chmod 644 "$dir"/*.pem "$dir"/*.ext
chmod 600 "$dir"/*.key
echo "$dir: ca.pem, server.pem, server-rsa.pem, client.pem and their .key files; names: $san"
