# shellcheck shell=sh disable=SC2154
# SPDX-License-Identifier: Apache-2.0
# Time zones as one C string, a line "NAME RULE" each: RULE is the POSIX text at the end of a zone's file, which says what holds from now on.
# What was so in the past is left out: an appliance shows its own times.
# needs:
# variants: musl host
recipe_build()
{
	dpkg-deb -x "$sources/tzdata.deb" deb
	LC_ALL=C
	export LC_ALL
	mkdir -p "$stage$prefix/include"
	(cd deb/usr/share/zoneinfo && find . \( -type f -o -type l \) ! -path './posix/*' ! -path './right/*' ! -name localtime ! -name posixrules) |
		sed 's|^\./||' | sort >names
	while read -r zone; do
		[ "$(head -c 4 "deb/usr/share/zoneinfo/$zone")" = TZif ] || continue
		rule=$(tail -n 1 "deb/usr/share/zoneinfo/$zone")
		case $zone$rule in
		*[!A-Za-z0-9_/+,.:\<\>-]*) echo "tzdata: $zone: $rule" && return 1 ;;
		esac
		[ -z "$rule" ] || printf '"%s %s\\n"\n' "$zone" "$rule"
	done <names >"$stage$prefix/include/cleat-zones.def"
	[ "$(wc -l <"$stage$prefix/include/cleat-zones.def")" -gt 300 ]
}
