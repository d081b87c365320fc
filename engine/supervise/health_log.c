/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The record of health check results. Read, append, write: what is kept is small, and whoever reads it meanwhile sees the old one
 * or the new one. Must never touch anything but tmpfs: the engine's loop calls this.
 */
#include "supervise/health_log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "util/file.h"
#include "util/places.h"

#define HEALTH_LOG_MAGIC 0x31484c43u /* "CLH1" */
#define HEALTH_LOG_VERSION 1
#define FLAG_STARTUP 1u

struct head {
	uint32_t magic;
	uint16_t version, head_length;
	uint32_t length; /* of everything */
	uint32_t count;
};

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

int health_log_parse(const void *bytes, size_t length, struct arena *arena, struct health_log *out,
		     struct err *err)
{
	const char *at = bytes;
	struct head head;

	*out = (struct health_log){ 0 };
	if (length < sizeof(head))
		return err_set(err, ERR_INTEGRITY, "health record: torn");
	memcpy(&head, bytes, sizeof(head));
	if (head.magic != HEALTH_LOG_MAGIC || head.length != length ||
	    head.head_length < sizeof(head) || head.head_length > length ||
	    head.count > HEALTH_LOG_MAX_COUNT)
		return err_set(err, ERR_INTEGRITY, "health record: torn");
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
	head.length = (uint32_t)(out->len - begin);
	if (!out->failed)
		memcpy(out->data + begin, &head, sizeof(head));
}

int health_log_read(const char *path, struct arena *arena, struct health_log *out, struct err *err)
{
	auto_buf text = BUF_INIT(HEALTH_LOG_MAX_BYTES);

	*out = (struct health_log){ 0 };
	if (access(path, F_OK) < 0 && errno == ENOENT)
		return 0;
	if (file_read_at(AT_FDCWD, path, HEALTH_LOG_MAX_BYTES, &text, err) < 0)
		return -1;
	return health_log_parse(buf_str(&text), text.len, arena, out, err);
}

int health_log_add(const char *path, const struct health_result *result, unsigned max_count,
		   struct err *err)
{
	auto_buf text = BUF_INIT(HEALTH_LOG_MAX_BYTES);
	auto_arena arena = { 0 };
	struct health_log old, next = { 0 };
	struct err ignored;

	if (max_count == 0 || max_count > HEALTH_LOG_MAX_COUNT)
		max_count = HEALTH_LOG_MAX_COUNT;
	if (health_log_read(path, &arena, &old, &ignored) < 0)
		old.count = 0;
	next.items = arena_alloc(&arena, (max_count + 1) * sizeof(*next.items));
	for (size_t i = old.count >= max_count ? old.count - max_count + 1 : 0; i < old.count; i++)
		next.items[next.count++] = old.items[i];
	next.items[next.count++] = *result;
	health_log_format(&next, &text);
	if (buf_check(&text, "health record", err) < 0)
		return -1;
	return file_write_atomic(AT_FDCWD, path, text.data, text.len, 0600, false, err);
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
