/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs tests/sim/scenarios/NAME.sim against the supervisor's core: a scripted fake world in
 * virtual time, the trace compared as text. The language is described in tests/sim/README.md. With
 * SIM_WRITE=1 the trace blocks are written anew: read the difference before you believe it.
 */
#include "unit_test.h"

#include <dirent.h>

#include "sim_read.h"

#define SCENARIOS "tests/sim/scenarios"
#define SIM_MAX_SCENARIOS 256

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
	if (rule->event.type != CORE_EV_NOTIFY)
		queued->event.text = rule->text;
}

static const struct sim_rule *next_rule(struct sim_rules *rules)
{
	size_t i = rules->used < rules->count ? rules->used : rules->count - 1;

	rules->used++;
	return &rules->items[i];
}

/* Exactly one COMMAND answers a COMMAND: what the kill makes of it takes the place of the other. */
static void kill_command(struct sim *sim, struct sim_unit *unit, uint64_t order)
{
	const struct sim_rule *rule = next_rule(&unit->command_kill);

	assert_int_equal(unit->command_in_flight, order);
	if (rule->is_silent)
		return;
	for (size_t i = 0; i < sim->queue_count; i++)
		if (sim->queue[i].event.type == CORE_EV_COMMAND &&
		    sim->queue[i].event.order == order)
			sim->queue[i--] = sim->queue[--sim->queue_count];
	enqueue(sim, unit, rule, false, order);
}

static void run_command(struct sim *sim, struct sim_unit *unit, const struct core_action *action)
{
	assert_true(unit->command_in_flight == 0 && action->order != 0);
	assert_true(unit->policy.commands & 1u << action->which);
	unit->command_in_flight = action->order;
	enqueue(sim, unit, next_rule(&unit->commands[action->which]), false, action->order);
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
	case CORE_ACT_CONDITIONS:
		enqueue(sim, unit, next_rule(&unit->conditions), false, action->order);
		return;
	case CORE_ACT_COMMAND:
		run_command(sim, unit, action);
		return;
	case CORE_ACT_COMMAND_KILL:
		kill_command(sim, unit, action->order);
		return;
	case CORE_ACT_SIGNAL_WATCHDOG:
		enqueue(sim, unit, next_rule(&unit->stop), true, 0);
		return;
	case CORE_ACT_MACHINE:
		if (sim->refuses_machine)
			core_machine_refused(sim->core);
		return;
	case CORE_ACT_PUBLISH:
	case CORE_ACT_ALL_DOWN:
		return;
	}
}

/* "=> command web start-pre", "=> probe web startup" */
static void trace_action(struct sim *sim, const struct core_action *action)
{
	bool is_command = action->type == CORE_ACT_COMMAND || action->type == CORE_ACT_COMMAND_KILL;

	if (action->type == CORE_ACT_ALL_DOWN)
		buf_puts(&sim->trace, "  => all-down\n");
	else if (action->type == CORE_ACT_MACHINE)
		buf_printf(&sim->trace, "  => machine %s %s=%s code %d\n",
			   sim->units[action->unit].name, core_machine_key(action->machine_why),
			   service_action_name(action->machine), action->code);
	else
		buf_printf(&sim->trace, "  => %s %s%s%s%s%s\n", sim_action_name(action->type),
			   sim->units[action->unit].name, is_command ? " " : "",
			   is_command ? sim_command_name(action->which) : "",
			   action->startup ? " startup" : "", action->at_once ? " at-once" : "");
}

static void step(struct sim *sim, const struct core_event *event)
{
	const struct core_action *actions;
	size_t count = core_step(sim->core, event, sim->now, &actions);

	core_check(sim->core);
	for (size_t i = 0; i < count; i++) {
		if (actions[i].type == CORE_ACT_PUBLISH)
			continue;
		if (!sim->is_quiet)
			trace_action(sim, &actions[i]);
		react(sim, &actions[i]);
	}
}

static bool ends_container(enum core_event_type type)
{
	return type == CORE_EV_EXITED || type == CORE_EV_START_FAILED || type == CORE_EV_SHIM_LOST;
}

static const struct sim_rule beat = {
	.event = { .type = CORE_EV_NOTIFY, .notify_watchdog = true },
};

static void enqueue_beat(struct sim *sim, struct sim_unit *unit)
{
	enqueue(sim, unit, &beat, true, 0);
	sim->queue[sim->queue_count - 1].at = sim->now + unit->beats_every;
}

