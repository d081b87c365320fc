/* SPDX-License-Identifier: Apache-2.0 */
/*
 * systemd's half of a unit in plain words, what holds where nothing is said, and where the unit stands in the graph. Says what
 * struct service has, which is what the supervisor goes by, and never what a line only seems to say.
 */
#include "cli/explain_internal.h"

#include <inttypes.h>
#include <stdio.h>

#include "util/signals.h"
#include "util/str.h"

#define SEC UINT64_C(1000000)

static void write_span(struct buf *out, uint64_t usec)
{
	static const struct {
		const char *name;
		uint64_t usec;
	} units[] = { { "d", 86400 * SEC }, { "h", 3600 * SEC },  { "min", 60 * SEC },
		      { "s", SEC },	    { "ms", SEC / 1000 }, { "us", 1 } };
	bool is_first = true;

	if (usec == UINT64_MAX || !usec) {
		buf_puts(out, usec ? "infinity" : "0s");
		return;
	}
	/* 90s is easier than 1min 30s. */
	if (usec <= 120 * SEC && usec % SEC == 0) {
		buf_printf(out, "%" PRIu64 "s", usec / SEC);
		return;
	}
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		uint64_t count = usec / units[i].usec;

		if (!count)
			continue;
		buf_printf(out, "%s%" PRIu64 "%s", is_first ? "" : " ", count, units[i].name);
		is_first = false;
		usec %= units[i].usec;
	}
}

static void say_restart(const struct explain *e, struct buf *out)
{
	static const char *const texts[] = {
		[SERVICE_RESTART_NO] = "not restarted when it ends",
		[SERVICE_RESTART_ON_SUCCESS] = "restarts after success",
		[SERVICE_RESTART_ON_FAILURE] = "restarts after failures",
		[SERVICE_RESTART_ON_ABNORMAL] = "restarts after signals and timeouts",
		[SERVICE_RESTART_ON_ABORT] = "restarts after signals that it did not catch",
		[SERVICE_RESTART_ON_WATCHDOG] = "restarts when the watchdog ends it",
		[SERVICE_RESTART_ALWAYS] = "restarts whenever it ends",
	};
	const struct service *s = &e->unit->service;

	buf_puts(out, texts[s->restart]);
	if (s->restart == SERVICE_RESTART_NO)
		return;
	buf_puts(out, ", ");
	write_span(out, s->restart_usec);
	buf_puts(out, " later");
	if (s->restart_steps && s->restart_max_usec != UINT64_MAX) {
		buf_puts(out, ", growing to ");
		write_span(out, s->restart_max_usec);
		buf_printf(out, " in %u steps", s->restart_steps);
	}
	if (s->start_limit_interval_usec && s->start_limit_burst) {
		buf_printf(out, ", up to %u starts in ", s->start_limit_burst);
		write_span(out, s->start_limit_interval_usec);
	}
}

static void say_start_limit(const struct explain *e, struct buf *out)
{
	const struct service *s = &e->unit->service;

	if (!s->start_limit_interval_usec || !s->start_limit_burst) {
		buf_puts(out, "no limit to how often it is started");
		return;
	}
	buf_printf(out, "at most %u starts in ", s->start_limit_burst);
	write_span(out, s->start_limit_interval_usec);
	buf_puts(out, ", then it has failed");
}

/* "has 90s to start, then it has failed" */
static void say_limit(struct buf *out, uint64_t usec, const char *to, const char *then)
{
	if (usec == UINT64_MAX) {
		buf_printf(out, "no limit to how long it may %s", to);
		return;
	}
	buf_puts(out, "has ");
	write_span(out, usec);
	buf_printf(out, " to %s, then it %s", to, then);
}

static void say_start_timeout(const struct explain *e, struct buf *out)
{
	say_limit(out, e->unit->service.timeout_start_usec, "start", "has failed");
}

static void say_stop_timeout(const struct explain *e, struct buf *out)
{
	say_limit(out, e->unit->service.timeout_stop_usec, "stop", "is killed");
}

static void say_both_timeouts(const struct explain *e, struct buf *out)
{
	say_start_timeout(e, out);
	buf_puts(out, "; ");
	say_stop_timeout(e, out);
}

static void say_runtime_max(const struct explain *e, struct buf *out)
{
	say_limit(out, e->unit->service.runtime_max_usec, "run", "is stopped as a failure");
}

