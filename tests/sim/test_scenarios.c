/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs tests/sim/scenarios/NAME.sim against the supervisor's core: a scripted fake world in
 * virtual time, the trace compared as text. The language is described in tests/sim/README.md. With
 * SIM_WRITE=1 the trace blocks are written anew: read the difference before you believe it.
 */
#include "unit_test.h"

#include <dirent.h>
#include <errno.h>

#include "sim_policy.h"
#include "sim_world.h"
#include "util/cleanup.h"
#include "util/str.h"

#define SCENARIOS "tests/sim/scenarios"
#define SIM_MAX_SCENARIOS 256

/* --- reading --------------------------------------------------------------------------------- */

static _Noreturn void bad(const struct sim *sim, const char *what, const char *word)
{
	fail_msg("%s:%u: %s: %s", sim->path, sim->line, what, word ? word : "(nothing)");
	abort();
}

static usec_t span(const struct sim *sim, const char *word)
{
	static const struct {
		const char *suffix;
		double usec;
	} suffixes[] = { { "us", 1 },  { "ms", 1e3 },  { "s", 1e6 },
			 { "m", 6e7 }, { "h", 3.6e9 }, { "d", 8.64e10 } };
	char *end = NULL;
	double value;

	if (!word)
		bad(sim, "a time is missing", word);
	if (str_eq(word, "never"))
		return USEC_NEVER;
	value = strtod(word, &end);
	for (size_t i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++)
		if (end != word && str_eq(end, suffixes[i].suffix))
			return (usec_t)(value * suffixes[i].usec + 0.5);
	bad(sim, "not a time", word);
}

static unsigned number(const struct sim *sim, const char *word)
{
	uint64_t value;

	if (!word || !str_to_u64(word, UINT32_MAX, &value))
		bad(sim, "not a number", word);
	return (unsigned)value;
}

/* Cuts a line into words in place; "..." is one word. */
static size_t split(const struct sim *sim, char *line, char **words)
{
	size_t count = 0;

	for (;;) {
		char stop = ' ';

		while (*line == ' ' || *line == '\t')
			line++;
		if (*line == '\0' || *line == '#')
			break;
		if (count == SIM_MAX_WORDS - 1)
			bad(sim, "too many words", line);
		if (*line == '"') {
			stop = '"';
			line++;
		}
		words[count++] = line;
		while (*line != '\0' && *line != stop && !(stop == ' ' && *line == '\t'))
			line++;
		if (*line == '\0')
			break;
		*line++ = '\0';
	}
	words[count] = NULL;
	return count;
}

static const char *option(char **words, const char *name, const char *otherwise)
{
	for (; *words; words++)
		if (str_eq(*words, name))
			return words[1];
	return otherwise;
}

static bool has_word(char **words, const char *name)
{
	for (; *words; words++)
		if (str_eq(*words, name))
			return true;
	return false;
}

static unsigned choice(const struct sim *sim, const char *word, const char *const *names)
{
	for (unsigned i = 0; names[i]; i++)
		if (word && str_eq(word, names[i]))
			return i;
	bad(sim, "unknown word", word);
}

static struct sim_unit *unit_named(struct sim *sim, const char *name)
{
	for (size_t i = 0; i < sim->unit_count; i++)
		if (name && str_eq(sim->units[i].name, name))
			return &sim->units[i];
	bad(sim, "no such unit", name);
}

static struct sim_rule *add_rule(const struct sim *sim, struct sim_rules *rules, char **words)
{
	struct sim_rule *rule;
	const char *text = option(words, "says", "");

	if (rules->count == SIM_MAX_RULES)
		bad(sim, "too many rules", words[0]);
	rule = &rules->items[rules->count++];
	rule->after = span(sim, option(words, "after", "1ms"));
	str_copy(rule->text, sizeof(rule->text), text);
	return rule;
}

