/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Unit files -> entries of the engine and policies of the core. An invalid unit keeps its place in both (it is listed, it is
 * never started); what it says about itself is its first error with file and line.
 */
#include <assert.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "spec/volume.h"
#include "supervise/commands.h"
#include "supervise/files.h"
#include "supervise/internal.h"
#include "supervise/network.h"
#include "supervise/notify.h"
#include "supervise/pods.h"
#include "unit/graph.h"
#include "util/copy.h"
#include "util/str.h"

static void convert(struct engine *e, struct engine_entry *entry)
{
	struct unit *unit = &e->units.units[entry - e->entries];
	size_t before = e->units.diags.count;
	struct image_ref ref;
	struct err err;

	if (!unit->is_valid)
		return;
	entry->spec = arena_new(&e->units.arena, struct container_spec);
	if (spec_check_global_args(&unit->global_args, &e->units.diags) < 0 ||
	    (unit->kind == UNIT_POD ? pods_convert(e, entry) < 0 :
				      spec_from_args(entry->spec, &e->units.arena, &unit->spec_args,
						     &e->units.diags) < 0 ||
					      ref_parse(entry->spec->image, &ref, &err) < 0 ||
					      image_queue_bind(e, entry, &ref) < 0)) {
		if (e->units.diags.count == before)
			diag_add(&e->units.diags, DIAG_ERROR, unit->path, 0, 0, "Container.Image",
				 "%s", err.msg);
		unit->is_valid = false;
		unit->first_error = before;
		entry->spec = NULL;
	}
	for (size_t i = before; i < e->units.diags.count; i++)
		e->units.diags.items[i].text =
			unit_shown_text(unit, &e->units.diags.items[i], &e->units.diags.arena);
}

/* Two units with one container name would fight over run records, logs and by-name links. */
static void refuse_twins(struct engine *e)
{
	for (unsigned i = 0; i < e->count; i++) {
		for (unsigned k = 0; k < i; k++) {
			struct unit *unit = &e->units.units[i];

			if (!e->entries[i].spec || !str_eq(e->entries[i].name, e->entries[k].name))
				continue;
			diag_add(&e->units.diags, DIAG_ERROR, unit->path, 0, 0,
				 "Container.ContainerName",
				 "the container name \"%s\" is taken by %s", e->entries[i].name,
				 e->entries[k].unit->path);
			unit->is_valid = false;
			unit->first_error = e->units.diags.count - 1;
			e->entries[i].spec = NULL;
			str_copy(e->entries[i].name, sizeof(e->entries[i].name), unit->name);
			break;
		}
	}
}

static void add_dep(struct engine *e, struct core_policy *policy, struct core_dep **deps,
		    enum service_dep_kind kind, unsigned target)
{
	if (target < e->count && policy->dep_count < UNIT_MAX_DEPS)
		*arena_push(&e->arena, *deps, policy->dep_count) =
			(struct core_dep){ kind, target };
}

/* What a dependency on a group means for a member of it that is wanted (weak: it may fail, and nobody stops it with the group). False:
 * nothing, because nobody stops, reloads or starts a group itself. */
static bool reaches_members(enum service_dep_kind kind)
{
	return kind == SERVICE_DEP_AFTER || kind == SERVICE_DEP_WANTS ||
	       kind == SERVICE_DEP_REQUIRES || kind == SERVICE_DEP_BINDS_TO ||
	       kind == SERVICE_DEP_UPHOLDS || kind == SERVICE_DEP_ON_FAILURE ||
	       kind == SERVICE_DEP_ON_SUCCESS;
}

static bool is_strong(enum service_dep_kind kind)
{
	return kind == SERVICE_DEP_REQUIRES || kind == SERVICE_DEP_BINDS_TO;
}

/* The core knows no groups: who waits for one waits for its members, who starts one starts them. */
static void link_group(struct engine *e, const struct unit_graph *graph,
		       const struct unit_graph_edge *edge, unsigned self,
		       struct core_policy *policy, struct core_dep **deps)
{
	const struct unit_graph_node *group = &graph->nodes[edge->to];

	for (unsigned i = 0; i < group->out_count; i++) {
		const struct unit_graph_edge *member = &graph->edges[group->out_begin + i];
		bool is_order = member->kind == SERVICE_DEP_AFTER;

		if (member->to == self || !reaches_members(edge->kind) ||
		    is_order != (edge->kind == SERVICE_DEP_AFTER))
			continue;
		/* A member that a group only wants may fail without the group. */
		if (is_order || !is_strong(edge->kind) || member->kind == SERVICE_DEP_REQUIRES)
			add_dep(e, policy, deps, edge->kind, member->to);
		else if (member->kind == SERVICE_DEP_WANTS || member->kind == SERVICE_DEP_UPHOLDS)
			add_dep(e, policy, deps, SERVICE_DEP_WANTS, member->to);
	}
}

