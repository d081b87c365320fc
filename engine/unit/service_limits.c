/* SPDX-License-Identifier: Apache-2.0 */
/*
 * systemd.resource-control(5) and the Limit*= of systemd.exec(5). A limit that systemd would ignore because it is
 * misspelt refuses the unit here; must never round a limit up.
 */
#include <sys/resource.h>

#include "unit/service_internal.h"
#include "util/str.h"

/* Infinity, a share or "": what all amounts have in common. */
static bool read_special(struct reading *r, const struct service_rule *rule,
			 const struct syntax_entry *entry, struct service_amount *amount)
{
	const char *text = entry->value;

	*amount = (struct service_amount){ 0 };
	if (!text[0]) {
		service_reset(r, rule, sizeof(*amount));
		*amount = *(struct service_amount *)service_target(r, rule);
		return true;
	}
	if (str_eq(text, "infinity")) {
		amount->form = SERVICE_AMOUNT_INFINITY;
		return true;
	}
	if (!share_parse(text, &amount->value) || amount->value > 10000)
		return false;
	amount->form = SERVICE_AMOUNT_SHARE;
	return true;
}

static bool is_too_small(const struct service_rule *rule, const struct service_amount *amount)
{
	return (amount->form == SERVICE_AMOUNT_FIXED || amount->form == SERVICE_AMOUNT_SHARE) &&
	       amount->value < (uint64_t)rule->low;
}

static void take_amount(struct reading *r, const struct service_rule *rule,
			const struct syntax_entry *entry, const struct service_amount *amount,
			const char *what)
{
	if (is_too_small(rule, amount))
		service_reject(r, rule, entry->origin, "'%s' is too small", entry->value);
	else if (amount->form == SERVICE_AMOUNT_UNSET && entry->value[0])
		service_reject(r, rule, entry->origin, "'%s' is no %s", entry->value, what);
	else
		*(struct service_amount *)service_target(r, rule) = *amount;
}

void service_read_amount(struct reading *r, const struct service_rule *rule,
			 const struct syntax_entry *entry)
{
	struct service_amount amount;

	if (!read_special(r, rule, entry, &amount)) {
		amount = (struct service_amount){ 0 };
		if (size_parse(entry->value, 1024, &amount.value) && amount.value < UINT64_MAX)
			amount.form = SERVICE_AMOUNT_FIXED;
	}
	take_amount(r, rule, entry, &amount, "size (like 256M, 1.5G, 20% or infinity)");
}

void service_read_tasks(struct reading *r, const struct service_rule *rule,
			const struct syntax_entry *entry)
{
	struct service_amount amount;

	if (!read_special(r, rule, entry, &amount)) {
		amount = (struct service_amount){ 0 };
		if (str_to_u64(entry->value, UINT64_MAX - 1, &amount.value))
			amount.form = SERVICE_AMOUNT_FIXED;
	}
	take_amount(r, rule, entry, &amount, "number of tasks (like 200, 10% or infinity)");
}

void service_read_weight(struct reading *r, const struct service_rule *rule,
			 const struct syntax_entry *entry)
{
	uint32_t *weight = service_target(r, rule);
	uint64_t value;

	if (!entry->value[0])
		*weight = 0;
	else if (rule->high && str_eq(entry->value, "idle"))
		*weight = SERVICE_WEIGHT_IDLE;
	else if (str_to_u64(entry->value, 10000, &value) && value)
		*weight = (uint32_t)value;
	else
		service_reject(r, rule, entry->origin, "'%s' is no weight from 1 to 10000%s",
			       entry->value, rule->high ? ", nor idle" : "");
}

void service_read_cpu_quota(struct reading *r, const struct service_rule *rule,
			    const struct syntax_entry *entry)
{
	uint64_t *quota = service_target(r, rule), share;

	if (!entry->value[0])
		*quota = 0;
	else if (share_parse(entry->value, &share) && share)
		*quota = share;
	else
		service_reject(r, rule, entry->origin,
			       "'%s' is no share of a processor (like 50%% or 200%%)",
			       entry->value);
}