/* "KIND VERDICT [VALUE] [after TIME] [says TEXT] [permanent]" */
static bool parse_rule(const struct sim *sim, struct sim_unit *unit, char **words)
{
	static const struct {
		const char *kind, *verdict;
		enum core_event_type type;
		bool is_silent;
	} table[] = {
		{ "image", "ready", CORE_EV_IMAGE_READY, false },
		{ "image", "fails", CORE_EV_IMAGE_FAILED, false },
		{ "image", "silent", CORE_EV_IMAGE_READY, true },
		{ "start", "running", CORE_EV_RUNNING, false },
		{ "start", "fails", CORE_EV_START_FAILED, false },
		{ "start", "shim-lost", CORE_EV_SHIM_LOST, false },
		{ "start", "exit", CORE_EV_EXITED, false },
		{ "start", "silent", CORE_EV_RUNNING, true },
		{ "run", "exit", CORE_EV_EXITED, false },
		{ "run", "signal", CORE_EV_EXITED, false },
		{ "run", "shim-lost", CORE_EV_SHIM_LOST, false },
		{ "run", "forever", CORE_EV_EXITED, true },
		{ "stop", "exit", CORE_EV_EXITED, false },
		{ "stop", "signal", CORE_EV_EXITED, false },
		{ "stop", "ignored", CORE_EV_EXITED, true },
		{ "kill", "works", CORE_EV_EXITED, false },
		{ "kill", "ignored", CORE_EV_EXITED, true },
		{ "probe", "pass", CORE_EV_PROBE, false },
		{ "probe", "fail", CORE_EV_PROBE, false },
		{ "probe", "busy", CORE_EV_PROBE, false },
		{ "probe", "silent", CORE_EV_PROBE, true },
		{ "clean", "done", CORE_EV_CLEANED, false },
	};
	struct sim_rules *lists[] = { &unit->image, &unit->start, &unit->run,  &unit->stop,
				      &unit->kill,  &unit->probe, &unit->clean };
	static const char *const kinds[] = { "image", "start", "run",  "stop",
					     "kill",  "probe", "clean" };

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		for (size_t k = 0; k < 7 && words[1] && str_eq(words[0], table[i].kind); k++) {
			struct sim_rule *rule;

			if (!str_eq(kinds[k], table[i].kind) || !str_eq(words[1], table[i].verdict))
				continue;
			rule = add_rule(sim, lists[k], words + 1);
			rule->is_silent = table[i].is_silent;
			rule->event.type = table[i].type;
			rule->event.permanent = has_word(words, "permanent");
			rule->event.oom = has_word(words, "oom");
			rule->event.pass = str_eq(words[1], "pass");
			rule->event.discarded = str_eq(words[1], "busy");
			if (str_eq(words[1], "exit"))
				rule->event.code = (int)number(sim, words[2]);
			else if (str_eq(words[1], "signal"))
				rule->event.signal = (int)number(sim, words[2]);
			else if (str_eq(words[1], "works"))
				rule->event.signal = 9;
			return true;
		}
	}
	return false;
}

static void parse_health(const struct sim *sim, struct core_health_policy *health, char **words)
{
	static const char *const actions[] = { "default", "none", "kill", "restart", "stop", NULL };

	health->is_set = true;
	health->interval_usec = span(sim, option(words, "interval", "30s"));
	health->timeout_usec = span(sim, option(words, "timeout", "30s"));
	health->start_period_usec = span(sim, option(words, "start-period", "0s"));
	health->retries = number(sim, option(words, "retries", "3"));
	health->action =
		(enum core_on_unhealthy)choice(sim, option(words, "action", "default"), actions);
}

static void parse_exit_set(const struct sim *sim, struct exit_set *set, char **words)
{
	for (; *words; words++) {
		if (str_starts(*words, "signal:"))
			set->signals |= UINT64_C(1) << number(sim, *words + 7);
		else
			set->codes[number(sim, *words) / 64 % 4] |= UINT64_C(1)
								    << number(sim, *words) % 64;
	}
}

