# Unpacks the packages in /var/cache/apt/archives of a Debian tree, $1, for a processor other than this host's. It does
# everything that dpkg does with a package except running its scripts, which a guest does later (install-packages.sh).
set -eu
root="$1"
later="$root/var/lib/nova"
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
mkdir "$later" "$later/preinst"
: >"$later/essential"
for archive in "$root"/var/cache/apt/archives/*.deb; do
  name="$(dpkg-deb -f "$archive" Package)"
  # The scripts of other packages rely on these.
  case "$(dpkg-deb -W --showformat '${Essential} ${Priority}' "$archive")" in
    'yes '* | *' required') echo "$name" >>"$later/essential" ;;
  esac
  dpkg-deb -R "$archive" "$work/$name"
  rm "$archive"
  # The only script that would run before its package is unpacked.
  if [ -e "$work/$name/DEBIAN/preinst" ]; then mv "$work/$name/DEBIAN/preinst" "$later/preinst/$name"; fi
  dpkg-deb -b -Znone "$work/$name" "$work/$name.deb" >/dev/null
  rm -r "$work/$name"
done
dpkg --root="$root" --force-depends --force-architecture --force-unsafe-io --no-triggers --unpack "$work"/*.deb
rm -rf "$work"
trap - EXIT
