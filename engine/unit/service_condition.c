/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Condition*= and Assert*=: when a unit is started at all. Only read here, never asked of the machine. A condition that
 * systemd would ignore refuses the unit: it would run where it was not meant to.
 */
#include "unit/service_internal.h"
#include "util/str.h"

/* An empty line takes back all conditions of every kind, or all assertions. */
static void clear(struct service *service, bool is_assert)
{
	size_t kept = 0;

	for (size_t i = 0; i < service->condition_count; i++)
		if (service->conditions[i].is_assert != is_assert)
			service->conditions[kept++] = service->conditions[i];
	service->condition_count = kept;
}

static const char *skip_sign(const char *text, char sign, bool *has_sign)
{
	*has_sign = text[0] == sign;
	text += *has_sign;
	return text + strspn(text, " \t");
}

void service_read_condition(struct reading *r, const struct service_rule *rule,
			    const struct syntax_entry *entry)
{
	struct service *service = &r->unit->service;
	bool is_assert = rule->high != 0, is_trigger, is_negated;
	const char *text = entry->value;

	if (!text[0]) {
		clear(service, is_assert);
		return;
	}
	text = skip_sign(skip_sign(text, '|', &is_trigger), '!', &is_negated);
	text = expand_specifiers(r, text, entry->origin);
	if (!text)
		return;
	if (rule->low && text[0] != '/') {
		service_reject(r, rule, entry->origin, "'%s' is no absolute path", text);
		return;
	}
	if (!text[0]) {
		service_reject(r, rule, entry->origin, "'%s' asks for nothing", entry->value);
		return;
	}

	struct service_condition *condition =
		arena_push(r->arena, service->conditions, service->condition_count);

	*condition = (struct service_condition){
		.name = rule->key + strlen(is_assert ? "Assert" : "Condition"),
		.text = text,
		.is_assert = is_assert,
		.is_negated = is_negated,
		.is_trigger = is_trigger,
		.origin = entry->origin,
	};
}