static bool parse_dep(const struct sim *sim, struct sim_unit *unit, char **words)
{
	static const char *const kinds[] = { "after",	 "before",   "wants",
					     "requires", "binds-to", "part-of" };

	for (unsigned kind = 0; kind < 6; kind++) {
		if (!str_eq(words[0], kinds[kind]))
			continue;
		for (char **target = words + 1; *target; target++) {
			if (unit->dep_count == SIM_MAX_DEPS)
				bad(sim, "too many dependencies", *target);
			str_copy(unit->targets[unit->dep_count], SIM_NAME_MAX, *target);
			unit->deps[unit->dep_count++].kind = (enum service_dep_kind)kind;
		}
		return true;
	}
	return false;
}

static bool parse_policy(const struct sim *sim, struct sim_unit *unit, char **words)
{
	static const char *const restarts[] = { "no",	       "on-success", "on-failure",
						"on-abnormal", "on-abort",   "on-watchdog",
						"always",      NULL };
	struct core_policy *policy = &unit->policy;
	const struct {
		const char *name;
		uint64_t *value;
	} spans[] = {
		{ "restart-sec", &policy->restart_usec },
		{ "restart-max", &policy->restart_max_usec },
		{ "timeout-start", &policy->timeout_start_usec },
		{ "timeout-stop", &policy->timeout_stop_usec },
		{ "runtime-max", &policy->runtime_max_usec },
		{ "stop-timeout", &policy->stop_timeout_usec },
	};

	for (size_t i = 0; i < sizeof(spans) / sizeof(spans[0]); i++) {
		if (str_eq(words[0], spans[i].name)) {
			*spans[i].value = span(sim, words[1]);
			return true;
		}
	}
	if (str_eq(words[0], "restart")) {
		policy->restart = (enum service_restart)choice(sim, words[1], restarts);
	} else if (str_eq(words[0], "restart-steps")) {
		policy->restart_steps = number(sim, words[1]);
	} else if (str_eq(words[0], "start-limit")) {
		policy->start_limit_burst = number(sim, words[1]);
		policy->start_limit_interval_usec = span(sim, words[2]);
	} else if (str_eq(words[0], "success")) {
		parse_exit_set(sim, &policy->success, words + 1);
	} else if (str_eq(words[0], "restart-prevent")) {
		parse_exit_set(sim, &policy->restart_prevent, words + 1);
	} else if (str_eq(words[0], "restart-force")) {
		parse_exit_set(sim, &policy->restart_force, words + 1);
	} else if (str_eq(words[0], "health")) {
		parse_health(sim, &policy->health, words);
	} else {
		return false;
	}
	return true;
}

static bool parse_flag(struct sim_unit *unit, char **words)
{
	if (str_eq(words[0], "oneshot")) {
		unit->policy.type = SERVICE_ONESHOT;
		unit->policy.timeout_start_usec = USEC_NEVER;
	} else if (str_eq(words[0], "remain-after-exit")) {
		unit->policy.remain_after_exit = true;
	} else if (str_eq(words[0], "notify-healthy")) {
		unit->policy.ready_when_healthy = true;
	} else if (str_eq(words[0], "invalid")) {
		unit->policy.is_invalid = true;
	} else {
		return false;
	}
	return true;
}

static void parse_unit(struct sim *sim, const char *name)
{
	struct sim_unit *unit;

	if (!name || sim->unit_count == SIM_MAX_UNITS)
		bad(sim, "unit without a name, or too many", name);
	unit = &sim->units[sim->unit_count++];
	str_copy(unit->name, sizeof(unit->name), name);
	unit->policy = sim_policy(unit->name);
}

static void parse_at(struct sim *sim, char **words, size_t count)
{
	struct sim_line *line = &sim->script[sim->script_count];

	if (sim->script_count++ == SIM_MAX_SCRIPT || count < 3)
		bad(sim, "at TIME WHAT ...", words[1]);
	line->at = span(sim, words[1]);
	if (sim->script_count > 1 && line->at < line[-1].at)
		bad(sim, "goes back in time", words[1]);
	line->number = sim->line;
	line->word_count = count - 2;
	memcpy(line->words, words + 2, (count - 1) * sizeof(*words));
}

