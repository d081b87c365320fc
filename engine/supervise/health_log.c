/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The record of health check results. Read, append, write: what is kept is small. One that fits into a page is written over the
 * one before, in one call: a new file for each result would be half of what the engine pays for a probe. Whoever reads meanwhile
 * sees by the sum that he has caught a half of each, and looks again. Must never touch anything but tmpfs: the engine's loop calls this.
 */
#include "supervise/health_log.h"

#include <fcntl.h>
#include <sched.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "util/cleanup.h"
#include "util/file.h"
#include "util/places.h"

#define HEALTH_LOG_MAGIC 0x31484c43u /* "CLH1" */
#define HEALTH_LOG_VERSION 1
#define FLAG_STARTUP 1u
#define PAGE_BYTES 4096u /* what the kernel copies without a pause that a kill could use */
#define LOOKS 4

struct head {
	uint32_t magic;
	uint16_t version, head_length;
	uint32_t length; /* of everything; what an older, longer record has left behind it means nothing */
	uint32_t count;
	uint32_t sum; /* of all that follows the head; 0: was not counted */
};

#define FIRST_HEAD_BYTES offsetof(struct head, sum)

struct entry {
	uint32_t length; /* this head and the text */
	uint32_t head_length;
	int64_t start_real_usec, end_real_usec;
	int32_t exit_code;
	uint32_t flags;
};

void health_log_path(const char *run_id, char out[128])
{
	snprintf(out, 128, "%s/%s/health", CLEAT_CONTAINER_DIR, run_id);
}

/* Returns the entry's whole length, 0 when it is none. */
static size_t parse_entry(const char *bytes, size_t left, struct arena *arena,
			  struct health_result *out)
{
	struct entry e;

	if (left < sizeof(e))
		return 0;
	memcpy(&e, bytes, sizeof(e));
	if (e.head_length < sizeof(e) || e.length < e.head_length || e.length > left ||
	    e.length - e.head_length > HEALTH_LOG_MAX_TEXT)
		return 0;
	*out = (struct health_result){
		.start_real_usec = e.start_real_usec,
		.end_real_usec = e.end_real_usec,
		.exit_code = e.exit_code,
		.startup = e.flags & FLAG_STARTUP,
		.output = arena_strndup(arena, bytes + e.head_length,
					strnlen(bytes + e.head_length, e.length - e.head_length)),
	};
	return e.length;
}

/* FNV-1a: against accidents, not against anybody. */
static uint32_t sum_of(const char *bytes, size_t length)
{
	uint32_t sum = 2166136261u;

	for (size_t i = 0; i < length; i++)
		sum = (sum ^ (unsigned char)bytes[i]) * 16777619u;
	return sum ? sum : 1;
}

static int read_head(const char *bytes, size_t length, struct head *head, struct err *err)
{
	*head = (struct head){ 0 };
	if (length < FIRST_HEAD_BYTES)
		return err_set(err, ERR_INTEGRITY, "health record: torn");
	memcpy(head, bytes, FIRST_HEAD_BYTES);
	if (head->magic != HEALTH_LOG_MAGIC || head->length > length ||
	    head->head_length < FIRST_HEAD_BYTES || head->head_length > head->length ||
	    head->count > HEALTH_LOG_MAX_COUNT)
		return err_set(err, ERR_INTEGRITY, "health record: torn");
	if (head->head_length >= sizeof(*head))
		memcpy(head, bytes, sizeof(*head));
	if (head->sum &&
	    head->sum != sum_of(bytes + head->head_length, head->length - head->head_length))
		return err_set(err, ERR_INTEGRITY, "health record: torn, its sum is another one");
	return 0;
}

int health_log_parse(const void *bytes, size_t length, struct arena *arena, struct health_log *out,
		     struct err *err)
{
	const char *at = bytes;
	struct head head;

	*out = (struct health_log){ 0 };
	if (read_head(bytes, length, &head, err) < 0)
		return -1;
	length = head.length;
	out->items = arena_alloc(arena, (head.count + 1) * sizeof(*out->items));
	for (size_t used = head.head_length; out->count < head.count; out->count++) {
		size_t n = parse_entry(at + used, length - used, arena, &out->items[out->count]);

		if (n == 0)
			return err_set(err, ERR_INTEGRITY, "health record: torn entry");
		used += n;
	}
	return 0;
}

static void format_entry(const struct health_result *r, struct buf *out)
{
	size_t text = strnlen(r->output, HEALTH_LOG_MAX_TEXT);
	struct entry e = {
		.length = (uint32_t)(sizeof(e) + text),
		.head_length = sizeof(e),
		.start_real_usec = r->start_real_usec,
		.end_real_usec = r->end_real_usec,
		.exit_code = r->exit_code,
		.flags = r->startup ? FLAG_STARTUP : 0,
	};

	buf_add(out, &e, sizeof(e));
	buf_add(out, r->output, text);
}

