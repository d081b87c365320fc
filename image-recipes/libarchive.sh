# shellcheck shell=sh disable=SC2154
# SPDX-License-Identifier: Apache-2.0
# Reads tar archives and writes them. Decompression and writing to disk are our own.
# needs: musl linux-headers zstd
# variants: musl host
recipe_build()
{
	CFLAGS="$CFLAGS -I$prefix/include" LDFLAGS="-L$prefix/lib" ./configure --host="$host" --prefix="$prefix" \
		--disable-shared --enable-static --disable-dependency-tracking \
		--disable-bsdtar --disable-bsdcpio --disable-bsdcat --disable-bsdunzip --disable-acl --disable-xattr \
		--without-bz2lib --without-libb2 --without-iconv --without-lz4 --without-lzma --without-lzo2 \
		--without-cng --without-mbedtls --without-nettle --without-openssl --without-xml2 --without-expat \
		--without-zlib --with-zstd
	make "$jobs" libarchive.la ACLOCAL=: AUTOCONF=: AUTOHEADER=: AUTOMAKE=:
	install -D -m 644 -t "$stage$prefix/lib" .libs/libarchive.a
	install -D -m 644 -t "$stage$prefix/include" libarchive/archive.h libarchive/archive_entry.h
}
