/* SPDX-License-Identifier: Apache-2.0 */
/*
 * When a service is started again, and how long it may take: systemd.service(5) and [Unit] StartLimit*. Words that people
 * take over from elsewhere (Restart=unless-stopped) are read as they are meant, and said aloud.
 */
#include <strings.h>

#include "unit/service_internal.h"
#include "util/str.h"

static bool read_span(struct reading *r, const struct service_rule *rule,
		      const struct syntax_entry *entry, uint64_t *usec)
{
	if (span_parse(entry->value, usec))
		return true;
	service_reject(r, rule, entry->origin,
		       "'%s' is no time span (like 90, 5min 20s or infinity)", entry->value);
	return false;
}

void service_read_span(struct reading *r, const struct service_rule *rule,
		       const struct syntax_entry *entry)
{
	uint64_t usec;

	if (read_span(r, rule, entry, &usec))
		*(uint64_t *)service_target(r, rule) = usec;
}

void service_read_limit_span(struct reading *r, const struct service_rule *rule,
			     const struct syntax_entry *entry)
{
	uint64_t usec;

	if (read_span(r, rule, entry, &usec))
		*(uint64_t *)service_target(r, rule) = usec ? usec : USEC_NEVER;
}

void service_read_timeout_sec(struct reading *r, const struct service_rule *rule,
			      const struct syntax_entry *entry)
{
	uint64_t usec;

	if (!read_span(r, rule, entry, &usec))
		return;
	if (!usec)
		usec = USEC_NEVER;
	r->unit->service.timeout_start_usec = usec;
	r->unit->service.timeout_stop_usec = usec;
}

/* An empty value makes it follow TimeoutStopSec= again. */
void service_read_timeout_abort(struct reading *r, const struct service_rule *rule,
				const struct syntax_entry *entry)
{
	struct service *service = &r->unit->service;
	uint64_t usec;

	if (!entry->value[0]) {
		service->has_timeout_abort = false;
		service->timeout_abort_usec = USEC_NEVER;
	} else if (read_span(r, rule, entry, &usec)) {
		service->has_timeout_abort = true;
		service->timeout_abort_usec = usec ? usec : USEC_NEVER;
	}
}

/* JobTimeoutSec= sets JobRunningTimeoutSec=, too, unless that is said itself, wherever. */
void service_read_job_timeout(struct reading *r, const struct service_rule *rule,
			      const struct syntax_entry *entry)
{
	const struct syntax_group *unit = syntax_group(r->file, "Unit");
	uint64_t usec;

	if (!read_span(r, rule, entry, &usec))
		return;
	if (!usec)
		usec = USEC_NEVER;
	r->unit->service.job_timeout_usec = usec;
	if (!syntax_last(unit, "JobRunningTimeoutSec"))
		r->unit->service.job_running_timeout_usec = usec;
}

/* systemd knows the older names in [Service], too, but not StartLimitIntervalSec=, which people write there. */
void service_read_start_limit(struct reading *r, const struct service_rule *rule,
			      const struct syntax_entry *entry)
{
	const struct syntax_group *unit = syntax_group(r->file, "Unit");

	if (syntax_last(unit, "StartLimitIntervalSec") || syntax_last(unit, "StartLimitInterval")) {
		reading_ignore(r, entry->origin,
			       "ignored, as systemd does: it is said in [Unit], where it belongs");
		return;
	}
	reading_warn(r, entry->origin,
		     "read as if it stood in [Unit], where it belongs: systemd ignores it here");
	service_read_span(r, rule, entry);
}

void service_read_exit_set(struct reading *r, const struct service_rule *rule,
			   const struct syntax_entry *entry)
{
	struct exit_set *set = service_target(r, rule);
	struct arg_list words;

	if (!entry->value[0]) {
		*set = (struct exit_set){ 0 };
		return;
	}
	words = service_words(r, entry, WORDS_PLAIN);
	for (size_t i = 0; i < words.count; i++)
		if (!exit_set_add(set, words.items[i].text))
			service_reject(r, rule, words.items[i].origin,
				       "'%s' is no exit code (0-255) and no signal (like SIGTERM)",
				       words.items[i].text);
}

/* What was said before a word that systemd does not know counts. */
static void warn_of_restart(struct reading *r, const struct service_rule *rule,
			    const struct syntax_entry *entry, const char *what_to_do)
{
	const struct service *service = &r->unit->service;

	if (service->restart == SERVICE_RESTART_NO)
		reading_ignore(r, entry->origin,
			       "systemd ignores '%s', so the unit is not restarted%s", entry->value,
			       what_to_do);
	else
		reading_ignore(r, entry->origin,
			       "systemd ignores '%s', so Restart=%s from before it counts%s",
			       entry->value, rule->words[service->restart], what_to_do);
}

