/* SPDX-License-Identifier: Apache-2.0 */
/* A process that looks at the network for a moment and then sleeps for days. Must never release a page that holds something. */
#include <link.h>
#include <stdint.h>
#include <sys/mman.h>

#include "net/uplink_internal.h"

#define PAGE_MASK (~(uintptr_t)4095)

static int release(struct dl_phdr_info *info, size_t size, void *arg)
{
	(void)size;
	(void)arg;
	for (unsigned i = 0; i < info->dlpi_phnum; i++) {
		const __typeof__(*info->dlpi_phdr) *part = &info->dlpi_phdr[i];
		uintptr_t begin = (info->dlpi_addr + part->p_vaddr) & PAGE_MASK;
		size_t length = info->dlpi_addr + part->p_vaddr + part->p_filesz - begin;

		/* clean pages of the program's file: they stay in the page cache, and come back by a minor fault */
		if (part->p_type == PT_LOAD && !(part->p_flags & PF_W))
			madvise((void *)begin, length, MADV_DONTNEED);
	}
	return 1; /* the first one is the program; there are no others in a static one */
}

void uplink_idle(void)
{
	dl_iterate_phdr(release, NULL);
}
