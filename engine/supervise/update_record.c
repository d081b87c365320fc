/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The record of a unit's updates as text. Pure but for update_record_load(). Must never take half a record for a whole one: what does
 * not fit is refused with its line, and the caller goes on without.
 */
#include "supervise/update_record.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "util/digest.h"
#include "util/file.h"
#include "util/places.h"
#include "util/str.h"

#define HEAD "#cleat update 1\n"
#define MAX_BOOTS 1000

static const char *const result_names[UPDATE_RESULT_COUNT] = {
	[UPDATE_WAS_BEFORE] = "before",
	[UPDATE_WAS_UPDATED] = "updated",
	[UPDATE_WAS_ROLLED_BACK] = "rolled-back",
	[UPDATE_WAS_BY_HAND] = "by-hand",
	[UPDATE_WAS_KEPT] = "kept",
};

const char *update_result_name(enum update_result result)
{
	return (unsigned)result < UPDATE_RESULT_COUNT ? result_names[result] : "";
}

void update_record_add(struct update_record *record, int64_t real_usec, enum update_result result,
		       const char *digest, const char *text)
{
	struct update_entry *entry;

	if (record->count == UPDATE_HISTORY_MAX) {
		memmove(record->history, record->history + 1,
			(UPDATE_HISTORY_MAX - 1) * sizeof(record->history[0]));
		record->count--;
	}
	entry = &record->history[record->count++];
	*entry = (struct update_entry){ .real_usec = real_usec, .result = result };
	str_copy(entry->digest, sizeof(entry->digest), digest);
	str_copy_text(entry->text, sizeof(entry->text), text);
	for (char *p = entry->text; *p;
	     p++) /* a registry's words must not become lines of the record */
		if ((unsigned char)*p < ' ')
			*p = ' ';
}

static void put_digest(struct buf *out, const char *key, const char *digest)
{
	if (digest[0])
		buf_printf(out, "%s %s\n", key, digest);
}

void update_record_write(const struct update_record *record, struct buf *out)
{
	buf_puts(out, HEAD);
	buf_printf(out, "image %s\n", record->image);
	put_digest(out, "pin", record->pin);
	put_digest(out, "bad", record->bad);
	put_digest(out, "old", record->old);
	if (record->keeps_failed)
		buf_puts(out, "keep\n");
	if (record->boot_id[0])
		buf_printf(out, "boot %s %u\n", record->boot_id, record->boots);
	for (unsigned i = 0; i < record->count; i++) {
		const struct update_entry *entry = &record->history[i];

		buf_printf(out, "h %lld %s %s %s\n", (long long)entry->real_usec,
			   result_names[entry->result], entry->digest, entry->text);
	}
}

/* The next word of a line; "" at its end. */
static char *next_word(char **rest)
{
	char *word = *rest;
	size_t length = strcspn(word, " ");

	*rest = word + length + (word[length] == ' ');
	word[length] = '\0';
	return word;
}

static bool read_history(struct update_record *out, char *rest)
{
	const char *time = next_word(&rest), *result = next_word(&rest), *digest = next_word(&rest);
	uint64_t usec;

	if (!str_to_u64(time, INT64_MAX, &usec) || !digest_is_valid(digest) ||
	    out->count == UPDATE_HISTORY_MAX)
		return false;
	for (unsigned i = 0; i < UPDATE_RESULT_COUNT; i++)
		if (str_eq(result, result_names[i])) {
			update_record_add(out, (int64_t)usec, (enum update_result)i, digest, rest);
			return true;
		}
	return false;
}

static bool read_boot(struct update_record *out, char *rest)
{
	const char *id = next_word(&rest);
	uint64_t count;

	if (!id[0] || !str_copy(out->boot_id, sizeof(out->boot_id), id) ||
	    !str_to_u64(rest, MAX_BOOTS, &count))
		return false;
	out->boots = (unsigned)count;
	return true;
}

static bool read_line(struct update_record *out, char *line)
{
	const struct {
		const char *key;
		char *digest;
	} digests[] = { { "pin", out->pin }, { "bad", out->bad }, { "old", out->old } };
	char *rest = line;
	const char *key = next_word(&rest);

	for (size_t i = 0; i < sizeof(digests) / sizeof(digests[0]); i++)
		if (str_eq(key, digests[i].key))
			return digest_is_valid(rest) &&
			       str_copy(digests[i].digest, UPDATE_DIGEST_SIZE, rest);
	if (str_eq(key, "image"))
		return rest[0] && str_copy(out->image, sizeof(out->image), rest);
	if (str_eq(key, "keep")) {
		out->keeps_failed = true;
		return !rest[0];
	}
	if (str_eq(key, "boot"))
		return read_boot(out, rest);
	return str_eq(key, "h") && read_history(out, rest);
}

int update_record_read(char *text, struct update_record *out, struct err *err)
{
	char *line;

	*out = (struct update_record){ 0 };
	if (!str_starts(text, HEAD))
		return err_set(err, ERR_INTEGRITY, "not a record of updates");
	line = text + strlen(HEAD);
	for (unsigned number = 2; *line; number++) {
		char *next = line + strcspn(line, "\n");

		if (*next)
			*next++ = '\0';
		if (!read_line(out, line)) {
			*out = (struct update_record){ 0 };
			return err_set(err, ERR_INTEGRITY, "line %u is not understood", number);
		}
		line = next;
	}
	/* under way, but to where? */
	if (out->image[0] && (!out->old[0] || out->pin[0]))
		return 0;
	*out = (struct update_record){ 0 };
	return err_set(err, ERR_INTEGRITY, "it ends too early");
}

int update_record_load(const char *unit, struct update_record *out, struct err *err)
{
	auto_buf text = BUF_INIT(UPDATE_RECORD_MAX_BYTES);
	char path[512];

	*out = (struct update_record){ 0 };
	snprintf(path, sizeof(path), "%s/%s", CLEAT_HISTORY_DIR, unit);
	if (file_read_at(AT_FDCWD, path, UPDATE_RECORD_MAX_BYTES, &text, err) < 0)
		return err->code == ERR_NOT_FOUND ? 0 : -1;
	buf_puts(&text, "");
	if (!text.len || strlen(text.data) != text.len)
		return err_set(err, ERR_INTEGRITY, "%s: not a record of updates", path);
	if (update_record_read(text.data, out, err) < 0)
		return err_wrap(err, "%s", path);
	return 1;
}

static bool was_good(const struct update_entry *entry)
{
	return entry->result == UPDATE_WAS_BEFORE || entry->result == UPDATE_WAS_UPDATED ||
	       entry->result == UPDATE_WAS_BY_HAND;
}

unsigned update_record_keeps(const struct update_record *record, const char *out[UPDATE_KEEPS_MAX])
{
	const char *good[2] = { NULL, NULL };
	unsigned count = 0, found = 0;

	if (record->pin[0])
		out[count++] = record->pin;
	if (record->old[0])
		out[count++] = record->old;
	for (unsigned i = record->count; i > 0 && found < 2; i--) {
		const struct update_entry *entry = &record->history[i - 1];

		if (was_good(entry) && !(found && str_eq(good[0], entry->digest)))
			good[found++] = entry->digest;
	}
	for (unsigned i = 0; i < found; i++)
		out[count++] = good[i];
	return count;
}
