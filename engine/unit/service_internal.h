/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Inside of service*.c: one rule for each key of [Unit], [Service] and [Install] that has a value to read. A unit's lines
 * are read in their order, as systemd does: a later good value replaces an earlier one, a bad one changes nothing.
 * What a bad value is, is said at its line; where the line that systemd would ignore is a limit or a confinement, the
 * unit is refused.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "unit/reading_internal.h"
#include "unit/span_internal.h"
#include "unit/words_internal.h"

struct service_rule {
	const char *key;
	void (*read)(struct reading *r, const struct service_rule *rule,
		     const struct syntax_entry *entry);
	size_t offset; /* of what the value goes to, in struct service */
	/* What read() wants to know: the words of an enum in the order of their numbers, NULL behind them; */
	const char *const *words;
	int64_t low, high; /* the range of a number, or a kind of its own */
	bool is_strict;	   /* a bad value refuses the unit: ignoring it would lose a limit */
	const char *idle;  /* the value that asks for nothing, "" when there is none */
};

/* The rules of a section, sorted by key. */
const struct service_rule *service_rule_find(const char *section, const char *key);
/* The same of a row of [Unit], [Service] or [Install], which is not searched for. */
const struct service_rule *service_rule_of(const struct key *row);
size_t service_rules(const char *section, const struct service_rule **rules);

/* Says that the value is "no SUCH THING", with what happens to it. */
__attribute__((format(printf, 4, 5))) void service_reject(struct reading *r,
							  const struct service_rule *rule,
							  const struct origin *origin,
							  const char *fmt, ...);
/* The value with its specifiers expanded; NULL after a complaint. */
const char *service_expand(struct reading *r, const struct syntax_entry *entry);
/* The words of one line; none after a complaint, which refuses the unit: what the line asks for would be lost. */
struct arg_list service_words(struct reading *r, const struct syntax_entry *entry,
			      enum words_mode mode);
/* A pointer to what the rule sets. */
void *service_target(struct reading *r, const struct service_rule *rule);
/* Puts the default back (for keys that an empty value resets). */
void service_reset(struct reading *r, const struct service_rule *rule, size_t size);

/* service_values.c: values of one word. The type of the target stands behind each. */
void service_read_bool(struct reading *r, const struct service_rule *rule,
		       const struct syntax_entry *entry); /* bool */
void service_read_word(struct reading *r, const struct service_rule *rule,
		       const struct syntax_entry *entry); /* enum */
void service_read_unsigned(struct reading *r, const struct service_rule *rule,
			   const struct syntax_entry *entry); /* unsigned; low to high */
void service_read_int(struct reading *r, const struct service_rule *rule,
		      const struct syntax_entry *entry); /* int; low to high; "" resets */
void service_read_mode(struct reading *r, const struct service_rule *rule,
		       const struct syntax_entry *entry); /* unsigned */
void service_read_signal(struct reading *r, const struct service_rule *rule,
			 const struct syntax_entry *entry); /* unsigned */
void service_read_text(struct reading *r, const struct service_rule *rule,
		       const struct syntax_entry *entry); /* const char *, specifiers expanded */
void service_read_oom_score(struct reading *r, const struct service_rule *rule,
			    const struct syntax_entry *entry);
/* Checked and thrown away: the key does nothing here and has no place in struct service. */
void service_check_bool(struct reading *r, const struct service_rule *rule,
			const struct syntax_entry *entry);
void service_check_word(struct reading *r, const struct service_rule *rule,
			const struct syntax_entry *entry);
void service_check_bool_or_word(struct reading *r, const struct service_rule *rule,
				const struct syntax_entry *entry);
void service_check_span(struct reading *r, const struct service_rule *rule,
			const struct syntax_entry *entry);
void service_check_number(struct reading *r, const struct service_rule *rule,
			  const struct syntax_entry *entry);
void service_check_documentation(struct reading *r, const struct service_rule *rule,
				 const struct syntax_entry *entry);
void service_warn_user(struct reading *r, const struct service_rule *rule,
		       const struct syntax_entry *entry);

/* service_time.c */
void service_read_span(struct reading *r, const struct service_rule *rule,
		       const struct syntax_entry *entry); /* uint64_t */
void service_read_limit_span(struct reading *r, const struct service_rule *rule,
			     const struct syntax_entry *entry); /* uint64_t; 0 is no limit */
void service_read_timeout_sec(struct reading *r, const struct service_rule *rule,
			      const struct syntax_entry *entry);
