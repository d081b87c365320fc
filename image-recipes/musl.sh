# shellcheck shell=sh disable=SC2154
# SPDX-License-Identifier: Apache-2.0
# The C library, static only, and the compiler wrapper musl-gcc that everything else is built with.
# needs: linux-headers
# variants: musl
recipe_build()
{
	./configure --target="$ARCH" --prefix="$prefix" --syslibdir="$prefix/lib" --disable-shared \
		--enable-wrapper=gcc CC="$CC" AR="$AR" RANLIB="$RANLIB" CROSS_COMPILE="$CROSS" \
		CFLAGS="$CFLAGS -fno-stack-protector"
	make "$jobs"
	make install DESTDIR="$stage"
}
