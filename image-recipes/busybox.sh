# shellcheck shell=sh disable=SC2154
# SPDX-License-Identifier: Apache-2.0
# Shell and tools of the appliance: everything off but what busybox.config names.
# needs: musl linux-headers
# variants: musl
recipe_build()
{
	# allnoconfig for the generated Config.in files only: it cannot merge, so every word that the fragment does not set
	# is set to "no" here, and what is left to ask for is numbers with good defaults.
	export SOURCE_DATE_EPOCH=1735689600 # the date in its banner
	make allnoconfig HOSTCC="$BUILD_CC"
	{
		grep '^CONFIG_' "$recipes/busybox.config"
		grep -rhE '^[[:space:]]*(menu)?config [A-Za-z0-9_]+' --include=Config.in . | awk '{ print "CONFIG_" $2 }' | sort -u >words
		sed -n 's/=.*//; /^CONFIG_/p' "$recipes/busybox.config" >chosen
		grep -vxFf chosen words | sed 's/.*/# & is not set/'
	} >.config
	yes '' | make oldconfig HOSTCC="$BUILD_CC"
	# A word that this version does not know would vanish without a sound.
	grep '^CONFIG_' "$recipes/busybox.config" | while read -r line; do
		grep -qxF "$line" .config || { echo "busybox.config: $line was not accepted" && exit 1; }
	done
	make "$jobs" busybox HOSTCC="$BUILD_CC" CC="$CC" AR="$AR" CROSS_COMPILE="$CROSS" SKIP_STRIP=y \
		CONFIG_EXTRA_CFLAGS="$CFLAGS" \
		CFLAGS_busybox="-static-pie -Wl,-z,relro,-z,now,-z,noexecstack"
	"${CROSS}strip" -o busybox.stripped busybox
	make busybox.links
	install -D -m 755 busybox.stripped "$stage$prefix/bin/busybox"
	install -D -m 644 busybox.links "$stage$prefix/share/busybox.links"
}
