/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ring between shim and writer. Counters only grow; the difference is what lies in the ring.
 * Sleeping is announced before the last look at the other side's counter, with sequentially
 * consistent accesses, so that no wake-up is lost. Must never let the consumer's numbers index
 * memory unchecked.
 */
#include "log/ring.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "log/memory.h"
#include "util/cleanup.h"

#define PAGE_BYTES 4096
#define IDLE_MSEC 1000

struct log_ring_shared {
	_Alignas(64) uint64_t head; /* producer */
	uint64_t wanted_room;	    /* producer: 0, or how much it waits for */
	_Alignas(64) uint64_t tail; /* consumer */
	uint32_t consumer_sleeps;
	uint64_t lost_lines, lost_bytes;
	char error[LOG_RING_ERROR_MAX];
};
_Static_assert(sizeof(struct log_ring_shared) <= PAGE_BYTES, "one page in front of the data");

static int map_ring(struct log_ring *ring, size_t size, struct err *err)
{
	auto_fd int fd = memfd_create("cleat-log", MFD_CLOEXEC);

	if (fd < 0)
		return err_sys(err, "memfd_create");
	if (ftruncate(fd, (off_t)(PAGE_BYTES + size)) < 0)
		return err_sys(err, "ftruncate");

	/* One reservation, so that the two views of the data are neighbours. */
	char *base = mmap(NULL, PAGE_BYTES + 2 * size, PROT_NONE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (base == MAP_FAILED)
		return err_sys(err, "mmap");
	if (mmap(base, PAGE_BYTES + size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0) ==
		    MAP_FAILED ||
	    mmap(base + PAGE_BYTES + size, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd,
		 PAGE_BYTES) == MAP_FAILED) {
		int number = errno;

		munmap(base, PAGE_BYTES + 2 * size);
		return err_errno(err, number, "mmap");
	}
	ring->shared = (struct log_ring_shared *)(void *)base;
	ring->data = base + PAGE_BYTES;
	ring->size = size;
	return 0;
}

int log_ring_open(struct log_ring *ring, size_t size, struct err *err)
{
	int ends[2];

	*ring = (struct log_ring){ .wake_read = -1, .wake_write = -1, .room_event = -1 };
	if (size == 0 || size % PAGE_BYTES != 0)
		return err_set(err, ERR_BUG, "log ring: %zu bytes are no whole pages", size);
	/* The producer's end must not block on a consumer that never reads; the consumer sleeps in
	 * read. */
	if (pipe2(ends, O_CLOEXEC) < 0)
		return err_sys(err, "log ring: pipe2");
	ring->wake_read = ends[0];
	ring->wake_write = ends[1];
	ring->room_event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (ring->room_event < 0 || fcntl(ring->wake_write, F_SETFL, O_NONBLOCK) < 0) {
		err_sys(err, "log ring: eventfd");
		log_ring_close(ring);
		return -1;
	}
	if (map_ring(ring, size, err) < 0) {
		err_wrap(err, "log ring");
		log_ring_close(ring);
		return -1;
	}
	return 0;
}

void log_ring_close(struct log_ring *ring)
{
	if (ring->shared)
		munmap(ring->shared, PAGE_BYTES + 2 * ring->size);
	ring->shared = NULL;
	ring->data = NULL;
	close_fd(&ring->wake_read);
	close_fd(&ring->wake_write);
	close_fd(&ring->room_event);
}

void log_ring_lend(const struct log_ring *ring, bool lend)
{
	madvise(ring->shared, PAGE_BYTES + 2 * ring->size, lend ? MADV_DOFORK : MADV_DONTFORK);
}

size_t log_ring_room(const struct log_ring *ring)
{
	uint64_t used = ring->head - __atomic_load_n(&ring->shared->tail, __ATOMIC_SEQ_CST);

	/* A tail beyond our head is a lie: then nothing is free, and nobody's memory is
	 * overwritten. */
	return used <= ring->size ? ring->size - (size_t)used : 0;
}

char *log_ring_reserve(struct log_ring *ring, size_t len)
{
	if (log_ring_room(ring) < len)
		return NULL;
	return ring->data + ring->head % ring->size;
}

void log_ring_commit(struct log_ring *ring, size_t len)
{
	ring->head += len;
	ring->has_pages = true;
}

void log_ring_publish(struct log_ring *ring)
{
	if (__atomic_load_n(&ring->shared->head, __ATOMIC_RELAXED) == ring->head)
		return;
	__atomic_store_n(&ring->shared->head, ring->head, __ATOMIC_SEQ_CST);
	if (__atomic_exchange_n(&ring->shared->consumer_sleeps, 0, __ATOMIC_SEQ_CST) == 0)
		return;
	/* A full pipe holds wake-ups enough, a broken one has nobody to wake. */
	while (write(ring->wake_write, "", 1) < 0 && errno == EINTR)
		;
}

void log_ring_ask_room(struct log_ring *ring, size_t room)
{
	uint64_t one = 1;

	__atomic_store_n(&ring->shared->wanted_room, room, __ATOMIC_SEQ_CST);
	/* Made between the last look and the wish: tell ourselves. */
	if (log_ring_room(ring) >= room &&
	    __atomic_exchange_n(&ring->shared->wanted_room, 0, __ATOMIC_SEQ_CST))
		while (write(ring->room_event, &one, sizeof(one)) < 0 && errno == EINTR)
			;
}

bool log_ring_moved(const struct log_ring *ring, uint64_t *seen)
{
	uint64_t tail = __atomic_load_n(&ring->shared->tail, __ATOMIC_SEQ_CST);

	if (tail <= *seen || tail > ring->head)
		return false;
	*seen = tail;
	return true;
}

void log_ring_room_seen(struct log_ring *ring)
{
	uint64_t count;

	while (read(ring->room_event, &count, sizeof(count)) < 0 && errno == EINTR)
		;
}

bool log_ring_release(struct log_ring *ring)
{
	if (!ring->has_pages)
		return true;
	if (log_ring_room(ring) != ring->size)
		return false;
	/* Shared memory keeps its pages on MADV_DONTNEED; MADV_REMOVE punches them out of the file.
	 * The consumer looks at nothing beyond the head, so an empty ring has no reader. */
	if (madvise(ring->data, ring->size, MADV_REMOVE) == 0)
		ring->has_pages = false;
	return !ring->has_pages;
}

void log_ring_lost(const struct log_ring *ring, uint64_t *lines, uint64_t *bytes,
		   char error[LOG_RING_ERROR_MAX])
{
	const struct log_ring_shared *shared = ring->shared;

	*lines = __atomic_load_n(&shared->lost_lines, __ATOMIC_RELAXED);
	*bytes = __atomic_load_n(&shared->lost_bytes, __ATOMIC_RELAXED);
	/* A text caught half-written is shown as it is: it comes again with the event that follows
	 * it. */
	memcpy(error, shared->error, LOG_RING_ERROR_MAX);
	error[LOG_RING_ERROR_MAX - 1] = '\0';
	for (char *p = error; *p; p++)
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			*p = '?';
}

bool log_ring_wait(struct log_ring *ring)
{
	struct log_ring_shared *shared = ring->shared;
	struct pollfd wake = { .fd = ring->wake_read, .events = POLLIN };
	char drain[64];
	ssize_t n;

	for (;;) {
		__atomic_store_n(&shared->consumer_sleeps, 1, __ATOMIC_SEQ_CST);
		if (__atomic_load_n(&shared->head, __ATOMIC_SEQ_CST) != shared->tail) {
			__atomic_store_n(&shared->consumer_sleeps, 0, __ATOMIC_SEQ_CST);
			return true;
		}
		if (poll(&wake, 1, IDLE_MSEC) == 0)
			log_memory_sleep(&wake, 1);
		n = read(ring->wake_read, drain, sizeof(drain));
		/* The producer published for the last time before its end closed. */
		if (n == 0 || (n < 0 && errno != EINTR))
			return __atomic_load_n(&shared->head, __ATOMIC_SEQ_CST) != shared->tail;
	}
}

size_t log_ring_peek(const struct log_ring *ring, const char **data)
{
	const struct log_ring_shared *shared = ring->shared;
	uint64_t used = __atomic_load_n(&shared->head, __ATOMIC_SEQ_CST) - shared->tail;

	*data = ring->data + shared->tail % ring->size;
	return used <= ring->size ? (size_t)used : 0;
}

void log_ring_consume(struct log_ring *ring, size_t len)
{
	struct log_ring_shared *shared = ring->shared;
	uint64_t one = 1, used;

	__atomic_store_n(&shared->tail, shared->tail + len, __ATOMIC_SEQ_CST);

	uint64_t wanted = __atomic_load_n(&shared->wanted_room, __ATOMIC_SEQ_CST);

	used = __atomic_load_n(&shared->head, __ATOMIC_SEQ_CST) - shared->tail;
	if (wanted == 0 || ring->size - used < wanted)
		return;
	if (__atomic_exchange_n(&shared->wanted_room, 0, __ATOMIC_SEQ_CST))
		while (write(ring->room_event, &one, sizeof(one)) < 0 && errno == EINTR)
			;
}

void log_ring_add_lost(struct log_ring *ring, uint64_t lines, uint64_t bytes)
{
	__atomic_fetch_add(&ring->shared->lost_lines, lines, __ATOMIC_RELAXED);
	__atomic_fetch_add(&ring->shared->lost_bytes, bytes, __ATOMIC_RELAXED);
}

void log_ring_set_error(struct log_ring *ring, const char *text)
{
	char *error = ring->shared->error;
	uint64_t one = 1;

	if (strncmp(error, text, LOG_RING_ERROR_MAX - 1) == 0)
		return;
	memset(error, 0, LOG_RING_ERROR_MAX);
	memcpy(error, text, strnlen(text, LOG_RING_ERROR_MAX - 1));
	while (write(ring->room_event, &one, sizeof(one)) < 0 && errno == EINTR)
		;
}
