#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Installs Debian for `domus image build debian`, without root where mmdebstrap can. Started by
# build.c in an empty folder, with what is wanted in IMAGE_… variables, all checked there.
# Makes disk.raw of IMAGE_SIZE bytes: GRUB's boot.img in its first sector, its core.img from
# IMAGE_GRUB_OFFSET on, the file system of IMAGE_ROOT_SIZE bytes from IMAGE_ROOT_OFFSET on.
# Standard output: one line for each stage, then "kernel VERSION". Standard error: everything else.
set -euo pipefail

fail() {
    echo "E: $*" >&2
    exit 1
}

# need PROGRAM PACKAGE
need() {
    command -v "$1" >/dev/null || fail "there is no $1 on this host; install Debian's package $2"
}

# How mmdebstrap is root in the new system. Not by fakechroot, where Debian's tools do not all work.
choose_mode() {
    PATH=$PATH:/usr/sbin:/sbin
    need mmdebstrap mmdebstrap
    need mke2fs e2fsprogs
    mode=root
    [ "$(id -u)" != 0 ] || return 0
    mode=unshare
    unshare --user true 2>/dev/null || fail "this host lets $(id -un) make no user namespaces" \
        "(unshare --user true); build as root, or in a virtual machine that has Debian"
    need newuidmap uidmap
    grep -qE "^($(id -un)|$(id -u)):" /etc/subuid ||
        fail "user $(id -un) has no range of user IDs; root can give one: usermod" \
            "--add-subuids 100000-165535 --add-subgids 100000-165535 $(id -un)"
}

# write_at OFFSET: puts standard input there on the disk. That is open as descriptor 3, since its
# name may be out of reach in the user namespace.
write_at() {
    dd status=none conv=notrunc oflag=seek_bytes seek="$1" of=/proc/self/fd/3
}

# What the kernel's package decides when it makes the initial RAM disk; so before that.
prepare() {
    local root=$1
    mkdir -p "$root/etc/initramfs-tools/conf.d" "$root/etc/initramfs-tools/hooks"
    # Not what this host has, nor everything: what a disk of a virtual machine may be on.
    echo MODULES=list >"$root/etc/initramfs-tools/conf.d/domus"
    cat >"$root/etc/initramfs-tools/hooks/domus" <<'END'
#!/bin/sh
[ "$1" != prereqs ] || exit 0
. /usr/share/initramfs-tools/hook-functions
for module in virtio_pci virtio_mmio virtio_blk virtio_scsi ata_piix ahci sd_mod nvme \
    uhci_hcd xhci_pci usb_storage ext4; do
    manual_add_modules $module
done
END
    chmod 755 "$root/etc/initramfs-tools/hooks/domus"
    # GRUB's first stages are put on the disk by Domus, and again by `grub-install` in the guest.
    echo 'grub-pc grub-pc/install_devices_empty boolean true' | chroot "$root" debconf-set-selections
}

