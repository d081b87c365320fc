/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of time zones, one text without pointers: a pointer would be a relocation in every process of the program. Must never open
 * a file by a zone's name.
 */
#include "unit/zones.h"

#include <ctype.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

#include "util/str.h"

#define MAX_NAME 64
#define MAX_DISTANCE 3
#define HEADER_BYTES 44
#define TRANSITION_BYTES 9 /* of the second block */
#define TYPE_BYTES 6
#define OUR_NAME \
	"cleat" /* of the one type in a file of ours; never shown: the rule holds at all times */

/* "NAME RULE\n" */
static const char zones[] = "" /* for analyzers that do not see the file */
#include <cleat-zones.def>
	;

/* --- rules ---------------------------------------------------------------------------------------------------------------- */

/* "CET", or "<+0330>" */
static bool take_name(const char **text)
{
	const char *p = *text;
	bool quoted = *p == '<';
	size_t len = 0;

	p += quoted;
	while (quoted ? isalnum((unsigned char)*p) || *p == '+' || *p == '-' :
			isalpha((unsigned char)*p)) {
		p++;
		len++;
	}
	if (len < 3 || len > 10 || (quoted && *p++ != '>'))
		return false;
	*text = p;
	return true;
}

static bool take_number(const char **text, unsigned min, unsigned max)
{
	unsigned value = 0, digits = 0;

	for (; isdigit((unsigned char)**text) && digits < 4; (*text)++, digits++)
		value = value * 10 + (unsigned)(**text - '0');
	return digits && value >= min && value <= max;
}

/* "[+-]HH[:MM[:SS]]" */
static bool take_offset(const char **text, unsigned max_hours)
{
	if (**text == '+' || **text == '-')
		(*text)++;
	if (!take_number(text, 0, max_hours))
		return false;
	for (int i = 0; i < 2 && **text == ':'; i++) {
		(*text)++;
		if (!take_number(text, 0, 59))
			return false;
	}
	return true;
}

static bool take_char(const char **text, char c)
{
	if (**text != c)
		return false;
	(*text)++;
	return true;
}

/* "M3.5.0/2", "J60", "59" */
static bool take_day(const char **text)
{
	bool good;

	if (take_char(text, 'M'))
		good = take_number(text, 1, 12) && take_char(text, '.') &&
		       take_number(text, 1, 5) && take_char(text, '.') && take_number(text, 0, 6);
	else if (take_char(text, 'J'))
		good = take_number(text, 1, 365);
	else
		good = take_number(text, 0, 365);
	return good && (!take_char(text, '/') || take_offset(text, 167));
}

bool zone_is_rule(const char *text)
{
	if (strlen(text) >= ZONE_MAX_BYTES || !take_name(&text) || !take_offset(&text, 24))
		return false;
	if (!*text)
		return true;
	if (!take_name(&text) || (*text != ',' && !take_offset(&text, 24)))
		return false;
	return take_char(&text, ',') && take_day(&text) && take_char(&text, ',') &&
	       take_day(&text) && !*text;
}

/* --- names ---------------------------------------------------------------------------------------------------------------- */

struct zone {
	char name[MAX_NAME], rule[ZONE_MAX_BYTES];
};

static void cut(char *out, size_t size, const char *from, size_t len)
{
	if (len >= size)
		len = size - 1;
	memcpy(out, from, len);
	out[len] = '\0';
}

/* The line at *at; false at the end of the table. */
static bool next_zone(const char **at, struct zone *out)
{
	size_t name = strcspn(*at, " \n"), rule;

	if (!**at)
		return false;
	cut(out->name, sizeof(out->name), *at, name);
	*at += name + 1;
	rule = strcspn(*at, "\n");
	cut(out->rule, sizeof(out->rule), *at, rule);
	*at += rule + 1;
	return true;
}

bool zone_rule(const char *zone, char *out, size_t size)
{
	const char *at = zones;
	struct zone z;

	out[0] = '\0';
	while (next_zone(&at, &z))
		if (str_eq(z.name, zone))
			return str_copy(out, size, z.rule);
	return zone_is_rule(zone) && str_copy(out, size, zone);
}

/* How far a word is from a name: 0 the same but for its case, or the city of it. */
static unsigned distance(const char *zone, const char *name)
{
	const char *city = strrchr(name, '/');
	char wanted[MAX_NAME];

	if (!str_copy(wanted, sizeof(wanted), zone))
		return MAX_DISTANCE + 1;
	for (char *p = wanted; *p; p++)
		*p = *p == ' ' ? '_' : *p;
	if (strcasecmp(wanted, name) == 0 || (city && strcasecmp(wanted, city + 1) == 0))
		return 0;
	return str_distance(wanted, name, MAX_DISTANCE);
}

bool zone_suggest(const char *zone, char *out, size_t size)
{
	unsigned best = MAX_DISTANCE + 1;
	const char *at = zones;
	struct zone z;

	out[0] = '\0';
	while (next_zone(&at, &z)) {
		unsigned d = distance(zone, z.name);

		if (d >= best)
			continue;
		best = d;
		str_copy(out, size, z.name);
	}
	return out[0] != '\0';
}

/* --- files ---------------------------------------------------------------------------------------------------------------- */

static size_t put_u32(char *out, uint32_t value)
{
	for (int i = 0; i < 4; i++)
		out[i] = (char)(value >> (24 - 8 * i));
	return 4;
}

/*
 * A header, transitions, one type and its name. glibc and Go ask the rule only for what comes after a last transition, so the second block has
 * one, in 1970; the first is for readers of the first version of the format.
 */
static size_t put_block(char *out, uint32_t transitions)
{
	const uint32_t counts[6] = { 0, 0, 0, transitions, 1, sizeof(OUR_NAME) };
	size_t len = 20;

	memset(out, 0, HEADER_BYTES + TRANSITION_BYTES + TYPE_BYTES);
	memcpy(out, "TZif2", 5);
	for (int i = 0; i < 6; i++)
		len += put_u32(out + len, counts[i]);
	len += transitions * TRANSITION_BYTES; /* at 0, to type 0 */
	len += TYPE_BYTES;		       /* offset 0, no summer time, name at 0 */
	memcpy(out + len, OUR_NAME, sizeof(OUR_NAME));
	return len + sizeof(OUR_NAME);
}

size_t zone_file(const char *rule, char *out, size_t size)
{
	size_t len, rule_len = strlen(rule);

	if (size < ZONE_FILE_BYTES || rule_len >= ZONE_MAX_BYTES)
		return 0;
	len = put_block(out, 0);
	len += put_block(out + len, 1);
	out[len++] = '\n';
	memcpy(out + len, rule, rule_len);
	len += rule_len;
	out[len++] = '\n';
	return len;
}

bool zone_is_our_file(const char *bytes, size_t len)
{
	char block[HEADER_BYTES + TRANSITION_BYTES + TYPE_BYTES + sizeof(OUR_NAME)];
	size_t size = put_block(block, 0);

	return len > size && memcmp(bytes, block, size) == 0;
}
