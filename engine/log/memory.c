/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fifty shims stay for years and do nothing most of the time: what the start has touched is given
 * back. Must never release a page that holds something.
 */
#include "log/memory.h"

#include <link.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PAGE_BYTES 4096u
#define STACK_RELEASE_BYTES (256u * 1024)
#define STACK_KEEP_BYTES 2048u /* below this frame: its variables, the callees at work */
#define PARTS_MAX 8

void *log_memory_map(size_t size, struct err *err)
{
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (memory == MAP_FAILED) {
		err_sys(err, "mmap");
		return NULL;
	}
	return memory;
}

void log_memory_release(void *start, size_t size)
{
	uintptr_t begin = ((uintptr_t)start + PAGE_BYTES - 1) & ~(uintptr_t)(PAGE_BYTES - 1);
	uintptr_t end = (uintptr_t)start + size;

	if (begin < end)
		madvise((char *)start + (begin - (uintptr_t)start), end - begin, MADV_DONTNEED);
}

/* Read-only parts of the program: clean pages of the file, which come back by a minor fault. */
struct parts {
	struct part {
		uintptr_t begin, size;
	} items[PARTS_MAX];
	unsigned count;
};

static int find_parts(struct dl_phdr_info *info, size_t size, void *arg)
{
	struct parts *parts = arg;

	(void)size;
	for (unsigned i = 0; i < info->dlpi_phnum && parts->count < PARTS_MAX; i++) {
		const __typeof__(*info->dlpi_phdr) *ph = &info->dlpi_phdr[i];
		uintptr_t begin = (info->dlpi_addr + ph->p_vaddr) & ~(uintptr_t)(PAGE_BYTES - 1);

		if (ph->p_type == PT_LOAD && !(ph->p_flags & PF_W))
			parts->items[parts->count++] =
				(struct part){ begin, info->dlpi_addr + ph->p_vaddr + ph->p_filesz -
							      begin };
	}
	return 1; /* the first object is the program; there are no others in a static one */
}

/*
 * Below the caller's frame nothing lives but this function and what it calls. It sleeps itself, by
 * syscall() and not poll(): so of the program only the neighbourhood of these two functions comes back
 * (a fault maps the 64 KiB around it) and stays while the process sleeps.
 */
__attribute__((noinline)) int log_memory_sleep(struct pollfd *fds, unsigned count)
{
	char *mark = __builtin_frame_address(0);
	uintptr_t end = ((uintptr_t)mark - STACK_KEEP_BYTES) & ~(uintptr_t)(PAGE_BYTES - 1);
	struct parts parts = { .count = 0 };

	dl_iterate_phdr(find_parts, &parts);
	/* Reaches below the stack's mapping: ENOMEM, after the mapped part was done. */
	syscall(SYS_madvise, end - STACK_RELEASE_BYTES, STACK_RELEASE_BYTES, MADV_DONTNEED);
	for (unsigned i = 0; i < parts.count; i++)
		syscall(SYS_madvise, parts.items[i].begin, parts.items[i].size, MADV_DONTNEED);
	return (int)syscall(SYS_ppoll, fds, count, NULL, NULL, 0);
}