/* What the graph says, so that the engine does what "cleat explain" tells. */
static void link_deps(struct engine *e, const struct unit_graph *graph, unsigned index,
		      struct core_policy *policy)
{
	const struct unit_graph_node *node = &graph->nodes[index];
	struct core_dep *deps = NULL;

	for (unsigned i = 0; i < node->out_count; i++) {
		const struct unit_graph_edge *edge = &graph->edges[node->out_begin + i];

		if (edge->to < graph->unit_count)
			add_dep(e, policy, &deps, edge->kind, edge->to);
		else if (graph->nodes[edge->to].kind == UNIT_NODE_GROUP)
			link_group(e, graph, edge, index, policy, &deps);
	}
	policy->deps = deps;
}

static void policy_of_service(const struct service *s, struct core_policy *out)
{
	out->type = s->type;
	out->restart = s->restart;
	out->restart_usec = s->restart_usec;
	out->restart_max_usec = s->restart_max_usec;
	out->restart_steps = s->restart_steps;
	out->start_limit_interval_usec = s->start_limit_interval_usec;
	out->start_limit_burst = s->start_limit_burst;
	out->timeout_start_usec = s->timeout_start_usec;
	out->timeout_stop_usec = s->timeout_stop_usec;
	out->runtime_max_usec = s->runtime_max_usec;
	out->job_timeout_usec = s->job_timeout_usec;
	out->job_running_timeout_usec = s->job_running_timeout_usec;
	out->machine[CORE_MACHINE_FAILURE] = s->failure_action;
	out->machine[CORE_MACHINE_SUCCESS] = s->success_action;
	out->machine[CORE_MACHINE_START_LIMIT] = s->start_limit_action;
	out->machine[CORE_MACHINE_JOB_TIMEOUT] = s->job_timeout_action;
	out->remain_after_exit = s->remain_after_exit;
	out->success = s->success;
	out->restart_prevent = s->restart_prevent;
	out->restart_force = s->restart_force;
	out->commands = commands_of(s);
	out->has_conditions = s->condition_count > 0;
	out->restart_is_direct = s->restart_mode == SERVICE_RESTART_MODE_DIRECT;
	out->kills_at_start_timeout = s->timeout_start_mode == SERVICE_TIMEOUT_KILL;
	out->kills_at_stop_timeout = s->timeout_stop_mode == SERVICE_TIMEOUT_KILL;
	out->never_kills = !s->kill.sends_sigkill;
}

static void add_to_core(struct engine *e, const struct unit_graph *graph, unsigned index)
{
	const struct engine_entry *entry = &e->entries[index];
	const struct unit *unit = entry->unit;
	struct core_policy policy = { .name = entry->name,
				      .is_invalid = !entry->spec || entry->masked_by ||
						    unit->is_removed || unit->is_remnant };

	policy_of_service(&unit->service, &policy);
	if (policy.is_invalid) /* what has no file any more, or a bad one, is not to end the appliance */
		memset(policy.machine, 0, sizeof(policy.machine));
	if (entry->spec) {
		policy.stop_timeout_usec = entry->spec->stop_timeout_usec;
		policy.ready_when_healthy = entry->spec->notify == SPEC_NOTIFY_HEALTHY;
		health_load(e, index);
		health_policy(&entry->health, &policy.health, &policy.startup);
		notify_policy(entry->spec, &unit->service, &policy);
		link_deps(e, graph, index, &policy);
		pods_policy(entry->spec, &policy);
	}
	core_add(e->core, &policy);
}

/* What has been said of it in one go, from its first error on. */
static unsigned count_errors(const struct engine *e, const struct unit *unit)
{
	const struct diags *diags = &e->units.diags;
	unsigned count = 0;

	for (size_t i = unit->first_error;
	     i < diags->count && str_eq(diags->items[i].file, unit->path); i++)
		count += diags->items[i].severity == DIAG_ERROR;
	return count;
}

/* The error that the unit is listed with. */
const char *units_invalid_reason(struct engine *e, const struct unit *unit)
{
	auto_buf line = BUF_INIT(1024);
	unsigned count = count_errors(e, unit);

	if (unit->error_text && unit->error_text[0])
		return count < 2 ? unit->error_text :
				   arena_printf(&e->arena, "%s (and %u more: \"cleat check\")",
						unit->error_text, count - 1);
	for (size_t i = unit->first_error; i < e->units.diags.count; i++) {
		if (e->units.diags.items[i].severity != DIAG_ERROR)
			continue;
		diag_format(&e->units.diags.items[i], &line);
		return arena_strdup(&e->arena, buf_str(&line));
	}
	return "the unit file has errors";
}