void service_read_cpu_period(struct reading *r, const struct service_rule *rule,
			     const struct syntax_entry *entry)
{
	uint64_t *period = service_target(r, rule), usec;

	if (!entry->value[0])
		service_reset(r, rule, sizeof(*period));
	else if (!span_parse(entry->value, &usec))
		service_reject(r, rule, entry->origin, "'%s' is no time span (like 10ms)",
			       entry->value);
	else
		*period = usec < USEC_MSEC ? USEC_MSEC : usec > USEC_SEC ? USEC_SEC : usec;
}

/* Lines add up, and an empty one takes back what came before; they are put together once, at the last line. */
void service_read_cpu_list(struct reading *r, const struct service_rule *rule,
			   const struct syntax_entry *entry)
{
	const struct syntax_group *group = syntax_group(r->file, "Service");
	auto_buf one = BUF_INIT(8 * CPU_LIST_MAX), all = BUF_INIT(UNIT_MAX_FILE_BYTES);
	struct arg_list lines;

	if (entry->value[0] && !cpu_list_parse(entry->value, &one))
		service_reject(r, rule, entry->origin,
			       "'%s' is no list of numbers below %d (like 0-3 5)", entry->value,
			       CPU_LIST_MAX);
	if (syntax_last(group, rule->key) != entry)
		return;
	lines = value_list(r, group, rule->key);
	for (size_t i = 0; i < lines.count; i++) {
		buf_clear(&one);
		if (cpu_list_parse(lines.items[i].text, &one))
			buf_printf(&all, "%s ", buf_str(&one));
	}
	buf_clear(&one);
	if (all.len && cpu_list_parse(buf_str(&all), &one))
		*(const char **)service_target(r, rule) = arena_strdup(r->arena, buf_str(&one));
}

void service_check_cpu_list(struct reading *r, const struct service_rule *rule,
			    const struct syntax_entry *entry)
{
	auto_buf text = BUF_INIT(8 * CPU_LIST_MAX);

	if (entry->value[0] && !str_eq(entry->value, rule->words[0]) &&
	    !cpu_list_parse(entry->value, &text))
		service_reject(r, rule, entry->origin,
			       "'%s' is neither %s nor a list of numbers below %d (like 0-3 5)",
			       entry->value, rule->words[0], CPU_LIST_MAX);
}

