/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The health check of a unit and that of its image become one. Pure. What an image says is hostile:
 * counts, lengths and times are bounded here, whatever the worker that read them made of it. Must
 * never take a part of the image's command.
 */
#include "spec/options.h"

#include <string.h>
#include <strings.h>

#define DEFAULT_USEC UINT64_C(30000000)
#define DEFAULT_RETRIES 3u
#define RETRIES_MAX 1000000u
#define TIME_MAX_USEC UINT64_C(31622400000000) /* a year, as in a unit */
#define INTERVAL_MIN_USEC UINT64_C(100000)
#define TIMEOUT_MIN_USEC UINT64_C(1000) /* Docker's */

static const char *join_text(struct arena *arena, const struct strv *words, size_t first)
{
	const char *text = "";

	for (size_t i = first; i < words->count; i++)
		text = arena_printf(arena, "%s%s%s", text, i > first ? " " : "", words->items[i]);
	return text;
}

static bool is_small(const struct strv *test)
{
	size_t bytes = 0;

	if (test->count > SPEC_HEALTH_MAX_WORDS)
		return false;
	for (size_t i = 0; i < test->count && bytes <= SPEC_HEALTH_MAX_BYTES; i++)
		bytes += strnlen(test->items[i], SPEC_HEALTH_MAX_BYTES + 1) + 1;
	return bytes <= SPEC_HEALTH_MAX_BYTES - 16; /* "/bin/sh" and "-c" come to it */
}

/* NULL, or what is wrong with it. */
static const char *command_of(const struct strv *test, struct arena *arena, struct spec_check *out)
{
	struct strv words = { 0 };
	size_t first = 0;

	if (!is_small(test))
		return "the image's health check is not run: its command is too long";
	if (strcasecmp(test->items[0], "CMD-SHELL") == 0) {
		strv_push(arena, &words, "/bin/sh");
		strv_push(arena, &words, "-c");
		strv_push(arena, &words, join_text(arena, test, 1));
	} else {
		first = strcasecmp(test->items[0], "CMD") == 0;
		for (size_t i = first; i < test->count; i++)
			strv_push(arena, &words, arena_strdup(arena, test->items[i]));
	}
	if (!words.count || !words.items[words.count > 2 ? 2 : 0][0] || !words.items[0][0])
		return "the image's health check is not run: its command is empty";
	*out = (struct spec_check){ .kind = SPEC_PROBE_EXEC, .argv = words };
	return NULL;
}

static uint64_t time_of(uint64_t image, uint64_t min, uint64_t unsaid)
{
	if (image == 0)
		return unsaid;
	return image < min ? min : image > TIME_MAX_USEC ? TIME_MAX_USEC : image;
}

static void take_times(const struct spec_image_health *image, struct spec_health *out)
{
	if (!(out->said & SPEC_HEALTH_INTERVAL))
		out->interval_usec = time_of(image->interval_usec, INTERVAL_MIN_USEC, DEFAULT_USEC);
	if (!(out->said & SPEC_HEALTH_TIMEOUT))
		out->timeout_usec = time_of(image->timeout_usec, TIMEOUT_MIN_USEC, DEFAULT_USEC);
	if (!(out->said & SPEC_HEALTH_START_PERIOD))
		out->start_period_usec = time_of(image->start_period_usec, 0, 0);
	if (!(out->said & SPEC_HEALTH_RETRIES))
		out->retries = image->retries == 0	    ? DEFAULT_RETRIES :
			       image->retries > RETRIES_MAX ? RETRIES_MAX :
							      image->retries;
	out->start_interval_usec = time_of(image->start_interval_usec, INTERVAL_MIN_USEC, 0);
}

const char *spec_health_join(const struct spec_health *unit, const struct spec_image_health *image,
			     struct arena *arena, struct spec_health *out)
{
	const char *problem = NULL;

	*out = *unit;
	if (unit->check.kind != SPEC_PROBE_NONE)
		return NULL;
	if (!unit->is_off && image->test.count && image->test.items[0][0] &&
	    strcasecmp(image->test.items[0], "NONE") != 0) {
		problem = command_of(&image->test, arena, &out->check);
		take_times(image, out);
	}
	if (out->check.kind == SPEC_PROBE_NONE)
		out->startup.check.kind = SPEC_PROBE_NONE;
	return problem;
}
