/* SPDX-License-Identifier: Apache-2.0 */
/* Comparisons of conditions: operators, and the order of versions as uapi-group.org's version format specification has it. Pure. */
#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "supervise/conditions.h"
#include "util/str.h"

enum condition_operator condition_take_operator(const char **text)
{
	static const struct {
		const char *sign;
		enum condition_operator op;
	} signs[] = {
		/* the longer first */
		{ "!$=", CONDITION_NO_MATCH },	   { "$=", CONDITION_MATCH },
		{ "<=", CONDITION_LESS_EQUAL },	   { "<>", CONDITION_UNEQUAL },
		{ ">=", CONDITION_GREATER_EQUAL }, { "!=", CONDITION_UNEQUAL },
		{ "==", CONDITION_EQUAL },	   { "<", CONDITION_LESS },
		{ ">", CONDITION_GREATER },	   { "=", CONDITION_EQUAL },
	};

	for (size_t i = 0; i < sizeof(signs) / sizeof(signs[0]); i++)
		if (str_starts(*text, signs[i].sign)) {
			*text += strlen(signs[i].sign);
			*text += strspn(*text, " \t");
			return signs[i].op;
		}
	return CONDITION_NONE;
}

bool condition_fits_order(enum condition_operator op, int order)
{
	switch (op) {
	case CONDITION_LESS:
		return order < 0;
	case CONDITION_LESS_EQUAL:
		return order <= 0;
	case CONDITION_EQUAL:
		return order == 0;
	case CONDITION_UNEQUAL:
		return order != 0;
	case CONDITION_GREATER_EQUAL:
		return order >= 0;
	case CONDITION_GREATER:
		return order > 0;
	case CONDITION_NONE:
	case CONDITION_MATCH:
	case CONDITION_NO_MATCH:
		break;
	}
	return false;
}

bool condition_read_bool(const char *text, bool *out)
{
	static const char *const yes[] = { "1", "yes", "y", "true", "t", "on" };
	static const char *const no[] = { "0", "no", "n", "false", "f", "off" };

	for (size_t i = 0; i < sizeof(yes) / sizeof(yes[0]); i++) {
		if (strcasecmp(text, yes[i]) == 0)
			return *out = true;
		if (strcasecmp(text, no[i]) == 0) {
			*out = false;
			return true;
		}
	}
	return false;
}

static bool is_part(char c)
{
	return isalnum((unsigned char)c) || (c && strchr("~-^.", c));
}

static int sign(int value)
{
	return (value > 0) - (value < 0);
}

static int compare_numbers(const char **a, const char **b)
{
	size_t x, y;
	int order = !!isdigit((unsigned char)**a) - !!isdigit((unsigned char)**b);

	/* any number, 0 included, is newer than letters */
	if (order)
		return order;
	*a += strspn(*a, "0");
	*b += strspn(*b, "0");
	x = strspn(*a, "0123456789");
	y = strspn(*b, "0123456789");
	order = x == y ? sign(strncmp(*a, *b, x)) : x < y ? -1 : 1;
	*a += x;
	*b += y;
	return order;
}

static int compare_letters(const char **a, const char **b)
{
	size_t x = 0, y = 0;
	int order;

	while (isalpha((unsigned char)(*a)[x]))
		x++;
	while (isalpha((unsigned char)(*b)[y]))
		y++;
	order = sign(strncmp(*a, *b, x < y ? x : y));
	*a += x;
	*b += y;
	return order ? order : x == y ? 0 : x < y ? -1 : 1;
}

/* Which of the two begins with the mark; both: it is taken off both. 0: neither or both. */
static int compare_mark(char mark, const char **a, const char **b)
{
	if (**a == mark && **b == mark) {
		(*a)++;
		(*b)++;
		return 0;
	}
	return (**b == mark) - (**a == mark);
}

int condition_compare_versions(const char *a, const char *b)
{
	for (;;) {
		int order;

		while (*a && !is_part(*a))
			a++;
		while (*b && !is_part(*b))
			b++;
		/* ~ is older than anything, the end included */
		order = compare_mark('~', &a, &b);
		if (order)
			return order;
		if (!*a || !*b)
			return *a ? 1 : *b ? -1 : 0;
		for (const char *mark = "-^."; *mark; mark++) {
			order = compare_mark(*mark, &a, &b);
			if (order)
				return order;
		}
		order = isdigit((unsigned char)*a) || isdigit((unsigned char)*b) ?
				compare_numbers(&a, &b) :
				compare_letters(&a, &b);
		if (order)
			return order;
	}
}