/* "a-b.slice" lies in "a.slice": no part may be empty, and "-.slice" is the root. */
static bool is_slice(const char *name)
{
	size_t len = strlen(name);

	if (str_eq(name, "-.slice"))
		return true;
	return str_ends(name, ".slice") && len > strlen(".slice") && len < 256 && name[0] != '-' &&
	       name[len - strlen(".slice") - 1] != '-' && !strstr(name, "--") &&
	       !name[strspn(name,
			    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789:-_.\\")];
}

void service_read_slice(struct reading *r, const struct service_rule *rule,
			const struct syntax_entry *entry)
{
	const char *name = service_expand(r, entry);

	if (!name)
		return;
	if (is_slice(name))
		r->unit->service.resources.slice = name;
	else
		service_reject(r, rule, entry->origin,
			       "'%s' is no name of a slice (like web.slice)", name);
}

/* One side of "soft:hard". */
static bool read_rlimit(enum service_rlimit_unit unit, const char *text, uint64_t *value)
{
	int64_t number;

	if (str_eq(text, "infinity")) {
		*value = SERVICE_RLIMIT_INFINITY;
		return true;
	}
	switch (unit) {
	case RLIMIT_COUNTS:
		return str_to_u64(text, SERVICE_RLIMIT_INFINITY - 1, value);
	case RLIMIT_BYTES:
		return size_parse(text, 1024, value) && *value < SERVICE_RLIMIT_INFINITY;
	case RLIMIT_SECONDS:
		if (!span_parse(text, value))
			return false;
		*value = *value / USEC_SEC + (*value % USEC_SEC != 0);
		return true;
	case RLIMIT_USEC:
		/* without a unit these are microseconds */
		return str_to_u64(text, SERVICE_RLIMIT_INFINITY - 1, value) ||
		       span_parse(text, value);
	case RLIMIT_NICENESS:
		/* "+5" and "-5" are nice values, "25" is what the kernel has instead of them: 20 - nice */
		if ((text[0] == '+' || text[0] == '-') &&
		    str_to_i64(text + (text[0] == '+'), -20, 19, &number)) {
			*value = (uint64_t)(20 - number);
			return true;
		}
		return str_to_u64(text, 40, value);
	}
	return false;
}

static struct service_rlimit *find_rlimit(struct service *service, int resource)
{
	for (size_t i = 0; i < service->rlimit_count; i++)
		if (service->rlimits[i].resource == resource)
			return &service->rlimits[i];
	return NULL;
}

static void remove_rlimit(struct service *service, struct service_rlimit *limit)
{
	if (limit)
		*limit = service->rlimits[--service->rlimit_count];
}

void service_read_rlimit(struct reading *r, const struct service_rule *rule,
			 const struct syntax_entry *entry)
{
	struct service *service = &r->unit->service;
	struct service_rlimit *limit = find_rlimit(service, (int)rule->low);
	enum service_rlimit_unit unit = (enum service_rlimit_unit)rule->high;
	const char *colon = strchr(entry->value, ':');
	struct service_rlimit read = { .resource = (int)rule->low, .origin = entry->origin };

	if (!entry->value[0]) {
		remove_rlimit(service, limit);
		return;
	}

	const char *soft =
		colon ? arena_strndup(r->arena, entry->value, (size_t)(colon - entry->value)) :
			entry->value;

	if (!read_rlimit(unit, soft, &read.soft) ||
	    !read_rlimit(unit, colon ? colon + 1 : soft, &read.hard)) {
		service_reject(r, rule, entry->origin,
			       "'%s' is no limit (like 1024, 512:1024 or infinity)", entry->value);
		return;
	}
	if (read.soft > read.hard) {
		service_reject(r, rule, entry->origin, "'%s': the soft limit is above the hard one",
			       entry->value);
		return;
	}
	if (!limit)
		limit = arena_push(r->arena, service->rlimits, service->rlimit_count);
	*limit = read;
}

static bool read_io_value(enum service_io_which which, const char *text, uint64_t *value)
{
	switch (which) {
	case SERVICE_IO_READ_BYTES:
	case SERVICE_IO_WRITE_BYTES:
	case SERVICE_IO_READ_OPERATIONS:
	case SERVICE_IO_WRITE_OPERATIONS:
		if (str_eq(text, "infinity")) {
			*value = UINT64_MAX;
			return true;
		}
		return size_parse(text, 1000, value) && *value > 0 && *value < UINT64_MAX;
	case SERVICE_IO_WEIGHT:
		return str_to_u64(text, 10000, value) && *value > 0;
	case SERVICE_IO_LATENCY_USEC:
		return span_parse(text, value);
	}
	return false;
}

static void clear_io(struct service_resources *resources, enum service_io_which which)
{
	size_t kept = 0;

	for (size_t i = 0; i < resources->io_count; i++)
		if (resources->io[i].which != which)
			resources->io[kept++] = resources->io[i];
	resources->io_count = kept;
}

void service_read_io(struct reading *r, const struct service_rule *rule,
		     const struct syntax_entry *entry)
{
	struct service_resources *resources = &r->unit->service.resources;
	enum service_io_which which = (enum service_io_which)rule->low;
	struct arg_list words;
	uint64_t value;

	if (!entry->value[0]) {
		clear_io(resources, which);
		return;
	}
	words = service_words(r, entry, WORDS_PLAIN);

	const char *path = words.count == 2 ? expand_specifiers(r, words.items[0].text,
								words.items[0].origin) :
					      NULL;

	if (!path || path[0] != '/' || !read_io_value(which, words.items[1].text, &value)) {
		service_reject(r, rule, entry->origin, "'%s' is no absolute path and a value",
			       entry->value);
		return;
	}

	struct service_io_rule *io = arena_push(r->arena, resources->io, resources->io_count);

	*io = (struct service_io_rule){ which, path, value, entry->origin };
}
