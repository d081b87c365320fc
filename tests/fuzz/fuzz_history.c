/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The file of the history of units. A whole one is megabytes, so the input is put over the parts of one that decide: header, the first
 * names, the first rings. Oracle beside the sanitizers: few lines, in order, texts that end and are UTF-8.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "supervise/history_internal.h"
#include "tests/fuzz/fuzz.h"
#include "util/str.h"

static void put(unsigned char *file, size_t place, size_t room, const uint8_t **data, size_t *size)
{
	size_t n = *size < room ? *size : room;

	memcpy(file + place, *data, n);
	*data += n;
	*size -= n;
}

static void check_view(const struct history_view *view)
{
	check(view->count <= 2 * HISTORY_LINES, "the rings bound the lines");
	for (size_t i = 0; i < view->count; i++) {
		const char *text = view->lines[i].text;

		check(i == 0 || view->lines[i - 1].order <= view->lines[i].order,
		      "lines are in order");
		for (size_t left = strlen(text); left > 0;) {
			size_t n = str_utf8_len(text, left);

			check(n > 0, "a text is UTF-8");
			text += n;
			left -= n;
		}
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static unsigned char file[HISTORY_MAX_BYTES];
	bool is_many = size > 0 && data[0] & 1, cuts = size > 0 && data[0] & 2;
	const struct history_header header = {
		.magic = HISTORY_MAGIC,
		.version = HISTORY_VERSION,
		.length = sizeof(header),
		.lines = is_many ? HISTORY_LINES_MANY : HISTORY_LINES,
		.slots = history_slots(is_many ? HISTORY_LINES_MANY : HISTORY_LINES),
		.unit_size = sizeof(struct history_unit),
		.record_size = sizeof(struct history_record),
	};
	size_t records = sizeof(header) + header.slots * sizeof(struct history_unit);
	size_t ring = header.lines * sizeof(struct history_record);
	size_t len = records + header.slots * ring;
	auto_arena arena = { 0 };
	struct history_view view;
	char name[16] = "a";

	if (size == 0)
		return 0;
	memcpy(file, &header, sizeof(header));
	data++;
	size--;
	if (cuts) { /* header and length, too */
		put(file, 0, sizeof(header), &data, &size);
		len = size > 1 ? (size_t)data[0] * len / 255 : len;
	}
	memset(file + sizeof(header), 0, 2 * sizeof(struct history_unit));
	memset(file + records, 0, 2 * ring);
	memcpy(file + sizeof(header), "all", 4);
	memcpy(file + sizeof(header) + sizeof(struct history_unit), "a", 2);
	put(file, records + ring, size / 2, &data, &size);
	put(file, records, ring, &data, &size);
	if (history_parse(file, len, name, &arena, &view, NULL) == 0)
		check_view(&view);
	if (history_parse(file, len, "all", &arena, &view, NULL) == 0)
		check_view(&view);
	return 0;
}
