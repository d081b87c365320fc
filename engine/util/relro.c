/* SPDX-License-Identifier: Apache-2.0 */
/* See relro.h. Must never change a page that holds variables: the linker pads the segment to whole pages. */
#include "util/relro.h"

#include <link.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>

#define PAGE_MASK (~(uintptr_t)4095)

static int protect(struct dl_phdr_info *info, size_t size, void *arg)
{
	(void)size;
	(void)arg;
	for (unsigned i = 0; i < info->dlpi_phnum; i++) {
		const __typeof__(*info->dlpi_phdr) *part = &info->dlpi_phdr[i];
		uintptr_t begin = (info->dlpi_addr + part->p_vaddr) & PAGE_MASK;
		uintptr_t end = (info->dlpi_addr + part->p_vaddr + part->p_memsz) & PAGE_MASK;

		if (part->p_type == PT_GNU_RELRO && end > begin)
			mprotect((void *)begin, end - begin, PROT_READ);
	}
	return 1; /* the first one is the program; there are no others in a static one */
}

void relro_protect(void)
{
	dl_iterate_phdr(protect, NULL);
}
