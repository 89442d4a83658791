# Sets up the unpacked packages of a Debian tree, $1 (unpacked-tree.sh). Runs in a guest of the tree's processor. Prints
# each package with its version; dpkg's own output goes to standard error.
set -eu
root="$1"
for folder in proc sys dev; do mount --rbind "/$folder" "$root/$folder"; done
for folder in run tmp; do mount -t tmpfs -o mode=1777 tmpfs "$root/$folder"; done
export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root DEBIAN_FRONTEND=noninteractive DEBCONF_NONINTERACTIVE_SEEN=true
# No package may start a service.
printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d"
chmod 755 "$root/usr/sbin/policy-rc.d"
# Runs the scripts as dpkg would have. The one of base-passwd comes first, because the others need its accounts.
for script in base-passwd $(ls "$root/var/lib/nova/preinst"); do
  path="/var/lib/nova/preinst/$script"
  [ -e "$root$path" ] || continue
  echo "Preparing $script" >&2
  DPKG_MAINTSCRIPT_NAME=preinst DPKG_MAINTSCRIPT_PACKAGE="$script" DPKG_MAINTSCRIPT_PACKAGE_REFCOUNT=1 DPKG_ROOT='' \
    chroot "$root" "$path" install >&2
  rm "$root$path"
done
chroot "$root" dpkg --force-depends --force-unsafe-io --configure $(cat "$root/var/lib/nova/essential") >&2
chroot "$root" dpkg --force-unsafe-io --configure --pending >&2
broken="$(chroot "$root" dpkg --audit)"
if [ -n "$broken" ]; then
  echo "error: $broken" >&2
  exit 1
fi
chroot "$root" dpkg-query -W -f '${binary:Package} ${Version}\n'
rm -r "$root/usr/sbin/policy-rc.d" "$root/var/lib/nova"
for folder in tmp run dev sys proc; do umount -R "$root/$folder"; done