static void say_type(const struct explain *e, struct buf *out)
{
	if (e->unit->service.type == SERVICE_ONESHOT)
		buf_puts(out, "started when its program has ended; no limit to how long that takes "
			      "unless TimeoutStartSec= says one");
	else
		buf_puts(out, "started when its program runs, or when Notify= says so");
}

static void say_remain(const struct explain *e, struct buf *out)
{
	buf_puts(out, e->unit->service.remain_after_exit ?
			      "counts as running when its program has ended well" :
			      "has ended when its program has");
}

static bool is_empty(const struct exit_set *set)
{
	return !set->signals && !set->codes[0] && !set->codes[1] && !set->codes[2] &&
	       !set->codes[3];
}

static void write_signal(struct buf *out, int number)
{
	const char *name = signal_name(number);

	if (name)
		buf_printf(out, "SIG%s", name);
	else
		buf_printf(out, "signal %d", number);
}

static void write_exit_set(struct buf *out, const struct exit_set *set)
{
	const char *comma = "";

	for (unsigned code = 0; code < 256; code++)
		if (set->codes[code / 64] >> code % 64 & 1) {
			buf_printf(out, "%s%u", comma, code);
			comma = ", ";
		}
	for (int number = 1; number < 64; number++)
		if (set->signals >> number & 1) {
			buf_puts(out, comma);
			write_signal(out, number);
			comma = ", ";
		}
}

static void say_exit_set(struct buf *out, const struct exit_set *set, const char *what)
{
	if (is_empty(set)) {
		buf_puts(out, "nothing");
		return;
	}
	write_exit_set(out, set);
	buf_puts(out, what);
}

static void say_success(const struct explain *e, struct buf *out)
{
	say_exit_set(out, &e->unit->service.success,
		     " count as success, beside 0 and an asked-for stop");
}

static void say_restart_prevent(const struct explain *e, struct buf *out)
{
	say_exit_set(out, &e->unit->service.restart_prevent, " are not followed by a restart");
}

static void say_restart_force(const struct explain *e, struct buf *out)
{
	say_exit_set(out, &e->unit->service.restart_force, " are always followed by a restart");
}

static void say_start(const struct explain *e, struct buf *out)
{
	const struct unit_graph_node *node = &e->graph.nodes[e->index];
	bool is_first = true;

	if (e->unit->is_template) {
		buf_puts(out, "never started itself");
		return;
	}
	if (e->unit->service.boot)
		buf_puts(out, "started at boot");
	else
		buf_puts(out, "loaded (not started at boot)");
	for (unsigned i = node->in_begin; i < node->in_begin + node->in_count; i++) {
		const struct unit_graph_edge *edge = &e->graph.edges[e->graph.in[i]];
		const struct unit_graph_node *from = &e->graph.nodes[edge->from];

		if (from->kind == UNIT_NODE_BOOT ||
		    (edge->kind != SERVICE_DEP_WANTS && edge->kind != SERVICE_DEP_REQUIRES &&
		     edge->kind != SERVICE_DEP_BINDS_TO && edge->kind != SERVICE_DEP_UPHOLDS))
			continue;
		buf_printf(out, "%s%s", is_first ? ", started with " : ", ", from->name);
		is_first = false;
	}
}

static void say_description(const struct explain *e, struct buf *out)
{
	buf_printf(out, "shown as \"%s\"", e->unit->service.description);
}

/* A topic is one thing that a unit's service has, and the keys that have a say in it. */
static const struct topic {
	const char *keys; /* between blanks; the first is the one to write */
	void (*say)(const struct explain *e, struct buf *out);
	bool is_told_unasked; /* among what was not said */
} topics[] = {
	{ " Service.Restart Service.RestartSec Service.RestartSteps Service.RestartMaxDelaySec ",
	  say_restart, true },
	{ " Unit.StartLimitIntervalSec Unit.StartLimitInterval Unit.StartLimitBurst "
	  "Service.StartLimitInterval Service.StartLimitIntervalSec Service.StartLimitBurst ",
	  say_start_limit, true },
	{ " Service.TimeoutStartSec ", say_start_timeout, true },
	{ " Service.TimeoutStopSec ", say_stop_timeout, true },
	{ " Service.TimeoutSec ", say_both_timeouts, false },
	{ " Service.RuntimeMaxSec ", say_runtime_max, false },
	{ " Service.Type ", say_type, true },
	{ " Service.RemainAfterExit ", say_remain, false },
	{ " Service.SuccessExitStatus ", say_success, false },
	{ " Service.RestartPreventExitStatus ", say_restart_prevent, false },
	{ " Service.RestartForceExitStatus ", say_restart_force, false },
	{ " Install.WantedBy Install.RequiredBy Install.UpheldBy ", say_start, true },
	{ " Unit.Description ", say_description, false },
};
#define TOPIC_COUNT (sizeof(topics) / sizeof(topics[0]))

