/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The appliance's own links in /status: lines of net/uplink.h -> JSON. They come from a worker through the engine, so that a line which is none is
 * left out. Must never look at a link itself.
 */
#include <stdio.h>
#include <string.h>

#include "status/internal.h"
#include "util/json.h"
#include "util/str.h"

#define LINE_MAX_BYTES 512
#define MAX_WORDS 12

static unsigned split(char *line, char **words)
{
	unsigned count = 0;

	for (line += strspn(line, " "); *line && count < MAX_WORDS; line += strspn(line, " ")) {
		words[count++] = line;
		line += strcspn(line, " ");
		if (*line)
			*line++ = '\0';
	}
	return count;
}

/* The word behind a key; "" when there is none. */
static const char *behind(char **words, unsigned count, const char *key)
{
	for (unsigned i = 4; i + 1 < count; i += 2)
		if (str_eq(words[i], key))
			return words[i + 1];
	return "";
}

static void put_list(struct json *j, const char *key, const char *text)
{
	json_array(j, key);
	while (*text && !str_eq(text, "-")) {
		size_t len = strcspn(text, ",");

		json_strn(j, NULL, text, len);
		text += len + (text[len] == ',');
	}
	json_array_end(j);
}

static void put_link(struct json *j, char **words, unsigned count)
{
	char until[32];
	uint64_t n;

	json_object(j, NULL);
	json_str(j, "name", words[0]);
	json_str(j, "state", words[1]);
	json_str(j, "method", words[2]);
	put_list(j, "addresses", words[3]);
	put_list(j, "gateways", behind(words, count, "gateway"));
	json_uint(j, "mtu", str_to_u64(behind(words, count, "mtu"), UINT32_MAX, &n) ? n : 0);
	if (str_to_u64(behind(words, count, "until"), UINT32_MAX, &n)) {
		status_time((int64_t)n * 1000000, true, until);
		json_str(j, "lease_until", until);
	} else {
		json_null(j, "lease_until");
	}
	json_object_end(j);
}

/* Copies the next line; false at the end of the text. */
static bool next_line(const char **text, char line[LINE_MAX_BYTES])
{
	size_t len = strcspn(*text, "\n"), kept = len < LINE_MAX_BYTES ? len : LINE_MAX_BYTES - 1;

	if (!**text)
		return false;
	memcpy(line, *text, kept);
	line[kept] = '\0';
	*text += len + ((*text)[len] == '\n');
	return true;
}

static void put_words(struct json *j, const char *lines, const char *key)
{
	char line[LINE_MAX_BYTES], *words[MAX_WORDS];

	while (next_line(&lines, line)) {
		unsigned count = split(line, words);
		size_t length = count ? strlen(words[0]) : 0;

		/* "dns:" */
		if (length < 2 || words[0][length - 1] != ':' || strlen(key) != length - 1 ||
		    !str_starts(words[0], key))
			continue;
		for (unsigned i = 1; i < count; i++)
			json_str(j, NULL, words[i]);
	}
}

void status_put_links(struct json *j, const struct published_header *h)
{
	char line[LINE_MAX_BYTES], *words[MAX_WORDS];
	const char *text = h->links;

	json_object(j, "network");
	json_bool(j, "online", h->is_online);
	json_array(j, "dns");
	put_words(j, h->links, "dns");
	json_array_end(j);
	json_array(j, "search");
	put_words(j, h->links, "search");
	json_array_end(j);
	json_array(j, "links");
	while (next_line(&text, line)) {
		unsigned count = split(line, words);

		if (count >= 4 && !strchr(words[0], ':'))
			put_link(j, words, count);
	}
	json_array_end(j);
	json_object_end(j);
}
