# Functions for virtual machines with the kernels of Debian and Ubuntu. Gates
# source this file after lib.sh.

# The cache of packages.
cache=${XDG_CACHE_HOME:-$HOME/.cache}/ipqueue/kernels
keys=/usr/share/keyrings/debian-archive-keyring.gpg

# Debian has no package with Ubuntu's keys.
keyring=ubuntu-keyring_2023.11.28.1_all.deb
keyring_hash=36de43b15853ccae0028e9a767613770c704833f82586f28eb262f0311adb8a8

# source_of prints suite, archive and packages of a kernel, or of the system that
# runs on it.
source_of() {
	case $1 in
	5.10) echo bullseye-security debian-security linux-image-cloud-amd64 ;;
	6.1) echo bookworm-security debian-security linux-image-cloud-amd64 ;;
	6.12) echo bookworm-security debian-security linux-image-6.12-cloud-amd64 ;;
	newest) echo trixie-backports debian linux-image-cloud-amd64 ;;
	ubuntu) echo noble-updates ubuntu linux-image-virtual ;;
	ubuntu-userland) echo noble ubuntu busybox-static kmod nftables iptables conntrack iproute2 apparmor ;;
	userland) echo bookworm debian busybox-static kmod nftables iptables conntrack iproute2 ;;
	esac
}

# need_vm installs the programs that create and run virtual machines.
need_vm() {
	need qemu-system-x86_64 qemu-system-x86
	need depmod kmod
	need cpio cpio
	need zstd zstd
	[ -e "$keys" ] || need "$keys" debian-archive-keyring
}

# ubuntu_keys fetches the keys of Ubuntu's archive, and prints where they are.
ubuntu_keys() {
	local dir=$cache/ubuntu-keys
	if [ ! -e "$dir/usr" ]; then
		mkdir -p "$dir"
		curl -fsS -o "$dir/$keyring" "http://archive.ubuntu.com/ubuntu/pool/main/u/ubuntu-keyring/$keyring" &&
			sha256sum -c --quiet <<<"$keyring_hash  $dir/$keyring" && dpkg-deb -x "$dir/$keyring" "$dir" ||
			die "Ubuntu's keys cannot be had"
	fi
	echo "$dir/usr/share/keyrings/ubuntu-archive-keyring.gpg"
}

# suite NAME ARCHIVE COMMAND... runs an apt command that knows this suite, and
# none of the system's own sources and packages.
suite() {
	local dir=$cache/$1 source command=$3
	case $2 in
	ubuntu) source="[signed-by=$(ubuntu_keys)] http://archive.ubuntu.com/$2 $1 main universe" ;;
	*) source="[signed-by=$keys] http://deb.debian.org/$2 $1 main" ;;
	esac
	shift 3
	mkdir -p "$dir/lists/partial" "$dir/archives/partial"
	echo "deb $source" >"$dir/sources.list"
	"$command" -qq -o "Dir::Etc::SourceList=$dir/sources.list" -o Dir::Etc::SourceParts=/dev/null \
		-o "Dir::State::Lists=$dir/lists" -o "Dir::Cache=$dir" -o Dir::State::Status=/dev/null \
		-o APT::Architecture=amd64 -o APT::Architectures=amd64 -o APT::Sandbox::User= \
		-o Acquire::Languages=none -o Acquire::Retries=3 -o Acquire::http::Timeout=30 "$@"
}

# fetch NAME downloads the missing packages of a kernel, or of userland, and prints
# the names of the files.
fetch() {
	local name archive want packages
	read -r name archive want <<<"$(source_of "$1")"
	if [ -z "$(find "$cache/$name/updated" -mmin -720 2>/dev/null)" ]; then
		suite "$name" "$archive" apt-get update >&2 || die "the packages of $name cannot be had"
		touch "$cache/$name/updated"
	fi
	# The meta package of a kernel names the one with its version.
	packages=$(suite "$name" "$archive" apt-cache depends --recurse --important $want | grep '^[a-z]')
	case $1 in
	*userland) ;;
	*) packages=$(grep -E '^linux-(image|binary|modules|base)-[0-9]' <<<"$packages") || die "$name has no $want" ;;
	esac
	(cd "$cache/$name/archives" && suite "$name" "$archive" apt-get download $packages >&2) ||
		die "the packages of $name cannot be had"
	suite "$name" "$archive" apt-get --print-uris download $packages |
		awk -v directory="$cache/$name/archives/" '{ print directory $2 }'
}

