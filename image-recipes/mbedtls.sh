# shellcheck shell=sh disable=SC2154
# SPDX-License-Identifier: Apache-2.0
# Digests, and TLS for the registry client. -O2: hashing is the slow step of unpacking.
# The source asks getrandom(2) only where the C library is glibc and opens /dev/urandom elsewhere: the process that speaks TLS has no
# file system to open it in.
# needs: musl linux-headers
# variants: musl host
recipe_build()
{
	sed -i 's/(defined(__linux__) && defined(__GLIBC__))/defined(__linux__)/' library/entropy_poll.c
	grep -q '^#if (defined(__linux__) ||' library/entropy_poll.c
	make "$jobs" -C library static GEN_FILES= CC="$CC" AR="$AR" CFLAGS="$CFLAGS -O2"
	install -D -m 644 -t "$stage$prefix/lib" library/libmbedcrypto.a library/libmbedx509.a library/libmbedtls.a
	mkdir -p "$stage$prefix/include"
	cp -r include/mbedtls include/psa "$stage$prefix/include/"
}