static bool is_topic_of(const struct topic *topic, const char *key)
{
	const char *at = strstr(topic->keys, key);
	size_t len = strlen(key);

	while (at && (at[-1] != ' ' || at[len] != ' '))
		at = strstr(at + 1, key);
	return at != NULL;
}

/* Edges of a kind as seen from either end. */
static const char *verb_of(enum service_dep_kind kind, bool is_out)
{
	static const char *const verbs[][2] = {
		[SERVICE_DEP_AFTER] = { "waits for", "is waited for by" },
		[SERVICE_DEP_BEFORE] = { "", "" }, /* no edge */
		[SERVICE_DEP_WANTS] = { "starts", "is started with" },
		[SERVICE_DEP_REQUIRES] = { "needs", "is needed by" },
		[SERVICE_DEP_BINDS_TO] = { "is bound to", "has bound to it" },
		[SERVICE_DEP_PART_OF] = { "stops and restarts with", "takes along" },
		[SERVICE_DEP_REQUISITE] = { "needs running", "has to run for" },
		[SERVICE_DEP_UPHOLDS] = { "keeps running", "is kept running by" },
		[SERVICE_DEP_CONFLICTS] = { "excludes", "is excluded by" },
		[SERVICE_DEP_ON_FAILURE] = { "when it fails starts", "is started by a failure of" },
		[SERVICE_DEP_ON_SUCCESS] = { "when it succeeds starts",
					     "is started by a success of" },
		[SERVICE_DEP_PROPAGATES_STOP_TO] = { "takes along when it stops", "stops with" },
		[SERVICE_DEP_STOP_PROPAGATED_FROM] = { "", "" },
		[SERVICE_DEP_PROPAGATES_RELOAD_TO] = { "passes reloads to", "reloads with" },
		[SERVICE_DEP_RELOAD_PROPAGATED_FROM] = { "", "" },
	};

	return verbs[kind][is_out ? 0 : 1];
}

static bool is_reason(const struct explain *e, const struct unit_graph_edge *edge,
		      const struct unit_line *line)
{
	for (unsigned i = 0; i < edge->reason_count; i++)
		if (unit_line_has(line, e->graph.reasons[edge->reason_begin + i].origin))
			return true;
	return false;
}

/* What the line puts into the graph: "waits for db.service, cache.service". */
static void say_edges(struct explain *e, const struct unit_line *line, struct buf *out)
{
	const struct unit_graph_node *node = &e->graph.nodes[e->index];
	const char *verb = "";

	for (unsigned i = 0; i < node->out_count + node->in_count; i++) {
		bool is_out = i < node->out_count;
		unsigned index = is_out ? node->out_begin + i :
					  e->graph.in[node->in_begin + i - node->out_count];
		const struct unit_graph_edge *edge = &e->graph.edges[index];
		const char *next = verb_of(edge->kind, is_out);
		const char *other = e->graph.nodes[is_out ? edge->to : edge->from].name;

		if (!is_reason(e, edge, line))
			continue;
		buf_printf(out, "%s%s%s%s", out->len ? ", " : "", str_eq(verb, next) ? "" : next,
			   str_eq(verb, next) ? "" : " ", other);
		verb = next;
	}
}

static bool is_dependency(const struct unit_line *line)
{
	static const char *const keys[] = { "After",	 "Before",    "Wants",	   "Requires",
					    "BindsTo",	 "PartOf",    "Requisite", "Upholds",
					    "Conflicts", "OnFailure", "OnSuccess" };

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		if (str_eq(line->section, "Unit") && str_eq(line->key, keys[i]))
			return true;
	return false;
}

static void say_environment(const struct explain *e, const struct unit_line *line, struct buf *out)
{
	const struct arg_list *environment = &e->unit->service.environment;
	size_t count = 0;

	for (size_t i = 0; i < environment->count; i++)
		if (unit_line_has(line, environment->items[i].origin)) {
			if (count < EXPLAIN_MAX_FIELDS)
				buf_printf(out, "%s$%.*s", count ? ", " : "",
					   (int)strcspn(environment->items[i].text, "="),
					   environment->items[i].text);
			count++;
		}
	if (count > EXPLAIN_MAX_FIELDS)
		buf_printf(out, " and %zu more", count - EXPLAIN_MAX_FIELDS);
	if (count)
		buf_puts(out, " for this unit's own lines; the container does not see it");
}