void service_read_timeout_abort(struct reading *r, const struct service_rule *rule,
				const struct syntax_entry *entry);
void service_read_job_timeout(struct reading *r, const struct service_rule *rule,
			      const struct syntax_entry *entry);
void service_read_start_limit(struct reading *r, const struct service_rule *rule,
			      const struct syntax_entry *entry);
void service_read_exit_set(struct reading *r, const struct service_rule *rule,
			   const struct syntax_entry *entry); /* struct exit_set */
void service_read_restart(struct reading *r, const struct service_rule *rule,
			  const struct syntax_entry *entry);
void service_read_type(struct reading *r, const struct service_rule *rule,
		       const struct syntax_entry *entry);
/* What only the whole of the lines tells. */
void service_check_times(struct reading *r);

/* service_action.c: the words of enum service_action, NULL behind them; what should be known of a unit's before they are done. */
extern const char *const service_actions[];
void service_check_actions(struct reading *r);

/* service_cgroup.c: limits of [Service] as words of the container; of other kinds what becomes of them is said. */
void service_push_limits(struct reading *r, struct arg_list *words);
void service_check_limits(struct reading *r);

/* service_limits.c */
void service_read_amount(
	struct reading *r, const struct service_rule *rule,
	const struct syntax_entry *entry); /* struct service_amount; low: least value */
void service_read_tasks(struct reading *r, const struct service_rule *rule,
			const struct syntax_entry *entry); /* struct service_amount */
void service_read_weight(
	struct reading *r, const struct service_rule *rule,
	const struct syntax_entry *entry); /* uint32_t; high != 0: "idle" is a weight */
void service_read_cpu_quota(struct reading *r, const struct service_rule *rule,
			    const struct syntax_entry *entry);
void service_read_cpu_period(struct reading *r, const struct service_rule *rule,
			     const struct syntax_entry *entry);
void service_read_cpu_list(struct reading *r, const struct service_rule *rule,
			   const struct syntax_entry *entry); /* const char * */
void service_check_cpu_list(struct reading *r, const struct service_rule *rule,
			    const struct syntax_entry *entry); /* or words[0] */
void service_read_slice(struct reading *r, const struct service_rule *rule,
			const struct syntax_entry *entry);
void service_read_rlimit(
	struct reading *r, const struct service_rule *rule,
	const struct syntax_entry *entry); /* low: RLIMIT_..; high: what it counts */
enum service_rlimit_unit {
	RLIMIT_COUNTS,
	RLIMIT_BYTES,
	RLIMIT_SECONDS,
	RLIMIT_USEC,
	RLIMIT_NICENESS
};
void service_read_io(struct reading *r, const struct service_rule *rule,
		     const struct syntax_entry *entry); /* low: enum service_io_which */

/* service_exec.c; low: enum service_exec_which */
void service_read_exec(struct reading *r, const struct service_rule *rule,
		       const struct syntax_entry *entry);
/* After all lines were read, so that every variable is known. */
void service_expand_execs(struct reading *r);

/* service_condition.c; low: 1 for a path, high: 1 for Assert */
void service_read_condition(struct reading *r, const struct service_rule *rule,
			    const struct syntax_entry *entry);

/* service_deps.c; low: enum service_dep_kind */
void service_read_deps(struct reading *r, const struct service_rule *rule,
		       const struct syntax_entry *entry);
void service_read_install(struct reading *r, const struct service_rule *rule,
			  const struct syntax_entry *entry);
void service_read_aliases(struct reading *r, const struct service_rule *rule,
			  const struct syntax_entry *entry);
void service_read_mounts_for(struct reading *r, const struct service_rule *rule,
			     const struct syntax_entry *entry);

/* service_environment.c */
void service_read_environment(struct reading *r, const struct service_rule *rule,
			      const struct syntax_entry *entry);
void service_read_variable_names(struct reading *r, const struct service_rule *rule,
				 const struct syntax_entry *entry); /* struct arg_list */
void service_read_environment_files(struct reading *r);

/* service_places.c; low: enum service_place */
void service_read_directories(struct reading *r, const struct service_rule *rule,
			      const struct syntax_entry *entry);
void service_read_stdio(struct reading *r, const struct service_rule *rule,
			const struct syntax_entry *entry); /* const char *; low: 1 for input */
void service_read_working_directory(struct reading *r, const struct service_rule *rule,
				    const struct syntax_entry *entry);
/* "/run/a:/run/b" for $RUNTIME_DIRECTORY and its like; NULL: no such variable here. */
const char *service_directory_variable(struct reading *r, const char *name);