static void report(struct engine *e)
{
	for (size_t i = 0; i < e->units.diags.count; i++) {
		const struct diag *diag = &e->units.diags.items[i];
		auto_buf line = BUF_INIT(2048);

		diag_format(diag, &line);
		log_msg(diag->severity == DIAG_ERROR   ? LOG_ERROR :
			diag->severity == DIAG_WARNING ? LOG_WARN :
							 LOG_DEBUG,
			"units", "%s", buf_str(&line));
	}
}

static_assert(sizeof(struct engine_entry) <= 1536, "there are many of them: texts are no arrays");

static void make_entries(struct engine *e)
{
	e->count = e->resource_begin > CORE_MAX_UNITS ? CORE_MAX_UNITS :
							(unsigned)e->resource_begin;
	if (e->resource_begin > CORE_MAX_UNITS)
		publish_note(e, 2, "%s: %zu units, the first %d are used", CLEAT_UNIT_DIR,
			     e->resource_begin, CORE_MAX_UNITS);
	if (e->entries && e->count <= e->files->entry_capacity) {
		memset(e->entries, 0, (e->count + 1) * sizeof(*e->entries));
	} else {
		e->entries = arena_alloc(&e->arena, (e->count + 1) * sizeof(*e->entries));
		e->files->entry_capacity = e->count;
	}
	e->files->all_count = e->files->removed_begin = e->count;
	while (e->files->removed_begin && e->units.units[e->files->removed_begin - 1].is_removed)
		e->files->removed_begin--;
	for (unsigned i = 0; i < e->count; i++) {
		struct engine_entry *entry = &e->entries[i];

		entry->unit = &e->units.units[i];
		run_clear(&entry->run);
		str_drop(&entry->remarks);
		str_drop(&entry->image_progress);
		convert(e, entry);
		/* an invalid unit's container name may be anything: only a checked one becomes part of paths */
		str_copy(entry->name, sizeof(entry->name),
			 entry->spec && entry->spec->is_pod	    ? entry->spec->name :
			 entry->spec && entry->unit->container_name ? entry->unit->container_name :
								      entry->unit->name);
	}
	refuse_twins(e);
	pods_link(e);
}

/* Its words are judged like those of a container. */
static void judge_volume(struct engine *e, struct unit *unit)
{
	size_t before = e->units.diags.count;
	auto_arena arena = { 0 };
	struct volume_spec volume;

	if (spec_check_global_args(&unit->global_args, &e->units.diags) == 0 &&
	    volume_from_args(&volume, &arena, &unit->spec_args, &e->units.diags) == 0)
		return;
	unit->is_valid = false;
	unit->first_error = before;
	unit->error_text = "";
}

/* Made when a container needs it: no unit that the core starts. One with an error is listed with the others. */
static bool is_resource(const struct unit *unit)
{
	return unit->is_valid && (unit->kind == UNIT_VOLUME || unit->kind == UNIT_NETWORK ||
				  unit->kind == UNIT_IMAGE);
}

/* What has a place in the core comes first, at the same index; behind it what others only refer to. A pattern is none of the
 * engine's units: what runs are its instances. */
static void sort_out(struct engine *e)
{
	struct unit_set *set = &e->units;
	auto_arena arena = { 0 };
	struct unit *all = arena_alloc(&arena, (set->count + 1) * sizeof(*all));
	size_t kept = 0;

	for (size_t i = 0; i < set->count; i++)
		if (set->units[i].kind == UNIT_VOLUME && set->units[i].is_valid &&
		    !set->units[i].is_template)
			judge_volume(e, &set->units[i]);
	unit_set_refuse_broken_references(set);
	copy_bytes(all, set->units, set->count * sizeof(*all));
	for (size_t i = 0; i < set->count; i++)
		if (!all[i].is_template && !is_resource(&all[i]) && !all[i].is_removed)
			set->units[kept++] = all[i];
	/* last, so that they can be forgotten when they are gone */
	for (size_t i = 0; i < set->count; i++)
		if (all[i].is_removed && !is_resource(&all[i]))
			set->units[kept++] = all[i];
	e->resource_begin = kept;
	for (size_t i = 0; i < set->count; i++)
		if (!all[i].is_template && is_resource(&all[i]) && !all[i].is_removed)
			set->units[kept++] = all[i];
	/* behind what may have taken its name meanwhile */
	for (size_t i = 0; i < set->count; i++)
		if (all[i].is_removed && is_resource(&all[i]))
			set->units[kept++] = all[i];
	/* and, not of the set any more, what can be masked */
	e->templates = set->units + kept;
	e->template_count = 0;
	for (size_t i = 0; i < set->count; i++)
		if (all[i].is_template && !all[i].is_removed)
			set->units[kept + e->template_count++] = all[i];
	set->count = kept;
}