static void say_execs(const struct explain *e, const struct unit_line *line, struct buf *out)
{
	const struct service *service = &e->unit->service;

	for (size_t i = 0; i < service->exec_count; i++) {
		const struct service_exec *exec = &service->execs[i];

		if (!unit_line_has(line, exec->origin))
			continue;
		buf_printf(out, "%sruns %s with %zu more words", out->len ? "; " : "",
			   exec->program, exec->argv.count ? exec->argv.count - 1 : 0);
		if (exec->ignores_failure)
			buf_puts(out, ", its failure does not matter");
	}
}

static void say_conditions(const struct explain *e, const struct unit_line *line, struct buf *out)
{
	const struct service *service = &e->unit->service;

	for (size_t i = 0; i < service->condition_count; i++) {
		const struct service_condition *condition = &service->conditions[i];

		if (unit_line_has(line, condition->origin))
			buf_printf(
				out, "%s %s %s %s%s", condition->is_assert ? "fails" : "is skipped",
				condition->is_negated ? "if" : "unless", condition->name,
				condition->text,
				condition->is_trigger ? " (or another such line) holds" : " holds");
	}
}

static bool is_systemds(const struct unit_line *line)
{
	return str_eq(line->section, "Unit") || str_eq(line->section, "Service") ||
	       str_eq(line->section, "Install");
}

/* The line of podman's half that says the key last. */
static const struct unit_line *find_line(const struct explain *e, const char *key)
{
	for (size_t i = e->unit->line_count; i > 0; i--) {
		const struct unit_line *line = &e->unit->lines[i - 1];

		if (line->row && str_eq(line->row->name, key) && line->fate == UNIT_LINE_STANDS &&
		    !is_systemds(line))
			return line;
	}
	return NULL;
}

/* PodmanArgs= has no meaning of its own: that of its options. */
static void say_own(struct explain *e, const struct unit_line *line, struct buf *out)
{
	const struct arg_list *words = &e->unit->spec_args;

	if (e->unit->kind == UNIT_CONTAINER && str_eq(line->key, "PodmanArgs"))
		for (size_t i = 0; i < words->count; i++) {
			const char *text = unit_line_has(line, words->items[i].origin) ?
						   spec_option_text(words->items[i].text) :
						   NULL;

			if (text)
				buf_printf(out, "%s%.*s: %s", out->len ? "; " : "",
					   (int)strcspn(words->items[i].text, "="),
					   words->items[i].text, text);
		}
	if (!out->len)
		buf_puts(out, line->row->help);
}

const char *explain_say(struct explain *e, const struct unit_line *line)
{
	auto_buf out = BUF_INIT(UNIT_MAX_LINE_BYTES);

	if (line->fate == UNIT_LINE_PASSED_OVER)
		return "";
	/* A template's values are known when it has an instance. */
	if (line->row && (e->unit->is_template || !is_systemds(line))) {
		say_own(e, line, &out);
		return explain_shown(e, buf_str(&out));
	}

	if (line->row && line->row->state == KEY_ACTED)
		for (size_t i = 0; i < TOPIC_COUNT; i++)
			if (is_topic_of(&topics[i], line->row->full))
				topics[i].say(e, &out);
	if (!out.len)
		say_edges(e, line, &out);
	if (!out.len && is_dependency(line))
		buf_puts(&out, "nothing to wait for or to start: no unit of its own here");
	if (is_dependency(line) && strstr(line->value, "network-online.target"))
		buf_puts(&out, "; only pulls wait for the network");
	if (!out.len && str_eq(line->section, "Service")) {
		say_environment(e, line, &out);
		say_execs(e, line, &out);
	}
	if (!out.len && str_eq(line->section, "Unit"))
		say_conditions(e, line, &out);
	return out.len ? explain_shown(e, buf_str(&out)) : "";
}

static bool is_said(const struct explain *e, const struct topic *topic)
{
	for (size_t i = 0; i < e->unit->line_count; i++) {
		const struct unit_line *line = &e->unit->lines[i];

		if (line->row && line->fate == UNIT_LINE_STANDS &&
		    is_topic_of(topic, line->row->full))
			return true;
	}
	return false;
}

