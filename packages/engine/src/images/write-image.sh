# Writes a tree, $1, as an ext4 image to descriptor 3. Run by mmdebstrap, which may be root only of a user namespace.
# $room: how many times the needed space the image gets, default 1.
set -eu
root="$1"
echo 'nova: making the image'
# /proc, /sys and /dev are mounted in the tree. Through a bind mount they appear as the empty folders they should be.
flat="$(mktemp -d)"
trap 'umount -R "$flat" && rmdir "$flat"' EXIT
mount --bind "$root" "$flat"
# mmdebstrap keeps its own files in /tmp. They are hidden, not removed, because without its configuration apt would work
# on the host.
mount -t tmpfs -o mode=1777 tmpfs "$flat/tmp"
mount -t tmpfs -o mode=755 tmpfs "$flat/run"
blocks=$(($(du -s -B 4096 "$flat" | cut -f 1) * ${room:-1}))
inodes=$(($(find "$flat" | wc -l) * ${room:-1}))
# The image is always read-only, so it needs no journal and only the space it uses.
mke2fs -q -F -t ext4 -b 4096 -I 256 -m 0 -N $((inodes + inodes / 20 + 64)) -L nova-root \
  -O ^has_journal,^resize_inode -E nodiscard -d "$flat" /proc/self/fd/3 $((blocks + blocks / 16 + inodes / 10 + 2048))