static void open_history(struct engine *e)
{
	auto_arena arena = { 0 };
	struct history_unit *units;
	struct err err;

	if (e->run_layout_unknown)
		return;
	units = arena_alloc(&arena, (e->count + 1) * sizeof(*units));
	for (unsigned i = 0; i < e->count; i++) {
		str_copy(units[i].name, sizeof(units[i].name), e->entries[i].name);
		str_copy(units[i].unit, sizeof(units[i].unit), e->entries[i].unit->name);
	}
	e->history = history_open(CLEAT_HISTORY, units, e->count, &err);
	if (!e->history)
		publish_note(e, 1, "history: %s", err.msg);
}

static int make_core(struct engine *e, struct err *err)
{
	struct unit_graph graph = { 0 };

	if (unit_graph_make(&graph, &e->units, err) < 0)
		return -1;
	open_history(e);
	e->core = core_new(engine_trace, e);
	for (unsigned i = 0; i < e->count; i++)
		add_to_core(e, &graph, i);
	unit_graph_fini(&graph);
	/* The set has refused the units that wait for each other in circles. Should it have missed one, the core refuses its units
	 * and links the others: a circle never keeps the appliance down. */
	while (core_link(e->core, err) < 0)
		if (err->code != ERR_INPUT)
			return -1;
		else
			publish_note(e, 2, "%s", err->msg);
	return 0;
}

int units_read_once(struct engine *e, struct err *err)
{
	int rc = unit_set_load(&e->units, CLEAT_UNIT_DIR, &e->unit_facts, err);

	sort_out(e);
	make_entries(e);
	return rc;
}

void units_forget(struct engine *e)
{
	unit_set_fini(&e->units);
	e->count = 0;
	e->templates = NULL;
	e->template_count = 0;
}

const char *engine_template(const struct engine *e, const char *name)
{
	size_t length = strlen(name);

	for (size_t i = 0; i < e->template_count; i++) {
		const struct unit *unit = &e->templates[i];

		if (str_eq(name, unit->name) || str_eq(name, unit->service_name) ||
		    (length && strncmp(name, unit->name, length) == 0 &&
		     strrchr(unit->name, '.') == unit->name + length))
			return unit->name;
	}
	return NULL;
}

static bool has_own_file(const struct unit *instance)
{
	const char *slash = strrchr(instance->path, '/');

	return str_eq(slash ? slash + 1 : instance->path, instance->name);
}

/* As in systemd, a mask of the template is one of every instance that is made from it: one with a file of its own is a unit like any other. */
static const char *mask_of(const struct engine *e, const struct unit *unit)
{
	const char *at = strchr(unit->service_name, '@'), *template;
	const struct choice *choice = choices_find(&e->files->choices, unit->name);
	char service[UNIT_MAX_NAME_BYTES + sizeof(".service")];

	if (choice && choice->is_masked)
		return unit->name;
	if (!at || has_own_file(unit))
		return NULL;
	snprintf(service, sizeof(service), "%.*s@.service", (int)(at - unit->service_name),
		 unit->service_name);
	template = engine_template(e, service);
	choice = template ? choices_find(&e->files->choices, template) : NULL;
	return choice && choice->is_masked ? template : NULL;
}

/* What an operator has chosen counts for more than [Install]. */
static void choose(struct engine *e)
{
	for (unsigned i = 0; i < e->count; i++) {
		struct unit *unit = &e->units.units[i];
		const struct choice *choice = choices_find(&e->files->choices, unit->name);

		if (unit->is_removed)
			continue;
		e->entries[i].masked_by = mask_of(e, unit);
		if (!choice)
			continue;
		e->entries[i].choice = choice;
		if (choice->is_enabled || choice->is_disabled)
			unit->service.boot = choice->is_enabled;
	}
}

int units_load(struct engine *e, struct err *err)
{
	if (files_open(e, err) < 0)
		return -1;
	files_read(e);
	if (e->files->is_unreadable)
		publish_note(e, 2, "%s", e->files->unreadable_why);
	choose(e);
	network_open(e);
	if (make_core(e, err) < 0)
		return -1;
	report(e);
	publish_draft(e);
	for (unsigned i = 0; i < e->count; i++) {
		struct engine_entry *entry = &e->entries[i];

		/* what is wrong with the file counts, not what is wrong with its earlier version, too */
		entry->invalid_reason = files_fault(e, entry->unit);
		if (!entry->invalid_reason && !entry->spec)
			entry->invalid_reason = units_invalid_reason(e, entry->unit);
		files_digest_entry(e, i);
		publish_unit(e, i);
	}
	return 0;
}
