# shellcheck shell=sh disable=SC2154
# SPDX-License-Identifier: Apache-2.0
# Compiles system call filters. What gperf would generate is in the tarball, so gperf is not needed.
# needs: musl linux-headers
# variants: musl host
recipe_build()
{
	GPERF=false CFLAGS="$CFLAGS" ./configure --host="$host" --prefix="$prefix" \
		--disable-shared --enable-static --disable-python
	make "$jobs" -C src libseccomp.la ACLOCAL=: AUTOCONF=: AUTOHEADER=: AUTOMAKE=:
	install -D -m 644 -t "$stage$prefix/lib" src/.libs/libseccomp.a
	install -D -m 644 -t "$stage$prefix/include" include/seccomp.h include/seccomp-syscalls.h
}