static void parse_line(struct sim *sim, char *line)
{
	char *words[SIM_MAX_WORDS];
	size_t count = split(sim, line, words);
	struct sim_unit *unit = sim->unit_count > 0 ? &sim->units[sim->unit_count - 1] : NULL;

	if (count == 0)
		return;
	if (str_eq(words[0], "unit"))
		parse_unit(sim, words[1]);
	else if (str_eq(words[0], "at"))
		parse_at(sim, words, count);
	else if (str_eq(words[0], "until"))
		sim->until = span(sim, words[1]);
	else if (str_eq(words[0], "quiet"))
		sim->is_quiet = true;
	else if (!unit || !(parse_rule(sim, unit, words) || parse_policy(sim, unit, words) ||
			    parse_dep(sim, unit, words) || parse_flag(unit, words)))
		bad(sim, "unknown line", words[0]);
}

static char *read_whole(const char *path)
{
	auto_file FILE *file = fopen(path, "re");
	char *text = calloc(1, 256 * 1024);
	size_t length;

	if (!file || !text)
		fail_msg("%s: %s", path, strerror(errno));
	length = fread(text, 1, 256 * 1024 - 1, file);
	assert_true(length < 256 * 1024 - 1);
	return text;
}

static void parse(struct sim *sim)
{
	char *at = sim->text = read_whole(sim->path);

	while (*at) {
		char *end = strchr(at, '\n');

		sim->line++;
		if (end)
			*end = '\0';
		if (str_eq(at, "expect-trace")) {
			char *last = end ? strstr(end + 1, "end\n") : NULL;

			while (last && last[-1] != '\n' && last != end + 1)
				last = strstr(last + 1, "end\n");
			if (!last)
				bad(sim, "expect-trace without end", NULL);
			sim->expected = end + 1;
			sim->expected_offset = (size_t)(sim->expected - sim->text);
			sim->expected_length = (size_t)(last - sim->expected);
			at = last + 4;
			continue;
		}
		parse_line(sim, at);
		if (!end)
			break;
		at = end + 1;
	}
}

/* --- the world ------------------------------------------------------------------------------- */

static void on_trace(void *arg, usec_t now, const char *line)
{
	struct sim *sim = arg;

	if (!sim->is_quiet)
		buf_printf(&sim->trace, "%llu.%06llu %s\n", (unsigned long long)(now / USEC_SEC),
			   (unsigned long long)(now % USEC_SEC), line);
}

static void enqueue(struct sim *sim, struct sim_unit *unit, const struct sim_rule *rule,
		    bool of_instance, uint64_t order)
{
	struct sim_queued *queued = &sim->queue[sim->queue_count];

	if (rule->is_silent)
		return;
	assert_true(sim->queue_count < SIM_MAX_QUEUE);
	sim->queue_count++;
	*queued = (struct sim_queued){
		.at = sim->now + rule->after,
		.sequence = sim->sequence++,
		.unit = unit,
		.instance = of_instance ? unit->instance : 0,
		.rule = rule,
		.event = rule->event,
	};
	queued->event.unit = unit->index;
	queued->event.order = order;
	queued->event.text = rule->text;
}

static const struct sim_rule *next_rule(struct sim_rules *rules)
{
	size_t i = rules->used < rules->count ? rules->used : rules->count - 1;

	rules->used++;
	return &rules->items[i];
}

static void react(struct sim *sim, const struct core_action *action)
{
	struct sim_unit *unit = &sim->units[action->unit];

	switch (action->type) {
	case CORE_ACT_IMAGE:
		enqueue(sim, unit, next_rule(&unit->image), false, 0);
		return;
	case CORE_ACT_START:
		assert_false(unit->is_alive);
		unit->instance++;
		unit->starts++;
		unit->is_alive = true;
		enqueue(sim, unit, next_rule(&unit->start), true, 0);
		return;
	case CORE_ACT_SIGNAL_STOP:
		enqueue(sim, unit, next_rule(&unit->stop), true, 0);
		return;
	case CORE_ACT_KILL:
		if (unit->is_alive)
			enqueue(sim, unit, next_rule(&unit->kill), true, 0);
		return;
	case CORE_ACT_TEARDOWN:
		enqueue(sim, unit, next_rule(&unit->clean), false, 0);
		return;
	case CORE_ACT_PROBE:
		assert_true(unit->probe_in_flight == 0);
		unit->probe_in_flight = action->order;
		enqueue(sim, unit, next_rule(&unit->probe), true, action->order);
		return;
	case CORE_ACT_PROBE_CANCEL:
		assert_int_equal(unit->probe_in_flight, action->order);
		unit->probe_in_flight = 0;
		return;
	case CORE_ACT_PUBLISH:
	case CORE_ACT_ALL_DOWN:
		return;
	}
}

