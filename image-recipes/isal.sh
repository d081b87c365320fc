# shellcheck shell=sh disable=SC2154
# SPDX-License-Identifier: Apache-2.0
# igzip's inflate, for gzip layers: nearly three times as fast as zlib. At the first call it takes what the CPU can do (a pointer, no ifunc).
# nasm assembles it for x86-64, the compiler for aarch64. ISA-L's own lists of variants name all of its functions, which would all be
# linked; those written here name two.
# needs: musl linux-headers
# variants: musl host

# Tables for the one kind of header that igzip itself writes: 20 KiB.
isal_without_known_header()
{
	grep -q '^#ifndef ISAL_STATIC_INFLATE_TABLE$' igzip/igzip_inflate.c
	sed -i 's/^#ifndef ISAL_STATIC_INFLATE_TABLE$/#if 1/' igzip/igzip_inflate.c
}

# What inflate takes from the file that holds the whole of deflate. Streams in zlib's wrapper are not for us.
isal_without_deflate()
{
	cat >no_deflate.c <<-C
		#include <string.h>
		#include "igzip_lib.h"
		uint32_t isal_adler32_bam1(uint32_t, const unsigned char *, uint64_t);
		uint32_t isal_adler32_bam1(uint32_t sum, const unsigned char *data, uint64_t len)
		{
			(void)sum, (void)data, (void)len;
			__builtin_trap();
		}
		void isal_zlib_header_init(struct isal_zlib_header *header)
		{
			memset(header, 0, sizeof(*header));
		}
		void isal_gzip_header_init(struct isal_gzip_header *header)
		{
			memset(header, 0, sizeof(*header));
		}
	C
}

isal_assemble_x86_64()
{
	cat >dispatch.asm <<-ASM
		default rel
		[bits 64]
		%include "reg_sizes.asm"
		%include "multibinary.asm"
		extern crc32_gzip_refl_base
		extern crc32_gzip_refl_by8
		extern crc32_gzip_refl_by8_02
		extern decode_huffman_code_block_stateless_base
		extern decode_huffman_code_block_stateless_01
		extern decode_huffman_code_block_stateless_04
		section .text
		mbin_interface crc32_gzip_refl
		mbin_dispatch_init_clmul crc32_gzip_refl, crc32_gzip_refl_base, crc32_gzip_refl_by8, \\
			crc32_gzip_refl_by8_02, crc32_gzip_refl_by8_02
		mbin_interface decode_huffman_code_block_stateless
		mbin_dispatch_init5 decode_huffman_code_block_stateless, decode_huffman_code_block_stateless_base, \\
			decode_huffman_code_block_stateless_01, decode_huffman_code_block_stateless_01, \\
			decode_huffman_code_block_stateless_04
	ASM
	for file in dispatch igzip/rfc1951_lookup igzip/igzip_decode_block_stateless_01 igzip/igzip_decode_block_stateless_04 \
		crc/crc32_gzip_refl_by8 crc/crc32_gzip_refl_by8_02; do
		nasm -f elf64 -DAS_FEATURE_LEVEL=4 -I include/ -I igzip/ -I crc/ -o "o/$(basename $file).o" $file.asm
	done
}

isal_assemble_aarch64()
{
	cat >dispatch.S <<-ASM
		#include "aarch64_multibinary.h"
		mbin_interface crc32_gzip_refl
		mbin_interface decode_huffman_code_block_stateless
		.section .note.GNU-stack,"",%progbits
	ASM
	cat >dispatcher.c <<-C
		#include "aarch64_multibinary.h"
		void *crc32_gzip_refl_dispatcher(void);
		void *decode_huffman_code_block_stateless_dispatcher(void);
		DEFINE_INTERFACE_DISPATCHER(crc32_gzip_refl)
		{
			unsigned long has = getauxval(AT_HWCAP);

			if ((has & HWCAP_CRC32) && (has & HWCAP_PMULL))
				return PROVIDER_INFO(crc32_gzip_refl_3crc_fold);
			if (has & HWCAP_PMULL)
				return PROVIDER_INFO(crc32_gzip_refl_pmull);
			return PROVIDER_BASIC(crc32_gzip_refl);
		}
		DEFINE_INTERFACE_DISPATCHER(decode_huffman_code_block_stateless)
		{
			if (getauxval(AT_HWCAP) & HWCAP_CRC32)
				return PROVIDER_INFO(decode_huffman_code_block_stateless_aarch64);
			return PROVIDER_BASIC(decode_huffman_code_block_stateless);
		}
	C
	isal_compile dispatcher.c
	for file in dispatch.S igzip/aarch64/igzip_decode_huffman_code_block_aarch64.S \
		crc/aarch64/crc32_gzip_refl_3crc_fold.S crc/aarch64/crc32_gzip_refl_pmull.S; do
		isal_compile -D__ASSEMBLY__ $file
	done
}

# shellcheck disable=SC2086 # CFLAGS is a list
isal_compile()
{
	for file; do :; done
	$CC $CFLAGS -O2 -Iinclude -Iigzip -Icrc/aarch64 -Iigzip/aarch64 -c -o "o/$(basename "${file%.*}").o" "$@"
}

recipe_build()
{
	mkdir o
	isal_without_known_header
	isal_without_deflate
	for file in igzip/igzip_inflate.c igzip/hufftables_c.c crc/crc_base.c no_deflate.c; do
		isal_compile $file
	done
	"isal_assemble_$ARCH"
	$AR rcsD libisal.a o/*.o
	install -D -m 644 -t "$stage$prefix/lib" libisal.a
	install -D -m 644 -t "$stage$prefix/include/isa-l" include/igzip_lib.h include/crc.h
}