static void begin_program(struct sim *sim, struct sim_unit *unit)
{
	enqueue(sim, unit, next_rule(&unit->run), true, 0);
	enqueue(sim, unit, next_rule(&unit->notify), true, 0);
	if (unit->beats_every > 0)
		enqueue_beat(sim, unit);
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
	if (type == CORE_EV_COMMAND && unit->command_in_flight == queued->event.order)
		unit->command_in_flight = 0;
	if (type == CORE_EV_RUNNING)
		begin_program(sim, unit);
	if (queued->rule == &beat && unit->beats-- > 1)
		enqueue_beat(sim, unit);
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
		else if (str_eq(words[0], "status"))
			is = view.status_text;
		else if (str_eq(words[0], "command"))
			is = sim_command_name(view.command);
		else if (str_eq(words[0], "reloading"))
			is = view.is_reloading ? "yes" : "no";
		else if (str_eq(words[0], "was-up"))
			is = view.was_up ? "yes" : "no";
		else if (str_eq(words[0], "startup-passed"))
			is = view.startup_passed ? "yes" : "no";
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
		.starting = has_word(words, "creating"),
		.was_up = has_word(words, "was-up"),
		.startup_passed = has_word(words, "startup-passed"),
		.had_member = has_word(words, "had-member"),
	};

	if (!event.ended) {
		unit->instance++;
		unit->is_alive = true;
		if (event.starting)
			enqueue(sim, unit, next_rule(&unit->start), true, 0);
		else
			begin_program(sim, unit);
	}
	step(sim, &event);
}

/* What an engine before this one has written down of a unit without a container. */
static void leave(struct sim *sim, struct sim_unit *unit, char **words)
{
	struct core_rest rest = { .exit_code = -1,
				  .exit_signal = -1,
				  .deadline = USEC_NEVER,
				  .finished = has_word(words, "finished"),
				  .reason = option(words, "says", "") };
	const char *result = option(words, "result", "none");

	while (words[0] && rest.state < CORE_FAILED &&
	       !str_eq(words[0], core_state_name(rest.state)))
		rest.state = (enum core_state)((int)rest.state + 1);
	while (rest.result < CORE_RESULT_PROTOCOL && !str_eq(result, core_result_name(rest.result)))
		rest.result = (enum core_result)((int)rest.result + 1);
	if (!words[0] || !str_eq(words[0], core_state_name(rest.state)) ||
	    !str_eq(result, core_result_name(rest.result)))
		bad(sim, "left UNIT STATE [result R]", words[0]);
	core_restore(sim->core, unit->index, &rest);
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
		{ "reload", CORE_EV_RELOAD },
		{ "notify", CORE_EV_NOTIFY },
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
	if (str_eq(words[0], "late")) { /* the loop stood still and nobody noticed */
		sim->now += span(sim, words[1]);
		return;
	}
	if (str_eq(words[0],
		   "clock-back")) { /* a clock that goes back is a bug of the caller's, and survived */
		usec_t now = sim->now;

		sim->now -= span(sim, words[1]);
		step(sim, &(struct core_event){ .type = CORE_EV_TIMER });
		sim->now = now;
		return;
	}
	if (str_eq(words[0], "shutdown")) {
		step(sim,
		     &(struct core_event){
			     .type = CORE_EV_SHUTDOWN,
			     .cut_at = has_word(words, "within") ?
					       sim->now + span(sim, option(words, "within", NULL)) :
					       0 });
		return;
	}
	if (str_eq(words[0], "adopt")) {
		adopt(sim, unit_named(sim, words[1]), words + 2);
		return;
	}
	if (str_eq(words[0], "left")) {
		leave(sim, unit_named(sim, words[1]), words + 2);
		return;
	}
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		if (!str_eq(words[0], table[i].word))
			continue;
		event.type = table[i].type;
		event.unit = unit_named(sim, words[1])->index;
		event.more = has_word(words, "more");
		event.goes_on = has_word(words, "goes-on");
		event.text = option(words, "says", NULL);
		if (event.type == CORE_EV_EXITED)
			event.code = (int)number(sim, words[2]);
		if (event.type == CORE_EV_NOTIFY)
			parse_notify(sim, &event, words + 2);
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
		add_default(&unit->notify, CORE_EV_NOTIFY, 0, true);
		add_default(&unit->command_kill, CORE_EV_COMMAND, 9, false);
		unit->command_kill.items[0].event.pass = false;
		unit->command_kill.items[0].event.signal = 9;
		unit->policy.has_conditions = unit->conditions.count > 0;
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
