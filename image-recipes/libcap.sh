# shellcheck shell=sh disable=SC2154
# SPDX-License-Identifier: Apache-2.0
# Capability sets. Only the library, without its thread and PAM companions.
# needs: musl linux-headers
# variants: musl host
recipe_build()
{
	make "$jobs" -C libcap libcap.a CC="$CC" AR="$AR" RANLIB="$RANLIB" BUILD_CC="$BUILD_CC" COPTS="$CFLAGS" \
		SHARED=no GOLANG=no PAM_CAP=no USE_GPERF=no PTHREADS=no
	install -D -m 644 -t "$stage$prefix/lib" libcap/libcap.a
	install -D -m 644 -t "$stage$prefix/include/sys" libcap/include/sys/capability.h
}
