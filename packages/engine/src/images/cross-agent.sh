# Builds the guest agent with Debian's compilers in a tree that is thrown away. mmdebstrap runs it with the tree as $1.
# Descriptor 3 is the binary to write, descriptor 4 a tar archive of the crate and its dependencies. $target and $linker
# say for which processor.
set -eu
root="$1"
mkdir "$root/build"
tar -x -f - -C "$root/build" --no-same-owner <&4
# The packages are unpacked but not set up. Setting them up would have made the usual name of the compiler.
ln -s gcc "$root/usr/bin/cc"
variable="$(printf '%s' "$target" | tr a-z- A-Z_)"
echo 'nova: compiling'
env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/build CARGO_HOME=/build/home CARGO_TERM_COLOR=never \
  CARGO_BUILD_TARGET="$target" "CARGO_TARGET_${variable}_LINKER=$linker" \
  chroot "$root" /usr/bin/cargo build --release --locked --offline --manifest-path /build/Cargo.toml \
  --config /build/.cargo/config.toml --config 'source.crates-io.replace-with="vendored"' \
  --config 'source.vendored.directory="/build/vendor"'
cat "$root/build/target/$target/release/nova-agent" >&3
