/* SPDX-License-Identifier: Apache-2.0 */
/* What a process needed to come to rest and does not need any more. Must never release a page that holds something. */
#include "util/idle.h"

#include <link.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>

#define PAGE_MASK (~(uintptr_t)4095)
#define STACK_BYTES ((size_t)128 * 1024) /* what the kernel gives at once */
#define STACK_KEEP_BYTES 4096		 /* for madvise(2) itself */

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

/* Below the caller's frame nothing lives. Reaches below what the stack has: ENOMEM, after the rest was done. */
__attribute__((noinline)) static void release_stack(void)
{
	uintptr_t end = ((uintptr_t)__builtin_frame_address(0) - STACK_KEEP_BYTES) & PAGE_MASK;

	madvise((void *)(end - STACK_BYTES), STACK_BYTES, MADV_DONTNEED);
}

void idle_release(void)
{
	dl_iterate_phdr(release, NULL);
	release_stack();
}
