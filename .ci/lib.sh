# Functions that the gates share. The gates source this file.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# Builds do not contain the version of the checkout: git refuses to report it if the
# checkout belongs to another user.
export GOFLAGS="${GOFLAGS:+$GOFLAGS }-buildvcs=false"

# CI_TMP is a directory for all gates of one run.
if [ -z "${CI_TMP-}" ]; then
	CI_TMP=$(mktemp -d)
	export CI_TMP
	trap 'rm -rf "$CI_TMP"' EXIT
fi

die() {
	echo "$*" >&2
	exit 1
}

# modules lists the directories of all modules in the checkout, the root first. git
# must accept a checkout of another user.
modules() { git -c safe.directory='*' ls-files '*go.mod' | sed 's,^,./,; s,/go\.mod$,,' | sort; }

# in_modules runs a command in each module, and fails if it fails in any.
in_modules() {
	local list module status=0
	list=$(modules)
	[ -n "$list" ] || die "git lists no module"
	for module in $list; do
		(cd "$module" && "$@") || { echo "in module $module: $* failed" >&2; status=1; }
	done
	return $status
}

# need COMMAND PACKAGE installs Debian's package unless the command is there.
need() {
	command -v "$1" >/dev/null && return
	local sudo=()
	[ "$(id -u)" = 0 ] || sudo=(sudo -n)
	if [ ! -e "$CI_TMP/updated" ]; then
		"${sudo[@]}" apt-get -qq update || die "$1 is missing, and apt-get update fails: install package $2"
		touch "$CI_TMP/updated"
	fi
	DEBIAN_FRONTEND=noninteractive "${sudo[@]}" apt-get -qq install --no-install-recommends "$2" ||
		die "$1 is missing: install package $2"
}

# judges installs the programs that check the output of the library and the examples:
# rules, packet files and metrics. Without them, tests that use them are skipped.
judges() {
	need nft nftables
	need iptables iptables
	need tshark tshark
	need promtool prometheus
}

# staticcheck runs the newest version for the toolchain.
staticcheck() {
	local version=v0.8.2
	case $(go env GOVERSION) in go1.25*) version=v0.7.0 ;; esac
	go run "honnef.co/go/tools/cmd/staticcheck@$version" "$@"
}
