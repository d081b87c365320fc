# shellcheck shell=sh disable=SC2154
# SPDX-License-Identifier: Apache-2.0
# Reads tar archives and writes them. Decompression and writing to disk are our own.
# needs: musl linux-headers zstd
# variants: musl host

# The files that what we and our tests call needs, in the order of its Makefile; the other two thirds read and write what is not tar.
# Where one is missing, nothing of ours links.
libarchive_files='acl check_magic cryptor entry entry_sparse entry_xattr hmac options ppmd7 random rb read read_open_fd
	read_support_format_empty read_support_format_tar string string_sprintf util virtual write write_add_filter_none write_set_format
	write_set_format_7zip write_set_format_cpio write_set_format_cpio_binary write_set_format_cpio_newc write_set_format_cpio_odc
	write_set_format_iso9660 write_set_format_mtree write_set_format_pax write_set_format_raw write_set_format_shar
	write_set_format_ustar write_set_format_gnutar write_set_format_warc write_set_format_xar write_set_format_zip
	write_set_options write_set_passphrase'

recipe_build()
{
	CFLAGS="$CFLAGS -I$prefix/include" LDFLAGS="-L$prefix/lib" ./configure --host="$host" --prefix="$prefix" \
		--disable-shared --enable-static --disable-dependency-tracking \
		--disable-bsdtar --disable-bsdcpio --disable-bsdcat --disable-bsdunzip --disable-acl --disable-xattr \
		--without-bz2lib --without-libb2 --without-iconv --without-lz4 --without-lzma --without-lzo2 \
		--without-cng --without-mbedtls --without-nettle --without-openssl --without-xml2 --without-expat \
		--without-zlib --with-zstd
	# libtool takes as long as the compiler, for a shared library that we do not want.
	set --
	for file in $libarchive_files; do
		set -- "$@" "libarchive/archive_$file.o"
	done
	make "$jobs" "$@" ACLOCAL=: AUTOCONF=: AUTOHEADER=: AUTOMAKE=:
	$AR rcsD libarchive.a "$@"
	install -D -m 644 -t "$stage$prefix/lib" libarchive.a
	install -D -m 644 -t "$stage$prefix/include" libarchive/archive.h libarchive/archive_entry.h
}