void service_read_restart(struct reading *r, const struct service_rule *rule,
			  const struct syntax_entry *entry)
{
	struct service *service = &r->unit->service;
	char hint[STR_HINT_BYTES];
	const char *what_to_do;
	bool is_on;

	if (!entry->value[0])
		return;
	for (int i = 0; rule->words[i]; i++) {
		if (str_eq(entry->value, rule->words[i])) {
			service->restart = (enum service_restart)i;
			return;
		}
		if (strcasecmp(entry->value, rule->words[i]) == 0) {
			warn_of_restart(r, rule, entry,
					arena_join(r->arena, ": write Restart=", rule->words[i]));
			return;
		}
	}
	if (str_eq(entry->value, "unless-stopped")) {
		service->restart = SERVICE_RESTART_ALWAYS;
		reading_warn(
			r, entry->origin,
			"'unless-stopped' is read as always (systemd would ignore it): write Restart=always");
		return;
	}
	if (strchr(entry->value, '#'))
		what_to_do = ": comments stand on lines of their own";
	else if (str_starts(entry->value, "on-failure:"))
		what_to_do =
			": write Restart=on-failure, and the number as StartLimitBurst= in [Unit]";
	else if (systemd_bool_parse(entry->value, &is_on))
		what_to_do = is_on ? ": write Restart=always or on-failure" : ": write Restart=no";
	else
		what_to_do = str_hint(hint, entry->value, rule->words);
	warn_of_restart(r, rule, entry, what_to_do);
}

/* podman looks without the quotes round the whole value and makes a oneshot's command; systemd sees the quotes. */
void service_read_type(struct reading *r, const struct service_rule *rule,
		       const struct syntax_entry *entry)
{
	struct service *service = &r->unit->service;

	(void)rule;
	if (str_eq(entry->value, "\"oneshot\""))
		reading_warn(
			r, entry->origin,
			"systemd ignores a quoted type: write Type=oneshot, as it is read here");
	else if (!str_eq(entry->value, "oneshot")) {
		service->type = SERVICE_NOTIFY;
		return;
	}
	service->type = SERVICE_ONESHOT;
}

static const struct origin *last_origin(struct reading *r, const char *key)
{
	const struct syntax_entry *entry = syntax_last(syntax_group(r->file, "Service"), key);

	return entry ? entry->origin : reading_place(r, key);
}

static void check_growth(struct reading *r)
{
	const struct service *service = &r->unit->service;

	if (service->restart_steps && service->restart_max_usec == USEC_NEVER)
		reading_warn(r, last_origin(r, "RestartSteps"),
			     "without RestartMaxDelaySec= the delay does not grow");
	else if (!service->restart_steps && service->restart_max_usec != USEC_NEVER)
		reading_warn(r, last_origin(r, "RestartMaxDelaySec"),
			     "without RestartSteps= the delay does not grow");
	else if (service->restart_max_usec < service->restart_usec)
		reading_warn(r, last_origin(r, "RestartMaxDelaySec"),
			     "shorter than RestartSec=: the delay does not grow");
}

void service_check_times(struct reading *r)
{
	struct service *service = &r->unit->service;

	if (!service->timeout_start_usec)
		service->timeout_start_usec = service->type == SERVICE_ONESHOT ? USEC_NEVER :
										 90 * USEC_SEC;
	if (!service->start_limit_burst)
		service->start_limit_interval_usec = 0;
	if (!service->runtime_max_usec) {
		reading_refuse(r, last_origin(r, "RuntimeMaxSec"),
			       "0 would end the container at once: write infinity for no limit");
		service->runtime_max_usec = USEC_NEVER;
	}
	if (service->restart_usec == USEC_NEVER) {
		reading_warn(r, last_origin(r, "RestartSec"),
			     "infinity means that it is never started again");
		service->restart = SERVICE_RESTART_NO;
	}
	check_growth(r);
	if (service->type == SERVICE_ONESHOT && (service->restart == SERVICE_RESTART_ALWAYS ||
						 service->restart == SERVICE_RESTART_ON_SUCCESS))
		reading_warn(
			r, last_origin(r, "Restart"),
			"systemd refuses a oneshot that is started again after a success: here it is after a failure only");
}
