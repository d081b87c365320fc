/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fifty shims stay for years and do nothing most of the time: what the start has touched is given
 * back. Must never release a page that holds something.
 */
#include "log/memory.h"

#include <errno.h>
#include <link.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PAGE_BYTES 4096u
#define STACK_RELEASE_BYTES (256u * 1024)
#define STACK_KEEP_BYTES 512u /* below this frame: its variables; it calls nobody */
#define FRAME_BYTES \
	512u /* of a function beside its variables: registers, wherever the machine puts them */
#define HEAP_BYTES (1u << 20)
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

static uintptr_t page_down(uintptr_t address)
{
	return address & ~(uintptr_t)(PAGE_BYTES - 1);
}

static void release_between(uintptr_t begin, uintptr_t end)
{
	if (begin < end)
		log_memory_release((void *)begin, end - begin);
}

void log_memory_abandon(void *locals, size_t size)
{
	extern char _end[];
	uintptr_t heap_end = page_down((uintptr_t)sbrk(0)), program_end = (uintptr_t)_end;
	uintptr_t heap = heap_end - HEAP_BYTES;

	/* The heap does not reach down as far; nothing else lies there but, where the kernel puts the heap behind it, the program. */
	if (program_end <= heap_end && program_end > heap)
		heap = program_end;
	release_between(heap, heap_end);
	/* Above the list of the environment lie the program's words, which /proc shows. */
	release_between((uintptr_t)locals + size + FRAME_BYTES, page_down((uintptr_t)environ));
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

/* Not by libc: its code would come back and stay too. What it returns is -errno. */
static inline __attribute__((always_inline)) long raw_syscall(long number, long a, long b, long c,
							      long d, long e)
{
#if defined(__x86_64__)
	register long r10 __asm__("r10");
	register long r8 __asm__("r8");

	r10 = d;
	r8 = e;
	__asm__ volatile("syscall"
			 : "+a"(number)
			 : "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8)
			 : "rcx", "r11", "memory");
	return number;
#elif defined(__aarch64__)
	register long x8 __asm__("x8") = number;
	register long x0 __asm__("x0") = a;
	register long x1 __asm__("x1") = b;
	register long x2 __asm__("x2") = c;
	register long x3 __asm__("x3") = d;
	register long x4 __asm__("x4") = e;

	__asm__ volatile("svc 0"
			 : "+r"(x0)
			 : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4)
			 : "memory");
	return x0;
#else
#error "system calls of this architecture"
#endif
}

static inline __attribute__((always_inline)) long advise(uintptr_t start, size_t size, int advice)
{
	return raw_syscall(SYS_madvise, (long)start, (long)size, advice, 0, 0);
}

/*
 * Below the caller's frame nothing lives but this function, which calls nobody once the program's
 * pages are gone: so of the program only its own page comes back and stays while the process
 * sleeps. A fault maps the 64 KiB around it, but nothing beyond its mapping: advice of its own
 * makes the page a mapping of its own, and the alignment puts the function into one page.
 */
__attribute__((noinline, aligned(1024))) int log_memory_sleep(struct pollfd *fds, unsigned count)
{
	char *mark = __builtin_frame_address(0);
	uintptr_t end = ((uintptr_t)mark - STACK_KEEP_BYTES) & ~(uintptr_t)(PAGE_BYTES - 1);
	uintptr_t own = (uintptr_t)log_memory_sleep & ~(uintptr_t)(PAGE_BYTES - 1);
	struct parts parts = { .count = 0 };
	long result;

	dl_iterate_phdr(find_parts, &parts);
	advise(own, PAGE_BYTES, MADV_RANDOM);
	/* Reaches below the stack's mapping: ENOMEM, after the mapped part was done. */
	advise(end - STACK_RELEASE_BYTES, STACK_RELEASE_BYTES, MADV_DONTNEED);
	for (unsigned i = 0; i < parts.count; i++)
		advise(parts.items[i].begin, parts.items[i].size, MADV_DONTNEED);
	result = raw_syscall(SYS_ppoll, (long)(uintptr_t)fds, (long)count, 0, 0, 0);
	if (result >= 0)
		return (int)result;
	errno = (int)-result;
	return -1;
}

void log_memory_woken(void)
{
	uintptr_t own = (uintptr_t)log_memory_sleep & ~(uintptr_t)(PAGE_BYTES - 1);

	advise(own, PAGE_BYTES, MADV_NORMAL);
}
