# Unpacks the archive on standard input below the folder $1 and writes it as an ext4 image to descriptor 3.
# $2: how many inodes the image gets, $3: how many blocks of 4 KiB; $4: `memory`: the tree is in memory.
set -eu
mkdir -m 700 "$1"
# Whoever is root only of a user namespace could not remove files of other users. Memory goes away with the namespace.
if [ "$4" = memory ]; then mount -t tmpfs -o mode=700 tmpfs "$1"; fi
# The archive is ours: its names begin with ./, none leads elsewhere, and every folder comes before what is in it. So
# links need not be made last, as tar would do without -P.
tar --extract --preserve-permissions --same-owner --numeric-owner --absolute-names --delay-directory-restore \
  --xattrs --xattrs-include='*' --warning=no-timestamp --directory "$1" --file -
# The image is always read-only, so it needs no journal and only the space it uses.
mke2fs -q -F -t ext4 -b 4096 -I 256 -m 0 -N "$2" -L nova-root -O ^has_journal,^resize_inode -E nodiscard \
  -d "$1" /proc/self/fd/3 "$3"
