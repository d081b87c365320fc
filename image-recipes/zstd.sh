# shellcheck shell=sh disable=SC2154
# SPDX-License-Identifier: Apache-2.0
# zstd layers. The appliance only reads them; tests on the host variant write them too.
# needs: musl linux-headers
# variants: musl host
recipe_build()
{
	compress=0
	[ "$variant" = musl ] || compress=1
	make "$jobs" -C lib libzstd.a ZSTD_LIB_COMPRESSION=$compress ZSTD_LIB_DICTBUILDER=0 ZSTD_LIB_DEPRECATED=0 \
		ZSTD_LEGACY_SUPPORT=0 CFLAGS="$CFLAGS -O2" CC="$CC" AR="$AR"
	install -D -m 644 -t "$stage$prefix/lib" lib/libzstd.a
	install -D -m 644 -t "$stage$prefix/include" lib/zstd.h lib/zstd_errors.h
}
