# shellcheck shell=sh disable=SC2154
# SPDX-License-Identifier: Apache-2.0
# gzip layers.
# needs: musl linux-headers
# variants: musl host
recipe_build()
{
	CFLAGS="$CFLAGS -O2" CHOST=$host ./configure --static --prefix="$prefix"
	make "$jobs" libz.a
	install -D -m 644 -t "$stage$prefix/lib" libz.a
	install -D -m 644 -t "$stage$prefix/include" zlib.h zconf.h
}
