/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Values of one word: booleans, words of an enum, numbers, modes, signals, texts. Must never leave a wrong value in place
 * of a default, and never be silent about a line that has no effect.
 */
#include <limits.h>

#include "unit/service_internal.h"
#include "util/signals.h"
#include "util/str.h"

void *service_target(struct reading *r, const struct service_rule *rule)
{
	return (char *)&r->unit->service + rule->offset;
}

void service_reject(struct reading *r, const struct service_rule *rule, const struct origin *origin,
		    const char *fmt, ...)
{
	auto_arena scratch = { 0 };
	va_list ap;

	va_start(ap, fmt);

	const char *text = arena_vprintf(&scratch, fmt, ap);
	const char *hint = strstr(text, " #") ? " (comments stand on lines of their own)" : "";

	va_end(ap);
	if (rule->is_strict)
		reading_refuse(
			r, origin,
			"%s%s: systemd would ignore the line, and what it guards against would be lost",
			text, hint);
	else
		reading_ignore(r, origin, "%s%s: ignored, as systemd does", text, hint);
}

const char *service_expand(struct reading *r, const struct syntax_entry *entry)
{
	return expand_specifiers(r, entry->value, entry->origin);
}

struct arg_list service_words(struct reading *r, const struct syntax_entry *entry,
			      enum words_mode mode)
{
	struct words words = words_split(r->arena, entry->value, mode);
	struct arg_list list = { 0 };

	if (words.problem)
		reading_refuse(r, syntax_origin(r->arena, entry, words.problem_offset),
			       "%s (systemd ignores the rest of the line)", words.problem);
	for (size_t i = 0; i < words.count; i++)
		arg_push(r->arena, &list, words.items[i].text,
			 syntax_origin(r->arena, entry, words.items[i].offset));
	return list;
}

static bool read_bool(struct reading *r, const struct service_rule *rule,
		      const struct syntax_entry *entry, bool *value)
{
	if (systemd_bool_parse(entry->value, value))
		return true;
	service_reject(r, rule, entry->origin, "'%s' is neither yes nor no", entry->value);
	return false;
}

void service_read_bool(struct reading *r, const struct service_rule *rule,
		       const struct syntax_entry *entry)
{
	bool value;

	if (read_bool(r, rule, entry, &value))
		*(bool *)service_target(r, rule) = value;
}

void service_check_bool(struct reading *r, const struct service_rule *rule,
			const struct syntax_entry *entry)
{
	bool value;

	if (entry->value[0])
		(void)read_bool(r, rule, entry, &value);
}

static int find_word(const struct service_rule *rule, const char *text)
{
	for (int i = 0; rule->words[i]; i++)
		if (str_eq(rule->words[i], text))
			return i;
	return -1;
}

/* "no, on-failure or always" */
static void list_words(const struct service_rule *rule, struct buf *out)
{
	for (int i = 0; rule->words[i]; i++)
		buf_printf(out, "%s%s",
			   i == 0	      ? "" :
			   rule->words[i + 1] ? ", " :
						" or ",
			   rule->words[i]);
}

static int read_word(struct reading *r, const struct service_rule *rule,
		     const struct syntax_entry *entry)
{
	int found = find_word(rule, entry->value);
	auto_buf list = BUF_INIT(1024);
	char hint[STR_HINT_BYTES];

	if (found >= 0)
		return found;
	list_words(rule, &list);
	str_hint(hint, entry->value, rule->words);
	service_reject(r, rule, entry->origin, "'%s' is not %s%s%s%s", entry->value, buf_str(&list),
		       hint[0] ? " (" : "", hint[0] ? hint + strlen(": ") : "", hint[0] ? ")" : "");
	return -1;
}

void service_read_word(struct reading *r, const struct service_rule *rule,
		       const struct syntax_entry *entry)
{
	int found = read_word(r, rule, entry);

	_Static_assert(sizeof(enum service_action) == sizeof(int), "enums are ints");
	if (found >= 0)
		*(int *)service_target(r, rule) = found;
}

void service_check_word(struct reading *r, const struct service_rule *rule,
			const struct syntax_entry *entry)
{
	if (entry->value[0])
		(void)read_word(r, rule, entry);
}

void service_check_bool_or_word(struct reading *r, const struct service_rule *rule,
				const struct syntax_entry *entry)
{
	auto_buf list = BUF_INIT(1024);
	bool value;

	if (!entry->value[0] || systemd_bool_parse(entry->value, &value) ||
	    find_word(rule, entry->value) >= 0)
		return;
	list_words(rule, &list);
	service_reject(r, rule, entry->origin, "'%s' is neither yes nor no, nor %s", entry->value,
		       buf_str(&list));
}