write_boot() {
    local root=$1
    mkdir -p "$root/etc/default/grub.d" "$root/boot/grub/i386-pc"
    cat >"$root/etc/default/grub.d/domus.cfg" <<'END'
GRUB_TIMEOUT=1
GRUB_CMDLINE_LINUX="console=tty0 console=ttyS0"
GRUB_TERMINAL="console serial"
GRUB_SERIAL_COMMAND="serial --unit=0 --speed=115200"
END
    # update-grub wants to see the disk. It makes a file of its own when a kernel is installed.
    cat >"$root/boot/grub/grub.cfg" <<END
search --no-floppy --fs-uuid --set=root $IMAGE_ROOT_UUID
serial --unit=0 --speed=115200
terminal_input console serial
terminal_output console serial
set timeout=1
menuentry 'Debian GNU/Linux' {
    linux /vmlinuz root=UUID=$IMAGE_ROOT_UUID ro console=tty0 console=ttyS0 quiet
    initrd /initrd.img
}
menuentry 'Debian GNU/Linux (recovery mode)' {
    linux /vmlinuz root=UUID=$IMAGE_ROOT_UUID ro console=tty0 console=ttyS0 single
    initrd /initrd.img
}
END
    cp "$root"/usr/lib/grub/i386-pc/*.mod "$root"/usr/lib/grub/i386-pc/*.lst "$root/boot/grub/i386-pc/"
    cat >"$root/tmp/load.cfg" <<END
search.fs_uuid $IMAGE_ROOT_UUID root
set prefix=(\$root)/boot/grub
END
    chroot "$root" grub-mkimage -O i386-pc -p /boot/grub -c /tmp/load.cfg -o /tmp/core.img \
        biosdisk part_gpt ext2 search_fs_uuid
    write_at 0 <"$root/usr/lib/grub/i386-pc/boot.img"
    write_at "$IMAGE_GRUB_OFFSET" <"$root/tmp/core.img"
    rm "$root/tmp/load.cfg" "$root/tmp/core.img"
}

write_system() {
    local root=$1
    echo "$IMAGE_HOSTNAME" >"$root/etc/hostname"
    printf '127.0.0.1\tlocalhost\n127.0.1.1\t%s\n::1\tlocalhost ip6-localhost ip6-loopback\n' \
        "$IMAGE_HOSTNAME" >"$root/etc/hosts"
    echo "UUID=$IMAGE_ROOT_UUID / ext4 errors=remount-ro,x-systemd.growfs 0 1" >"$root/etc/fstab"
    echo LANG=C.UTF-8 >"$root/etc/default/locale"
    # The root partition, the last one, takes what room the disk has been given.
    mkdir -p "$root/etc/repart.d"
    printf '[Partition]\nType=root\n' >"$root/etc/repart.d/50-root.conf"
    cat >"$root/etc/systemd/network/80-dhcp.network" <<'END'
[Match]
Type=ether

[Network]
DHCP=yes
END
    chroot "$root" systemctl -q enable systemd-networkd systemd-resolved fstrim.timer
}

write_user() {
    local root=$1 home
    chroot "$root" useradd --create-home --shell /bin/bash --groups sudo,adm "$IMAGE_USER"
    if [ -n "$IMAGE_PASSWORD_HASH" ]; then
        printf '%s:%s\n' "$IMAGE_USER" "$IMAGE_PASSWORD_HASH" | chroot "$root" chpasswd --encrypted
    else
        echo "$IMAGE_USER ALL=(ALL:ALL) NOPASSWD: ALL" >"$root/etc/sudoers.d/$IMAGE_USER"
        chmod 440 "$root/etc/sudoers.d/$IMAGE_USER"
    fi
    [ -n "$IMAGE_SSH_KEYS" ] || return 0
    home=$root/home/$IMAGE_USER
    mkdir -m 700 "$home/.ssh"
    printf '%s\n' "$IMAGE_SSH_KEYS" >"$home/.ssh/authorized_keys"
    chmod 600 "$home/.ssh/authorized_keys"
    chroot "$root" chown -R "$IMAGE_USER:" "/home/$IMAGE_USER/.ssh"
}

# What mmdebstrap would do after its hooks, which is too late for the file system.
tidy() {
    local root=$1
    chroot "$root" apt-get clean
    (cd "$root" && rm -rf etc/apt/apt.conf.d/*mmdebstrap etc/dpkg/dpkg.cfg.d/*mmdebstrap \
        usr/sbin/policy-rc.d var/lib/apt/lists/* var/log/apt/* var/log/*.log var/cache/debconf/*-old \
        var/cache/ldconfig/aux-cache var/lib/dbus/machine-id tmp/*)
    [ ! -e "$root/sbin/start-stop-daemon.REAL" ] ||
        mv "$root/sbin/start-stop-daemon.REAL" "$root/sbin/start-stop-daemon"
    : >"$root/etc/machine-id" # each machine makes its own
    # Last, since it ends name service in here.
    ln -sf ../run/systemd/resolve/stub-resolv.conf "$root/etc/resolv.conf"
}

finish() {
    local root=$1
    write_system "$root"
    write_user "$root"
    write_boot "$root"
    echo "domus: kernel $(basename "$root"/lib/modules/*)" >&2
    tidy "$root"
}

make_filesystem() {
    local root=$1 from=$1
    echo "domus: writing the file system" >&2
    # Without /proc and whatever else is mounted in there. Where nothing can be, nothing is.
    if mount --bind "$root" "$root/mnt" 2>/dev/null; then
        from=$root/mnt
    elif [ -e "$root/proc/self" ]; then
        echo "E: cannot see the new system without its /proc: no bind mounts here" >&2
        return 1
    fi
    # The file is new: what is not written is zeros.
    mke2fs -q -F -t ext4 -L root -U "$IMAGE_ROOT_UUID" -m 2 \
        -E "assume_storage_prezeroed=1,offset=$IMAGE_ROOT_OFFSET" -d "$from" \
        /proc/self/fd/3 "$((IMAGE_ROOT_SIZE / 1024))k"
    [ "$from" = "$root" ] || umount "$from"
}

# The host's own mirrors of the suite, as lines of sources.list; none where it has none.
host_mirrors() {
    local uri release component
    # shellcheck disable=SC2016
    apt-get indextargets --format '$(REPO_URI) $(RELEASE) $(COMPONENT)' 'Created-By: Packages' |
        sort -k 2 | uniq | while read -r uri release component; do
        case "$component $release" in
        "main $IMAGE_SUITE" | "main $IMAGE_SUITE-updates" | "main $IMAGE_SUITE-security")
            echo "deb ${uri%/} $release main"
            ;;
        esac
    done
}

mirrors() {
    case "$IMAGE_MIRROR" in
    "") host_mirrors ;;
    *) echo "deb $IMAGE_MIRROR $IMAGE_SUITE main" ;;
    esac
}

packages="systemd-sysv udev dbus systemd-resolved systemd-timesyncd e2fsprogs kmod initramfs-tools zstd
    grub-pc $IMAGE_KERNEL openssh-server sudo iproute2 iputils-ping netbase procps ca-certificates
    less vim-tiny $IMAGE_PACKAGES"

# mmdebstrap's messages, as stages; everything goes on to the log.
stages() {
    local line
    trap '' HUP INT TERM
    while IFS= read -r line; do
        case "$line" in
        "domus: "*) echo "${line#domus: }" ;;
        "I: downloading packages"*) echo "downloading packages" ;;
        "I: extracting archives"*) echo "unpacking the base system" ;;
        "I: installing essential"*) echo "installing the base system" ;;
        "I: installing remaining"*) echo "installing packages" ;;
        esac
        printf '%s\n' "$line" >&2
    done
}

# At a signal to all of us, mmdebstrap tidies up; wait for it.
trap : HUP INT TERM
choose_mode
truncate -s "$IMAGE_SIZE" disk.raw
chmod 666 disk.raw # root there is another user here; the folder is closed to all others

if [ -z "${http_proxy:-}" ]; then
    eval "$(apt-config shell http_proxy Acquire::http::Proxy)"
    [ -z "${http_proxy:-}" ] || export http_proxy
fi

sources=$(mirrors)
[ -n "$sources" ] || sources="deb http://deb.debian.org/debian $IMAGE_SUITE main"

# Hooks run as root of a user namespace, perhaps, which cannot read this file: they get the text.
IMAGE_HOOKS=$(declare -f write_at prepare write_boot write_system write_user tidy finish make_filesystem)
export IMAGE_HOOKS
# shellcheck disable=SC2016
hook='bash -euc "$IMAGE_HOOKS; \$0 \"\$1\""'
# shellcheck disable=SC2086
mmdebstrap --mode="$mode" --variant=apt --format=null --include="$(echo $packages | tr ' ' ,)" \
    --dpkgopt=force-unsafe-io --skip=cleanup --essential-hook="$hook prepare \"\$1\"" \
    --customize-hook="$hook finish \"\$1\"" --customize-hook="$hook make_filesystem \"\$1\"" \
    "$IMAGE_SUITE" - - <<<"$sources" 3<>disk.raw 2>&1 | stages
