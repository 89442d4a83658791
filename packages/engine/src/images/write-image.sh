# Writes a tree, $1, as an ext4 image to descriptor 3. Run by mmdebstrap, which may be root of a user namespace only. $room: how many times the space
# it needs, default 1.
set -eu
root="$1"
echo 'nova: making the image'
# /proc, /sys and /dev are mounted in the tree: looked at through a bind mount they are the empty folders they should be.
flat="$(mktemp -d)"
trap 'umount -R "$flat" && rmdir "$flat"' EXIT
mount --bind "$root" "$flat"
# mmdebstrap's own files lie in /tmp. They are hidden, not removed: without its configuration apt would work on the host.
mount -t tmpfs -o mode=1777 tmpfs "$flat/tmp"
mount -t tmpfs -o mode=755 tmpfs "$flat/run"
blocks=$(($(du -s -B 4096 "$flat" | cut -f 1) * ${room:-1}))
inodes=$(($(find "$flat" | wc -l) * ${room:-1}))
# Read-only for ever: no journal, and just the space it needs.
mke2fs -q -F -t ext4 -b 4096 -I 256 -m 0 -N $((inodes + inodes / 20 + 64)) -L nova-root \
  -O ^has_journal,^resize_inode -E nodiscard -d "$flat" /proc/self/fd/3 $((blocks + blocks / 16 + inodes / 10 + 2048))
