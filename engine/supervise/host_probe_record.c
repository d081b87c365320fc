/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The record of what was found: fixed size, so that reading one is a copy and a look at its edges. It comes from a child and from a file that
 * an earlier engine wrote: nothing in it is believed beyond its bounds.
 */
#include "supervise/host_probe.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>

#include "util/buf.h"
#include "util/file.h"
#include "util/loop.h"
#include "util/proc.h"
#include "util/str.h"

static void read_boot_id(char out[40])
{
	auto_buf text = BUF_INIT(64);
	struct err err;

	out[0] = '\0';
	if (file_read_at(AT_FDCWD, "/proc/sys/kernel/random/boot_id", 64, &text, &err) < 0 ||
	    !text.len)
		return;
	text.data[strcspn(text.data, "\n")] = '\0';
	str_copy(out, 40, text.data);
}

void host_record_init(struct host_record *record)
{
	struct utsname uts;

	memset(record, 0, sizeof(*record));
	record->magic = HOST_RECORD_MAGIC;
	record->version = HOST_RECORD_VERSION;
	record->length = sizeof(*record);
	record->init_ticks = proc_start_ticks(1);
	record->real_usec = clock_real_usec();
	read_boot_id(record->boot_id);
	if (uname(&uts) == 0)
		str_copy(record->kernel, sizeof(record->kernel), uts.release);
}

static struct host_fact *place_of(struct host_record *record, const char *id)
{
	for (uint32_t i = 0; i < record->count; i++)
		if (str_eq(record->facts[i].id, id))
			return &record->facts[i];
	return record->count < HOST_MAX_FACTS ? &record->facts[record->count++] : NULL;
}

static struct host_fact *put(struct host_record *record, const char *id, enum host_answer answer)
{
	struct host_fact *fact = place_of(record, id);

	if (!fact)
		return NULL;
	memset(fact, 0, sizeof(*fact));
	str_copy(fact->id, sizeof(fact->id), id);
	fact->answer = (uint8_t)answer;
	return fact;
}

void host_record_yes(struct host_record *record, const char *id)
{
	put(record, id, HOST_YES);
}

void host_record_no(struct host_record *record, const char *id, int number, const char *fmt, ...)
{
	struct host_fact *fact = put(record, id, HOST_NO);
	char text[512];
	va_list ap;

	if (!fact)
		return;
	fact->number = number;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	str_copy_text(fact->text, sizeof(fact->text), text);
}

void host_record_set_tried(struct host_record *record, const char *id)
{
	for (uint32_t i = 0; i < record->count; i++)
		if (str_eq(record->facts[i].id, id))
			record->facts[i].is_tried = 1;
}

const struct host_fact *host_record_find(const struct host_record *record, const char *id)
{
	for (uint32_t i = 0; i < record->count && i < HOST_MAX_FACTS; i++)
		if (str_eq(record->facts[i].id, id))
			return &record->facts[i];
	return NULL;
}

void host_record_merge(struct host_record *record, const struct host_record *tried)
{
	for (uint32_t i = 0; i < tried->count; i++) {
		const struct host_fact *fact = &tried->facts[i];
		struct host_fact *place;

		if (!fact->is_tried || host_record_find(record, fact->id))
			continue;
		place = place_of(record, fact->id);
		if (place)
			*place = *fact;
	}
}

static bool is_id(const char id[HOST_ID_SIZE])
{
	size_t len = strnlen(id, HOST_ID_SIZE);

	return len > 0 && len < HOST_ID_SIZE &&
	       strspn(id, "abcdefghijklmnopqrstuvwxyz0123456789-") == len;
}

static void make_safe(char *text, size_t size)
{
	char copy[HOST_TEXT_SIZE];

	text[size - 1] = '\0';
	str_copy_text(copy, sizeof(copy), text);
	str_copy(text, size, copy);
}

static bool fact_is_sound(struct host_fact *fact)
{
	if (!is_id(fact->id) || fact->answer > HOST_NO || fact->number < 0 || fact->number > 4095)
		return false;
	make_safe(fact->text, sizeof(fact->text));
	return true;
}

int host_record_parse(const void *bytes, size_t length, struct host_record *out, struct err *err)
{
	const char *why = NULL;

	if (length != sizeof(*out)) {
		why = "another size";
	} else {
		memcpy(out, bytes, sizeof(*out));
		if (out->magic != HOST_RECORD_MAGIC || out->version != HOST_RECORD_VERSION ||
		    out->length != sizeof(*out))
			why = "another version";
		else if (out->count > HOST_MAX_FACTS || out->kind >= HOST_KINDS)
			why = "impossible numbers";
	}
	for (uint32_t i = 0; !why && i < out->count; i++)
		if (!fact_is_sound(&out->facts[i]))
			why = "an impossible fact";
	if (why) {
		memset(out, 0, sizeof(*out));
		return err_set(err, ERR_INTEGRITY, "record of the host: %s", why);
	}
	make_safe(out->boot_id, sizeof(out->boot_id));
	make_safe(out->kernel, sizeof(out->kernel));
	make_safe(out->label, sizeof(out->label));
	return 0;
}

int host_record_load(const char *path, struct host_record *out, struct err *err)
{
	auto_buf text = BUF_INIT(sizeof(*out) + 1);

	memset(out, 0, sizeof(*out));
	if (file_read_at(AT_FDCWD, path, sizeof(*out) + 1, &text, err) < 0)
		return -1;
	return host_record_parse(buf_str(&text), text.len, out, err);
}

int host_record_save(const char *path, const struct host_record *record, struct err *err)
{
	return file_write_atomic(AT_FDCWD, path, record, sizeof(*record), 0644, false, err);
}

bool host_record_is_current(const struct host_record *record)
{
	char boot_id[40];

	read_boot_id(boot_id);
	return record->count && str_eq(boot_id, record->boot_id) &&
	       record->init_ticks == proc_start_ticks(1);
}