static void step(struct sim *sim, const struct core_event *event)
{
	const struct core_action *actions;
	size_t count = core_step(sim->core, event, sim->now, &actions);

	core_check(sim->core);
	for (size_t i = 0; i < count; i++) {
		if (actions[i].type == CORE_ACT_PUBLISH)
			continue;
		if (!sim->is_quiet && actions[i].type == CORE_ACT_ALL_DOWN)
			buf_puts(&sim->trace, "  => all-down\n");
		else if (!sim->is_quiet)
			buf_printf(&sim->trace, "  => %s %s\n", sim_action_name(actions[i].type),
				   sim->units[actions[i].unit].name);
		react(sim, &actions[i]);
	}
}

static bool ends_container(enum core_event_type type)
{
	return type == CORE_EV_EXITED || type == CORE_EV_START_FAILED || type == CORE_EV_SHIM_LOST;
}

static void deliver(struct sim *sim, const struct sim_queued *queued)
{
	struct sim_unit *unit = queued->unit;
	enum core_event_type type = queued->event.type;

	if (queued->instance != 0 && (queued->instance != unit->instance || !unit->is_alive))
		return;
	if (type == CORE_EV_PROBE && unit->probe_in_flight == queued->event.order)
		unit->probe_in_flight = 0;
	if (ends_container(type))
		unit->is_alive = false;
	if (type == CORE_EV_RUNNING)
		enqueue(sim, unit, next_rule(&unit->run), true, 0);
	step(sim, &queued->event);
}

/* --- the script ------------------------------------------------------------------------------ */

static void expect_word(const struct sim *sim, const char *what, const char *is, const char *wanted)
{
	if (!str_eq(is, wanted))
		fail_msg("%s:%u: %s is %s, expected %s\n%s", sim->path, sim->line, what, is, wanted,
			 buf_str(&sim->trace));
}

/* "expect UNIT state S want up health H result R restarts N starts N exit N failures N reason
 * TEXT" */
static void expect(struct sim *sim, char **words)
{
	struct sim_unit *unit = unit_named(sim, words[0]);
	struct core_unit_view view;

	core_view(sim->core, unit->index, &view);
	for (words++; *words; words += 2, sim->checks++) {
		char text[24];
		const char *is = text;
		long long value = -1;

		if (!words[1])
			bad(sim, "a value is missing", words[0]);
		if (str_eq(words[0], "state"))
			is = core_state_name(view.state);
		else if (str_eq(words[0], "want"))
			is = view.want == CORE_WANT_UP ? "up" : "down";
		else if (str_eq(words[0], "health"))
			is = core_health_name(view.health);
		else if (str_eq(words[0], "result"))
			is = core_result_name(view.result);
		else if (str_eq(words[0], "reason"))
			is = view.reason;
		else if (str_eq(words[0], "restarts"))
			value = view.restarts;
		else if (str_eq(words[0], "starts"))
			value = unit->starts;
		else if (str_eq(words[0], "exit"))
			value = view.exit_code;
		else if (str_eq(words[0], "failures"))
			value = view.probe_failures;
		else
			bad(sim, "cannot expect", words[0]);
		snprintf(text, sizeof(text), "%lld", value);
		expect_word(sim, words[0], is, words[1]);
	}
}

/* The machine stands still: what was to come comes later, and the loop reports the gap. */
static void freeze(struct sim *sim, usec_t gap)
{
	sim->now += gap;
	for (size_t i = 0; i < sim->queue_count; i++)
		sim->queue[i].at += gap;
	step(sim, &(struct core_event){ .type = CORE_EV_FREEZE, .gap_usec = gap });
}

