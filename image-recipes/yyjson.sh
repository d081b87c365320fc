# shellcheck shell=sh disable=SC2154
# SPDX-License-Identifier: Apache-2.0
# JSON, read and written.
# needs: musl linux-headers
# variants: musl host
recipe_build()
{
	# shellcheck disable=SC2086
	$CC $CFLAGS -std=gnu17 -c src/yyjson.c -o yyjson.o
	$AR rcsD libyyjson.a yyjson.o
	install -D -m 644 -t "$stage$prefix/lib" libyyjson.a
	install -D -m 644 -t "$stage$prefix/include" src/yyjson.h
}
