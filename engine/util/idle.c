/* SPDX-License-Identifier: Apache-2.0 */
/* What a process needed to come to rest and does not need any more. Must never release a page that holds something. */
#include "util/idle.h"

#include <link.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>

#define PAGE_MASK (~(uintptr_t)4095)

static int release(struct dl_phdr_info *info, size_t size, void *arg)
{
	(void)size;
	(void)arg;
	for (unsigned i = 0; i < info->dlpi_phnum; i++) {
		const __typeof__(*info->dlpi_phdr) *part = &info->dlpi_phdr[i];
		uintptr_t begin = (info->dlpi_addr + part->p_vaddr) & PAGE_MASK;
		size_t length = info->dlpi_addr + part->p_vaddr + part->p_filesz - begin;

		/* clean pages of the program's file */
		if (part->p_type == PT_LOAD && !(part->p_flags & PF_W))
			madvise((void *)begin, length, MADV_DONTNEED);
	}
	return 1; /* the first one is the program; there are no others in a static one */
}

void idle_release_program(void)
{
	dl_iterate_phdr(release, NULL);
}
