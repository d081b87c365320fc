# shellcheck shell=sh disable=SC2154
# SPDX-License-Identifier: Apache-2.0
# e2fsck, for the data partition of a VM; nothing else of it, and not in the root tarball.
# needs: musl linux-headers
# variants: musl
recipe_build()
{
	# blkid and uuid are its own small ones: with those of the machine it would not be static
	CFLAGS="$CFLAGS" LDFLAGS="-static-pie -Wl,--gc-sections -Wl,-z,relro,-z,now,-z,noexecstack" \
		./configure --host="$host" --prefix="$prefix" --enable-libuuid --enable-libblkid --disable-nls --disable-uuidd \
		--disable-fsck --disable-tdb --disable-debugfs --disable-imager --disable-resizer --disable-defrag --disable-backtrace \
		--disable-bmap-stats --disable-e2initrd-helper --disable-fuse2fs --without-pthread --without-libarchive --without-systemd-unit-dir --without-udev-rules-dir --without-crond-dir \
		--disable-elf-shlibs --disable-testio-debug --disable-mmp --sysconfdir=/etc
	make "$jobs" libs LIB_SUBDIRS="lib/et lib/e2p lib/uuid lib/blkid lib/support lib/ext2fs"
	make "$jobs" -C e2fsck e2fsck
	install -D -m 755 -t "$stage$prefix/bin" e2fsck/e2fsck
}