static void add_default(struct explain *e, struct explain_default **list, size_t *count,
			const char *key, const char *text)
{
	struct explain_default *item = arena_push(&e->arena, *list, *count);

	*item = (struct explain_default){ arena_strdup(&e->arena, key), explain_shown(e, text) };
}

/* What the container's half comes to where no word says otherwise. */
static void add_spec_defaults(struct explain *e, struct explain_default **list, size_t *count)
{
	const struct container_spec *spec = &e->spec;
	uint64_t limit;

	if (!e->has_spec)
		return;
	if (!spec->user)
		add_default(
			e, list, count, "Container.User",
			spec->userns == SPEC_USERNS_KEEP_ID ?
				"runs as the image's user; when it names none, as the owner of /data/home" :
				"runs as the image's user; when it names none, as root");
	if (!spec->read_only)
		add_default(e, list, count, "Container.ReadOnly",
			    "the root file system can be written and is thrown away at each start");
	if (!spec->memory_bytes &&
	    !spec_cgroup_bytes(spec, &(struct host_facts){ .memory_bytes = UINT64_MAX },
			       "memory.max", &limit))
		add_default(e, list, count, "Container.Memory", "no memory limit of its own");
	if (!spec->pids_limit)
		add_default(e, list, count, "Container.PidsLimit", "at most 2048 processes");
	if (spec->health.check.kind == SPEC_PROBE_NONE && !spec->health.is_off)
		add_default(e, list, count, "Container.HealthCmd",
			    "the check of its image, if that has one");
	if (!spec->stop_signal)
		add_default(e, list, count, "Container.StopSignal",
			    "stopped with the image's signal; when it names none, with SIGTERM");
}

struct explain_default *explain_defaults(struct explain *e, size_t *count)
{
	struct explain_default *list = NULL;

	*count = 0;
	if (e->unit->is_template)
		return NULL;
	for (size_t i = 0; i < TOPIC_COUNT; i++) {
		auto_buf text = BUF_INIT(UNIT_MAX_LINE_BYTES);
		const char *keys = topics[i].keys + 1;
		/* TimeoutSec= says both of the others. */
		bool is_timeout = topics[i].say == say_start_timeout ||
				  topics[i].say == say_stop_timeout;

		if (!topics[i].is_told_unasked || is_said(e, &topics[i]) ||
		    (is_timeout && is_said(e, &(struct topic){ .keys = " Service.TimeoutSec " })))
			continue;
		topics[i].say(e, &text);
		add_default(e, &list, count, arena_strndup(&e->arena, keys, strcspn(keys, " ")),
			    buf_str(&text));
	}
	if (!find_line(e, "DefaultDependencies"))
		add_default(
			e, &list, count, "Quadlet.DefaultDependencies",
			"podman's service waits for network-online.target; here only pulls wait for the network");
	add_spec_defaults(e, &list, count);
	return list;
}

static const char *reasons_of(struct explain *e, const struct unit_graph_edge *edge)
{
	auto_buf out = BUF_INIT(UNIT_MAX_LINE_BYTES);

	for (unsigned i = 0; i < edge->reason_count; i++) {
		if (i == EXPLAIN_MAX_FIELDS) {
			buf_printf(&out, ", %u more", edge->reason_count - i);
			break;
		}
		buf_puts(&out, i ? ", " : "");
		unit_graph_write_reason(&e->graph.reasons[edge->reason_begin + i], &out);
	}
	return explain_shown(e, buf_str(&out));
}

static void add_edge(struct explain *e, struct explain_edge **list, size_t *count, const char *verb,
		     unsigned other, const struct unit_graph_edge *edge, unsigned through)
{
	struct explain_edge *item = arena_push(&e->arena, *list, *count);

	*item = (struct explain_edge){
		.verb = verb,
		.other = explain_shown(e, e->graph.nodes[other].name),
		.reasons = reasons_of(e, edge),
		.through = through == e->index ? "" :
						 explain_shown(e, e->graph.nodes[through].name),
	};
}

/* Who waits for a group waits for its members. */
static void add_members(struct explain *e, struct explain_edge **list, size_t *count,
			unsigned group)
{
	const struct unit_graph_node *node = &e->graph.nodes[group];

	for (unsigned i = 0; node->kind == UNIT_NODE_GROUP && i < node->out_count; i++) {
		const struct unit_graph_edge *edge = &e->graph.edges[node->out_begin + i];

		if (edge->kind == SERVICE_DEP_AFTER)
			add_edge(e, list, count, verb_of(edge->kind, true), edge->to, edge, group);
	}
}

