# shellcheck shell=sh disable=SC2154
# SPDX-License-Identifier: Apache-2.0
# For tests only: they write gzip with it, and compare what igzip reads with what it reads.
# needs:
# variants: host
recipe_build()
{
	CFLAGS="$CFLAGS -O2" CHOST=$host ./configure --static --prefix="$prefix"
	make "$jobs" libz.a
	install -D -m 644 -t "$stage$prefix/lib" libz.a
	install -D -m 644 -t "$stage$prefix/include" zlib.h zconf.h
}
