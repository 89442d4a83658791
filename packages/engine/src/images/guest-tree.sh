# Turns an installed Debian tree, $1, into a guest's root: adds its user, and removes traces of the host that built it
# and files that nobody reads. Runs on the tree itself or on a mounted copy.
set -eu
root="$1"

# The one user besides root.
if ! grep -q '^user:' "$root/etc/passwd"; then
  echo 'user:x:1000:1000::/home/user:/bin/bash' >>"$root/etc/passwd"
  echo 'user:!:19700:0:99999:7:::' >>"$root/etc/shadow"
  echo 'user:x:1000:' >>"$root/etc/group"
  echo 'user:!::' >>"$root/etc/gshadow"
  mkdir -p "$root/home"
  if [ -d "$root/etc/skel" ]; then cp -a "$root/etc/skel" "$root/home/user"; else mkdir "$root/home/user"; fi
  chown -R 1000:1000 "$root/home/user"
  chmod 755 "$root/home/user"
fi
[ -x "$root/bin/bash" ] || sed -i 's|^\(user:.*\):/bin/bash$|\1:/bin/sh|' "$root/etc/passwd"
if [ -d "$root/etc/sudoers.d" ]; then
  # A clone's host name does not resolve, and sudo would try to resolve it on every call.
  printf 'Defaults !fqdn\nuser ALL=(ALL:ALL) NOPASSWD: ALL\n' >"$root/etc/sudoers.d/user"
  chmod 440 "$root/etc/sudoers.d/user"
fi
if [ -e "$root/usr/bin/python3" ] && [ ! -e "$root/usr/bin/python" ]; then ln -s python3 "$root/usr/bin/python"; fi

# Nothing of the host that built it may stay. The agent gives each clone its own machine id.
: >"$root/etc/machine-id"
rm -f "$root/var/lib/dbus/machine-id" "$root/etc/resolv.conf"
echo 'nameserver 10.0.2.3' >"$root/etc/resolv.conf"
echo sandbox >"$root/etc/hostname"
printf '127.0.0.1 localhost\n127.0.1.1 sandbox\n::1 localhost ip6-localhost ip6-loopback\n' >"$root/etc/hosts"
: >"$root/etc/fstab"
chmod 644 "$root/etc/machine-id" "$root/etc/resolv.conf" "$root/etc/hostname" "$root/etc/hosts" "$root/etc/fstab"

# Files that were installed before dpkg was told to leave them out.
rm -rf "$root"/usr/share/man/* "$root"/usr/share/info/* "$root"/usr/share/locale/* "$root"/usr/share/lintian/* "$root"/usr/share/bug/*
find "$root/usr/share/doc" ! -type d ! -name copyright -delete
find "$root/usr/share/doc" -mindepth 1 -type d -empty -delete
find "$root/var/lib/apt/lists" "$root/var/cache/apt" -type f ! -name lock -delete
find "$root/var/log" -type f -delete
rm -rf "$root"/var/cache/debconf/*-old "$root"/var/lib/dpkg/*-old "$root"/var/cache/ldconfig/aux-cache
rm -f "$root/etc/apt/apt.conf.d/00mmdebstrap"