void health_log_format(const struct health_log *log, struct buf *out)
{
	struct head head = { .magic = HEALTH_LOG_MAGIC,
			     .version = HEALTH_LOG_VERSION,
			     .head_length = sizeof(head),
			     .count = (uint32_t)log->count };
	size_t begin = out->len;

	buf_add(out, &head, sizeof(head));
	for (size_t i = 0; i < log->count; i++)
		format_entry(&log->items[i], out);
	if (out->failed)
		return;
	head.length = (uint32_t)(out->len - begin);
	head.sum = sum_of(out->data + begin + sizeof(head), head.length - sizeof(head));
	memcpy(out->data + begin, &head, sizeof(head));
}

static int read_once(const char *path, struct arena *arena, struct health_log *out, struct err *err)
{
	auto_buf text = BUF_INIT(HEALTH_LOG_MAX_BYTES);

	*out = (struct health_log){ 0 };
	if (file_read_at(AT_FDCWD, path, HEALTH_LOG_MAX_BYTES, &text, err) < 0)
		return err->code == ERR_NOT_FOUND ? 0 : -1;
	return health_log_parse(buf_str(&text), text.len, arena, out, err);
}

int health_log_read(const char *path, struct arena *arena, struct health_log *out, struct err *err)
{
	int rc = read_once(path, arena, out, err);

	for (int look = 1; rc < 0 && err->code == ERR_INTEGRITY && look < LOOKS; look++) {
		sched_yield(); /* to the writer, who is within one call */
		rc = read_once(path, arena, out, err);
	}
	return rc;
}

static int read_open(int fd, struct arena *arena, struct health_log *out, struct err *err)
{
	auto_buf text = BUF_INIT(HEALTH_LOG_MAX_BYTES);

	*out = (struct health_log){ 0 };
	if (fd < 0)
		return 0;
	if (file_read_fd(fd, HEALTH_LOG_MAX_BYTES, &text, err) < 0)
		return -1;
	return health_log_parse(buf_str(&text), text.len, arena, out, err);
}

static int write_record(const char *path, int fd, const struct buf *text, struct err *err)
{
	if (fd >= 0 && text->len <= PAGE_BYTES &&
	    pwrite(fd, text->data, text->len, 0) == (ssize_t)text->len)
		return 0;
	return file_write_atomic(AT_FDCWD, path, text->data, text->len, 0600, false, err);
}

int health_log_add(const char *path, const struct health_result *result, unsigned max_count,
		   struct err *err)
{
	auto_buf text = BUF_INIT(HEALTH_LOG_MAX_BYTES);
	auto_arena arena = { 0 };
	struct health_log old, next = { 0 };
	/* opened once for both: its name is a third of what reading and writing cost */
	auto_fd int fd = openat(AT_FDCWD, path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	struct err ignored;

	if (max_count == 0 || max_count > HEALTH_LOG_MAX_COUNT)
		max_count = HEALTH_LOG_MAX_COUNT;
	if (read_open(fd, &arena, &old, &ignored) < 0)
		old.count = 0;
	next.items = arena_alloc(&arena, (max_count + 1) * sizeof(*next.items));
	for (size_t i = old.count >= max_count ? old.count - max_count + 1 : 0; i < old.count; i++)
		next.items[next.count++] = old.items[i];
	next.items[next.count++] = *result;
	health_log_format(&next, &text);
	if (buf_check(&text, "health record", err) < 0)
		return -1;
	return write_record(path, fd, &text, err);
}

static void put_time(struct json *json, const char *key, int64_t real_usec)
{
	time_t seconds = (time_t)(real_usec / 1000000);
	char date[40] = "", text[64];
	struct tm tm;

	if (gmtime_r(&seconds, &tm))
		strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(text, sizeof(text), "%s.%06dZ", date, (int)(real_usec % 1000000));
	json_str(json, key, text);
}

void health_log_json(const struct health_log *log, const char *status, unsigned failing_streak,
		     struct json *json)
{
	json_str(json, "Status", status);
	json_uint(json, "FailingStreak", failing_streak);
	json_array(json, "Log");
	for (size_t i = 0; i < log->count; i++) {
		json_object(json, NULL);
		put_time(json, "Start", log->items[i].start_real_usec);
		put_time(json, "End", log->items[i].end_real_usec);
		json_int(json, "ExitCode", log->items[i].exit_code);
		json_str(json, "Output", log->items[i].output);
		json_object_end(json);
	}
	json_array_end(json);
}