/* What follows from others' edges: started or stopped along with this unit, though it does not name them. */
static void add_reached(struct explain *e, struct explain_edge **list, size_t *count, bool is_stop)
{
	struct unit_graph_reach *out =
		arena_alloc(&e->arena, (e->graph.node_count + 1) * sizeof(*out));
	size_t reached = is_stop ? unit_graph_stops(&e->graph, e->index, out) :
				   unit_graph_starts(&e->graph, e->index, out);

	for (size_t i = 0; i < reached; i++) {
		const struct unit_graph_edge *edge = &e->graph.edges[out[i].edge];
		unsigned through = edge->from == out[i].node ? edge->to : edge->from;

		if (is_stop || through != e->index)
			add_edge(e, list, count,
				 is_stop ? "stopping it stops" : "starting it starts", out[i].node,
				 edge, through);
	}
}

struct explain_edge *explain_edges(struct explain *e, size_t *count)
{
	const struct unit_graph_node *node = &e->graph.nodes[e->index];
	struct explain_edge *list = NULL;

	*count = 0;
	for (unsigned i = 0; i < node->out_count; i++) {
		const struct unit_graph_edge *edge = &e->graph.edges[node->out_begin + i];

		add_edge(e, &list, count, verb_of(edge->kind, true), edge->to, edge, e->index);
		if (edge->kind == SERVICE_DEP_AFTER)
			add_members(e, &list, count, edge->to);
	}
	for (unsigned i = 0; i < node->in_count; i++) {
		const struct unit_graph_edge *edge =
			&e->graph.edges[e->graph.in[node->in_begin + i]];

		add_edge(e, &list, count, verb_of(edge->kind, false), edge->from, edge, e->index);
	}
	add_reached(e, &list, count, false);
	add_reached(e, &list, count, true);
	return list;
}

static void add_name(struct explain *e, struct explain_default **list, size_t *count,
		     const char *what, const char *name, const char *key, const char *otherwise)
{
	const struct unit_line *line = find_line(e, key);
	const char *from = otherwise;

	if (line)
		from = arena_printf(&e->arena, "%s= at %s:%u", key, line->origin->file,
				    line->origin->line);
	add_default(e, list, count, what, arena_printf(&e->arena, "%s, from %s", name, from));
}

struct explain_default *explain_names(struct explain *e, size_t *count)
{
	static const char *const keys[] = {
		[UNIT_CONTAINER] = "ContainerName",
		[UNIT_VOLUME] = "VolumeName",
		[UNIT_NETWORK] = "NetworkName",
		[UNIT_KUBE] = "",
		[UNIT_IMAGE] = "Image",
		[UNIT_BUILD] = "ImageTag",
		[UNIT_POD] = "PodName",
		[UNIT_ARTIFACT] = "Artifact",
	};
	const struct unit *unit = e->unit;
	const char *at = strchr(unit->service_name, '@');
	const char *made = unit->kind == UNIT_CONTAINER ? unit->container_name :
							  unit->resource_name;
	struct explain_default *list = NULL;

	*count = 0;
	add_name(e, &list, count, "service", unit->service_name, "ServiceName", "the file's name");
	if (made[0] && keys[unit->kind][0])
		add_name(e, &list, count, unit->kind == UNIT_CONTAINER ? "container" : "called",
			 made, keys[unit->kind],
			 strchr(unit->name, '@') ?
				 "systemd-, the template's and the instance's name" :
				 "systemd- and the service's name");
	if (unit->is_template)
		add_default(e, &list, count, "template",
			    "a pattern: never run itself, its instances are NAME@INSTANCE");
	else if (at)
		add_default(e, &list, count, "instance",
			    arena_printf(&e->arena, "%.*s (%%i) of the template %.*s@",
					 (int)(strlen(at + 1) - strlen(".service")), at + 1,
					 (int)(at - unit->service_name), unit->service_name));
	for (size_t i = 0; i < unit->ref_count; i++) {
		const struct unit_ref *ref = &unit->refs[i];

		add_default(e, &list, count, "refers to",
			    arena_printf(&e->arena, "%s: %s, %s (%s:%u)", ref->file, ref->service,
					 ref->resource, ref->origin->file, ref->origin->line));
	}
	return list;
}

const char *explain_start(struct explain *e)
{
	auto_buf out = BUF_INIT(UNIT_MAX_LINE_BYTES);

	say_start(e, &out);
	return explain_shown(e, buf_str(&out));
}
