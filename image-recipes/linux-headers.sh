# shellcheck shell=sh disable=SC2154
# SPDX-License-Identifier: Apache-2.0
# The kernel's user-space headers of the Debian suite, for every architecture in one package.
# needs:
# variants: musl host
recipe_build()
{
	case $ARCH in
	x86_64) kernel_arch=x86 ;;
	aarch64) kernel_arch=arm64 ;;
	riscv64) kernel_arch=riscv ;;
	*) echo "linux-headers: no kernel architecture is known for $ARCH" && return 1 ;;
	esac
	dpkg-deb -x "$sources/linux-headers.deb" deb
	mkdir -p "$stage$prefix/include"
	for group in linux asm-generic mtd; do
		cp -rL "deb/usr/include/$group" "$stage$prefix/include/"
	done
	cp -rL "deb/usr/lib/linux/uapi/$kernel_arch/asm" "$stage$prefix/include/"
}
