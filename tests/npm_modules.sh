# shellcheck shell=bash
# For the scripts whose tests run in Node: sourced, in the project's root.

# Puts FOLDER's scripts into MODULES beside the packages that its package-lock.json names, since Node finds packages beside the
# file that wants them. Fails if npm does.
npm_modules() { # folder modules
    local folder=$1 modules=$2 root=$PWD lock
    mkdir -p "$modules"
    lock=$(cat "$folder/package.json" "$folder/package-lock.json" | sha256sum)
    if [ "$(cat "$modules/installed" 2>/dev/null)" != "$lock" ]; then
        cp "$folder/package.json" "$folder/package-lock.json" "$modules/"
        (cd "$modules" && npm ci --loglevel=error --no-audit --no-fund --ignore-scripts --cache "$root/build/npm-cache" --prefer-offline) ||
            return 1
        echo "$lock" >"$modules/installed"
    fi
    cp "$folder"/*.mjs "$modules/"
}