# archive DIRECTORY prints its files as an initramfs that belongs to root.
archive() { (cd "$1" && find . | LC_ALL=C sort | cpio --quiet -o -H newc -R 0:0); }

# make_kernel KERNEL unpacks it, and prints its version when vmlinuz and
# initramfs are in the directory of that name.
make_kernel() {
	local dir=$CI_TMP/vm/$1 file files version
	mkdir -p "$dir/root"
	case $1 in
	ubuntu) files=$(fetch ubuntu; fetch ubuntu-userland) ;;
	*) files=$(fetch "$1"; fetch userland) ;;
	esac
	for file in $files; do
		dpkg-deb -x "$file" "$dir/root"
	done
	# In Ubuntu these are links, which the package base-files contains.
	for name in bin sbin lib lib64; do
		mkdir -p "$dir/root/$name" "$dir/root/usr/$name"
		cp -a "$dir/root/$name/." "$dir/root/usr/$name"
		rm -rf "$dir/root/$name"
		ln -s "usr/$name" "$dir/root/$name"
	done
	find "$dir/root" -name 'vmlinuz*' -exec mv {} "$dir/vmlinuz" \;
	version=$(ls "$dir/root/lib/modules")
	rm -rf "$dir"/root/{boot,usr/share,usr/lib/x86_64-linux-gnu/{gconv,perl*,engines*}}
	# Of the drivers, only those for virtual network devices.
	(cd "$dir/root/lib/modules/$version/kernel" &&
		find . -name '*.ko*' ! -path './net/*' ! -path './lib/*' ! -path './crypto/*' ! -path './drivers/net/*' \
			! -path './arch/*' ! -path './security/*' -delete
		rm -rf drivers/net/{ethernet,wireless,usb,phy,fddi,hyperv,can,wwan,mdio} net/{sunrpc,9p,bluetooth,ceph,mac80211,wireless,rxrpc,smc,tipc,can,sctp,dccp,nfc,batman-adv})
	find "$dir/root/lib/modules" -name '*.ko.zst' -exec zstd -dq --rm {} +
	depmod -b "$dir/root" "$version"
	install -m 755 .ci/vm/init "$dir/root/init"
	archive "$dir/root" >"$dir/initramfs"
	rm -rf "$dir/root"
	echo "$version"
}

# accelerator prints the accelerator for qemu: KVM if a kernel starts with it. That
# fails on some machines where /dev/kvm can be opened.
accelerator() {
	local log=$CI_TMP/vm/kvm.log
	if [ -w /dev/kvm ]; then
		timeout 10 qemu-system-x86_64 -accel kvm -cpu host -m 512 -nodefaults -display none -no-reboot \
			-kernel "$1" -append 'console=ttyS0 panic=-1' -serial "file:$log" 2>/dev/null || :
		grep -q 'Linux version' "$log" && echo kvm && return
	fi
	echo tcg
}

# boot KERNEL TESTS SECONDS starts a virtual machine that runs /plan of the
# initramfs TESTS, and returns when it has ended. The file results then contains
# the output of the tests, and console that of the kernel.
boot() {
	local dir=$CI_TMP/vm/$1
	cat "$dir/initramfs" "$2" >"$dir/initrd"
	: >"$dir/console" >"$dir/results"
	timeout -k 5 "$3" qemu-system-x86_64 -accel "$accel" -cpu max -smp 2 -m 3072 \
		-nodefaults -no-user-config -display none -no-reboot \
		-kernel "$dir/vmlinuz" -initrd "$dir/initrd" \
		-append 'console=ttyS0 panic=-1 oops=panic mitigations=off quiet loglevel=4' \
		-serial "file:$dir/console" -serial "file:$dir/results" </dev/null
}