static void adopt(struct sim *sim, struct sim_unit *unit, char **words)
{
	static const char *const healths[] = { "none", "starting", "healthy", "unhealthy", NULL };
	struct core_event event = {
		.type = CORE_EV_ADOPTED,
		.unit = unit->index,
		.started_at = sim->now - span(sim, option(words, "ran", "0s")),
		.adopted_health =
			(enum core_health)choice(sim, option(words, "health", "none"), healths),
		.ended = has_word(words, "ended"),
	};

	if (!event.ended) {
		unit->instance++;
		unit->is_alive = true;
		enqueue(sim, unit, next_rule(&unit->run), true, 0);
	}
	step(sim, &event);
}

static void run_script_line(struct sim *sim, const struct sim_line *line)
{
	static const struct {
		const char *word;
		enum core_event_type type;
	} table[] = {
		{ "start", CORE_EV_START },
		{ "stop", CORE_EV_STOP },
		{ "restart", CORE_EV_RESTART },
		{ "reset-failed", CORE_EV_RESET_FAILED },
		{ "image-ready", CORE_EV_IMAGE_READY },
		{ "exit", CORE_EV_EXITED },
		{ "shim-lost", CORE_EV_SHIM_LOST },
		{ "late-running", CORE_EV_RUNNING },
	};
	char **words = (char **)line->words;
	struct core_event event = { 0 };

	sim->line = line->number;
	if (str_eq(words[0], "expect")) {
		expect(sim, words + 1);
		return;
	}
	if (str_eq(words[0], "freeze")) {
		freeze(sim, span(sim, words[1]));
		return;
	}
	if (str_eq(words[0], "shutdown")) {
		step(sim, &(struct core_event){ .type = CORE_EV_SHUTDOWN });
		return;
	}
	if (str_eq(words[0], "adopt")) {
		adopt(sim, unit_named(sim, words[1]), words + 2);
		return;
	}
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		if (!str_eq(words[0], table[i].word))
			continue;
		event.type = table[i].type;
		event.unit = unit_named(sim, words[1])->index;
		event.more = has_word(words, "more");
		if (event.type == CORE_EV_EXITED)
			event.code = (int)number(sim, words[2]);
		if (ends_container(event.type))
			sim->units[event.unit].is_alive = false;
		step(sim, &event);
		return;
	}
	bad(sim, "unknown word", words[0]);
}

/* --- the run --------------------------------------------------------------------------------- */

static struct sim_queued *earliest(struct sim *sim)
{
	struct sim_queued *best = NULL;

	for (size_t i = 0; i < sim->queue_count; i++) {
		struct sim_queued *q = &sim->queue[i];

		if (!best || q->at < best->at ||
		    (q->at == best->at && q->sequence < best->sequence))
			best = q;
	}
	return best;
}

/* At the same instant: the script first, then the world, then the clock. */
static bool advance(struct sim *sim)
{
	const struct sim_line *line =
		sim->script_next < sim->script_count ? &sim->script[sim->script_next] : NULL;
	struct sim_queued *queued = earliest(sim);
	usec_t script_at = line ? line->at : USEC_NEVER,
	       world_at = queued ? queued->at : USEC_NEVER;
	usec_t timer_at = core_deadline(sim->core);
	usec_t next = script_at < world_at ? script_at : world_at;

	next = timer_at < next ? timer_at : next;
	if (next > sim->until)
		return false;
	if (next > sim->now)
		sim->now = next;
	if (script_at <= sim->now) {
		sim->script_next++;
		run_script_line(sim, line);
	} else if (world_at <= sim->now) {
		struct sim_queued copy = *queued;

		*queued = sim->queue[--sim->queue_count];
		deliver(sim, &copy);
	} else {
		step(sim, &(struct core_event){ .type = CORE_EV_TIMER });
	}
	return true;
}

static void add_default(struct sim_rules *rules, enum core_event_type type, int signal,
			bool is_silent)
{
	if (rules->count == 0)
		rules->items[rules->count++] = (struct sim_rule){
			.event = { .type = type, .signal = signal, .pass = true },
			.after = USEC_MSEC,
			.is_silent = is_silent,
		};
}

