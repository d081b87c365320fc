# shellcheck shell=sh disable=SC2154
# SPDX-License-Identifier: Apache-2.0
# The CA certificates of Mozilla's that Debian carries, as one PEM file, in the order of their file names.
# needs:
# variants: musl
recipe_build()
{
	dpkg-deb -x "$sources/ca-certificates.deb" deb
	LC_ALL=C
	export LC_ALL
	mkdir -p "$stage$prefix/share"
	set -- deb/usr/share/ca-certificates/mozilla/*.crt
	[ $# -gt 100 ] || { echo "ca-certificates: the package holds $# certificates" && return 1; }
	for file; do
		# what is between the marks, with a newline after each: a file without one at its end spoils the next
		sed -n '/^-----BEGIN CERTIFICATE-----/,/^-----END CERTIFICATE-----/p' "$file"
	done >"$stage$prefix/share/ca-certificates.crt"
	[ "$(grep -c '^-----END CERTIFICATE-----' "$stage$prefix/share/ca-certificates.crt")" -eq $# ]
}
