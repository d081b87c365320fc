/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * A ring of bytes in memory shared by two processes: one producer (the shim), one consumer (the
 * writer, forked from it). The data is mapped twice in a row, so whatever lies in it is contiguous.
 * The producer never waits: without room reserve says so. It does not believe what the consumer,
 * which has fewer rights, writes into the shared page: offsets are bounded, texts are bounded.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/err.h"

#define LOG_RING_BYTES (256u * 1024)
#define LOG_RING_ERROR_MAX 256

struct log_ring_shared;

struct log_ring {
	struct log_ring_shared *shared; /* owned mapping; NULL: not open */
	char *data;			/* owned mapping of 2 * size bytes */
	size_t size;
	uint64_t head; /* the producer's own count of bytes put in */
	int wake_read,
		wake_write; /* pipe: its end of file tells the consumer that the producer is gone */
	int room_event;	    /* eventfd: room was made, or the error text changed */
	bool has_pages;	    /* the producer has touched pages since the last release */
};

/* size is a multiple of the page size. */
int log_ring_open(struct log_ring *ring, size_t size, struct err *err) MUST_CHECK;
void log_ring_close(struct log_ring *ring);

/* Whether the producer's next children have the mapping: the consumer has to, any other one has work with it only. */
void log_ring_lend(const struct log_ring *ring, bool lend);

/* Producer. Room for len bytes behind what is committed, or NULL. */
char *log_ring_reserve(struct log_ring *ring, size_t len);
void log_ring_commit(struct log_ring *ring, size_t len);
/* Shows everything committed to the consumer and wakes it if it sleeps. */
void log_ring_publish(struct log_ring *ring);
/* Free bytes; at most size, whatever the consumer claims. */
size_t log_ring_room(const struct log_ring *ring);
/* Asks for one wake-up through room_event once at least room bytes are free. */
void log_ring_ask_room(struct log_ring *ring, size_t room);
/* Has the consumer taken anything since *seen, its count of bytes of the last such look (0 for the
 * first)? A count beyond what was put in is a lie and no progress. */
bool log_ring_moved(const struct log_ring *ring, uint64_t *seen);
/* Takes the event off room_event. */
void log_ring_room_seen(struct log_ring *ring);
/* Gives the pages back when the ring is empty; true if none are held afterwards. */
bool log_ring_release(struct log_ring *ring);
/* What the consumer could not put on disk so far, and the last error ("" none); text is made
 * printable. */
void log_ring_lost(const struct log_ring *ring, uint64_t *lines, uint64_t *bytes,
		   char error[LOG_RING_ERROR_MAX]);

/* Consumer. Waits for data; false: the producer is gone and everything was consumed. Gives memory
 * back when nothing has come for a second. */
bool log_ring_wait(struct log_ring *ring);
size_t log_ring_peek(const struct log_ring *ring, const char **data);
void log_ring_consume(struct log_ring *ring, size_t len);
void log_ring_add_lost(struct log_ring *ring, uint64_t lines, uint64_t bytes);
void log_ring_set_error(struct log_ring *ring, const char *text); /* "" clears */