static void build(struct sim *sim)
{
	struct err err = { 0 };

	sim->core = core_new(on_trace, sim);
	for (size_t i = 0; i < sim->unit_count; i++) {
		struct sim_unit *unit = &sim->units[i];

		for (size_t j = 0; j < unit->dep_count; j++)
			unit->deps[j].target =
				(unsigned)(unit_named(sim, unit->targets[j]) - sim->units);
		unit->policy.name = unit->name;
		unit->policy.deps = unit->deps;
		unit->policy.dep_count = unit->dep_count;
		add_default(&unit->image, CORE_EV_IMAGE_READY, 0, false);
		add_default(&unit->start, CORE_EV_RUNNING, 0, false);
		add_default(&unit->run, CORE_EV_EXITED, 0, true);
		add_default(&unit->stop, CORE_EV_EXITED, 15, false);
		add_default(&unit->kill, CORE_EV_EXITED, 9, false);
		add_default(&unit->probe, CORE_EV_PROBE, 0, false);
		add_default(&unit->clean, CORE_EV_CLEANED, 0, false);
		unit->index = core_add(sim->core, &unit->policy);
	}
	if (core_link(sim->core, &err) < 0)
		fail_msg("%s: %s", sim->path, err.msg);
}

static void write_anew(const struct sim *sim)
{
	auto_free char *old = read_whole(sim->path);
	auto_file FILE *file = fopen(sim->path, "we");

	assert_non_null(file);
	fwrite(old, 1, sim->expected_offset, file);
	fputs(buf_str(&sim->trace), file);
	fputs(old + sim->expected_offset + sim->expected_length, file);
}

static void compare(struct sim *sim)
{
	const char *is = buf_str(&sim->trace);

	assert_false(sim->trace.failed);
	if (getenv("SIM_WRITE")) {
		write_anew(sim);
		return;
	}
	if (strlen(is) == sim->expected_length &&
	    memcmp(is, sim->expected, sim->expected_length) == 0)
		return;
	fail_msg("%s: the trace differs.\n--- expected\n%.*s--- is\n%s", sim->path,
		 (int)sim->expected_length, sim->expected, is);
}

static struct sim *current; /* freed by drop_scenario() however the test ends */

static int drop_scenario(void **state)
{
	(void)state;
	core_free(current->core);
	buf_fini(&current->trace);
	free(current->text);
	free(take_ptr(&current));
	return 0;
}

static void run_scenario(void **state)
{
	struct sim *sim = current = calloc(1, sizeof(*sim));

	assert_non_null(sim);
	sim->path = *state;
	sim->trace = (struct buf)BUF_INIT(4 * 1024 * 1024);
	parse(sim);
	assert_true(sim->until > 0);
	build(sim);
	while (advance(sim))
		;
	assert_int_equal(sim->script_next, sim->script_count);
	if (sim->expected)
		compare(sim);
	else if (sim->checks == 0)
		fail_msg("%s: expects nothing", sim->path);
}

static int is_scenario(const struct dirent *entry)
{
	return str_ends(entry->d_name, ".sim");
}

int main(void)
{
	static struct CMUnitTest tests[SIM_MAX_SCENARIOS];
	struct dirent **entries = NULL;
	int count = scandir(SCENARIOS, &entries, is_scenario, alphasort), result;

	if (count <= 0 || count > SIM_MAX_SCENARIOS) {
		fprintf(stderr, "%s: no scenarios (run from the top of the repository)\n",
			SCENARIOS);
		return 1;
	}
	for (int i = 0; i < count; i++) {
		char *path = NULL;

		if (asprintf(&path, "%s/%s", SCENARIOS, entries[i]->d_name) < 0)
			return 1;
		tests[i] = (struct CMUnitTest){ path, run_scenario, NULL, drop_scenario, path };
		free(entries[i]);
	}
	free(entries);
	result = _cmocka_run_group_tests("scenarios", tests, (size_t)count, NULL, NULL);
	for (int i = 0; i < count; i++)
		free(tests[i].initial_state);
	return result;
}
