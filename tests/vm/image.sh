#!/usr/bin/env bash
# Makes what the virtual machine boots, once for each content: a root with systemd and an ordinary user, and Debian's
# cloud kernels. NVMe and ext4 are built into them, so they start without an initramfs.
#
#   image.sh     prints the folder: root.ext4 and a vmlinuz-VERSION for each kernel
#
# Packages come from where apt of this machine gets its own.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

# As apt names them; 6.12 is the kernel of the next release, built for this one.
kernels=(linux-image-cloud-amd64 linux-image-6.12-cloud-amd64)
# No udev: devtmpfs has the nodes. Then what the tests and the loads run.
packages=systemd,systemd-sysv,dbus,dbus-user-session,libpam-systemd,kmod,iproute2,util-linux,procps
packages+=,python3,git,curl,openssl

as_root() {
    if [[ $EUID -eq 0 ]]; then "$@"; else sudo "$@"; fi
}

# The package that a meta package stands for.
concrete() {
    apt-cache depends --no-recommends --no-suggests "$1" | sed -n 's/^ *Depends: \(linux-image-[0-9].*\)$/\1/p'
}

# What is installed besides comes in its newest version whenever the image is made anew.
content() {
    cat image.sh tests.service
    apt-cache show --no-all-versions "$@" | grep -E '^(Package|Version):'
}

make_root() {
    local root=$1 settings=$2
    local leave_out=(--dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*'
        --dpkgopt='path-exclude=/usr/share/locale/*')
    mmdebstrap --quiet --mode=root --variant=minbase --format=directory --aptopt="$settings" "${leave_out[@]}" \
        --include="$packages" "$(. /etc/os-release && echo "$VERSION_CODENAME")" "$root" \
        /etc/apt/sources.list.d/*.sources >&2
}

# Modules for the interfaces that tests make, nothing for hardware.
add_kernel() {
    local archive=$1 root=$2 to=$3 unpacked version
    unpacked=$(mktemp -d -p "$to")
    dpkg-deb -x "$archive" "$unpacked"
    version=$(basename "$unpacked"/boot/vmlinuz-*)
    version=${version#vmlinuz-}
    mv "$unpacked/boot/vmlinuz-$version" "$to"
    rm -rf "$unpacked/lib/modules/$version/kernel/drivers/"{gpu,infiniband,media,scsi,hv}
    mkdir -p "$root/lib/modules"
    mv "$unpacked/lib/modules/$version" "$root/lib/modules"
    rm -rf "$unpacked"
    chroot "$root" depmod "$version"
}

# Nothing starts by itself but the buses, the managers of users and the tests.
add_guest() {
    local root=$1 unit
    install -m 644 -t "$root/etc/systemd/system" tests.service
    for unit in "$root"/lib/systemd/system/*.timer getty@tty1.service systemd-pstore.service e2scrub_reap.service \
        systemd-journal-flush.service systemd-update-utmp.service systemd-update-utmp-runlevel.service; do
        ln -sf /dev/null "$root/etc/systemd/system/$(basename "$unit")"
    done
    install -d "$root/etc/systemd/system/multi-user.target.wants" "$root/var/lib/systemd/linger"
    ln -s ../tests.service "$root/etc/systemd/system/multi-user.target.wants"
    chroot "$root" useradd --create-home --shell /bin/sh tester
    touch "$root/var/lib/systemd/linger/tester"
    echo vm >"$root/etc/hostname"
    echo 127.0.0.1 localhost vm >"$root/etc/hosts"
    systemd-id128 new 2>/dev/null >"$root/etc/machine-id" || tr -d - </proc/sys/kernel/random/uuid >"$root/etc/machine-id"
}

make_image() {
    local to=$1 archive root
    root=$to/root
    apt-config dump Acquire >"$to/apt.conf"
    make_root "$root" "$to/apt.conf"
    rm -f "$root/etc/apt/apt.conf.d/99mmdebstrap" "$to/apt.conf"
    (cd "$to" && apt-get -qq download "${archives[@]}" 2>/dev/null)
    for archive in "$to"/*.deb; do
        add_kernel "$archive" "$root" "$to"
        rm "$archive"
    done
    add_guest "$root"
    mke2fs -q -t ext4 -O ^has_journal -d "$root" "$to/root.ext4" 4G
    rm -rf "$root"
    chmod -R a+rX "$to"
}

if [[ ${1:-} == --into ]]; then
    archives=("${@:3}")
    make_image "$2"
    exit
fi
for kernel in "${kernels[@]}"; do
    name=$(concrete "$kernel")
    [[ -n $name ]] || { echo "error: apt knows no \"$kernel\"" >&2; echo "  hint: apt-get update" >&2; exit 1; }
    archives+=("$name")
done
image=.cache/$(content "${archives[@]}" | sha256sum | cut -c1-16)
if [[ ! -e $image/root.ext4 ]]; then
    as_root rm -rf .cache
    mkdir -p .cache/new
    as_root "$PWD/image.sh" --into "$PWD/.cache/new" "${archives[@]}" >&2
    mv .cache/new "$image"
fi
echo "$PWD/$image"