static bool read_number(struct reading *r, const struct service_rule *rule,
			const struct syntax_entry *entry, int64_t *value)
{
	const char *text = entry->value + (entry->value[0] == '+' && rule->low < 0);

	if (str_to_i64(text, rule->low, rule->high, value))
		return true;
	service_reject(r, rule, entry->origin, "'%s' is no number from %lld to %lld", entry->value,
		       (long long)rule->low, (long long)rule->high);
	return false;
}

void service_read_unsigned(struct reading *r, const struct service_rule *rule,
			   const struct syntax_entry *entry)
{
	int64_t value;

	if (read_number(r, rule, entry, &value))
		*(unsigned *)service_target(r, rule) = (unsigned)value;
}

void service_read_int(struct reading *r, const struct service_rule *rule,
		      const struct syntax_entry *entry)
{
	int64_t value;

	if (!entry->value[0])
		service_reset(r, rule, sizeof(int));
	else if (read_number(r, rule, entry, &value))
		*(int *)service_target(r, rule) = (int)value;
}

void service_check_number(struct reading *r, const struct service_rule *rule,
			  const struct syntax_entry *entry)
{
	int64_t value;

	if (entry->value[0])
		(void)read_number(r, rule, entry, &value);
}

void service_read_mode(struct reading *r, const struct service_rule *rule,
		       const struct syntax_entry *entry)
{
	unsigned mode;

	if (mode_parse(entry->value, &mode))
		*(unsigned *)service_target(r, rule) = mode;
	else
		service_reject(r, rule, entry->origin, "'%s' is no mode in octal, like 0750",
			       entry->value);
}

void service_read_signal(struct reading *r, const struct service_rule *rule,
			 const struct syntax_entry *entry)
{
	int number;

	if (signal_parse(entry->value, SIGNAL_OF_SYSTEMD, &number))
		*(unsigned *)service_target(r, rule) = (unsigned)number;
	else
		service_reject(r, rule, entry->origin,
			       "'%s' is no signal (like SIGTERM or SIGRTMIN+3)", entry->value);
}

void service_read_text(struct reading *r, const struct service_rule *rule,
		       const struct syntax_entry *entry)
{
	const char *text = service_expand(r, entry);

	if (text)
		*(const char **)service_target(r, rule) = text;
}

void service_check_span(struct reading *r, const struct service_rule *rule,
			const struct syntax_entry *entry)
{
	uint64_t usec;

	if (entry->value[0] && !span_parse(entry->value, &usec))
		service_reject(r, rule, entry->origin,
			       "'%s' is no time span (like 90, 5min 20s or infinity)",
			       entry->value);
}

void service_read_oom_score(struct reading *r, const struct service_rule *rule,
			    const struct syntax_entry *entry)
{
	int64_t value;

	if (!entry->value[0])
		service_reset(r, rule, sizeof(int));
	if (entry->value[0] && !read_number(r, rule, entry, &value))
		return;
	r->unit->service.has_oom_score_adjust = entry->value[0] != '\0';
	if (entry->value[0])
		r->unit->service.oom_score_adjust = (int)value;
}

void service_check_documentation(struct reading *r, const struct service_rule *rule,
				 const struct syntax_entry *entry)
{
	static const char *const schemes[] = { "http://", "https://", "file:/", "info:", "man:" };
	struct arg_list words = service_words(r, entry, WORDS_PLAIN);

	for (size_t i = 0; i < words.count; i++) {
		const char *text = expand_specifiers(r, words.items[i].text, words.items[i].origin);
		bool is_known = !text;

		for (size_t k = 0; !is_known && k < sizeof(schemes) / sizeof(schemes[0]); k++)
			is_known = str_starts(text, schemes[k]);
		if (!is_known)
			service_reject(
				r, rule, words.items[i].origin,
				"'%s' does not begin with https://, http://, file:, info: or man:",
				text);
	}
}

void service_warn_user(struct reading *r, const struct service_rule *rule,
		       const struct syntax_entry *entry)
{
	bool is_on = true;

	(void)rule;
	if (entry->value[0] && (!systemd_bool_parse(entry->value, &is_on) || is_on))
		reading_warn(
			r, entry->origin,
			"not supported by podman's generator: the container's user is [Container] User=");
}
