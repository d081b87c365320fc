# shellcheck shell=sh disable=SC2154
# SPDX-License-Identifier: Apache-2.0
# Digests now, TLS with the registry client. -O2: hashing is the slow step of unpacking.
# needs: musl linux-headers
# variants: musl host
recipe_build()
{
	make "$jobs" -C library static GEN_FILES= CC="$CC" AR="$AR" CFLAGS="$CFLAGS -O2"
	install -D -m 644 -t "$stage$prefix/lib" library/libmbedcrypto.a library/libmbedx509.a library/libmbedtls.a
	mkdir -p "$stage$prefix/include"
	cp -r include/mbedtls include/psa "$stage$prefix/include/"
}
