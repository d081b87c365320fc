/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The deep copy of a unit. Every pointer of struct unit and struct service has its line here: one that is forgotten points
 * into memory that is gone, which the tests see because they print all of it under the address sanitizer.
 */
#include "unit/keep_internal.h"

#include <link.h>
#include <stdint.h>
#include <string.h>

#include "unit/lines.h"
#include "util/copy.h"

#define PAGE_BYTES 4096u
#define KNOWN 128 /* a power of two */

/* Most texts of a unit are met again: its path, the names of its keys, the words of a line in both of their forms. */
struct keeper {
	struct arena *arena;
	struct {
		const void *from;
		void *to;
	} known[KNOWN];
	/* An option and its value are of one line. */
	const struct origin *last_from, *last_to;
};

static size_t slot_of(const void *pointer)
{
	return ((uintptr_t)pointer >> 3 ^ (uintptr_t)pointer >> 10) % KNOWN;
}

static void *find_known(const struct keeper *k, const void *from)
{
	return k->known[slot_of(from)].from == from ? k->known[slot_of(from)].to : NULL;
}

static void *remember(struct keeper *k, const void *from, void *to)
{
	k->known[slot_of(from)].from = from;
	k->known[slot_of(from)].to = to;
	return to;
}

/* Where the program's constants lie: names of keys, flags of options. Not up to _end: between its parts the linker leaves a hole where
 * pages may be larger than this machine's (64 KiB on aarch64), and the kernel puts a heap's blocks there. */
static struct constants {
	uintptr_t begin, end;
} constants;

static int find_constants(struct dl_phdr_info *info, size_t size, void *arg)
{
	(void)size;
	(void)arg;
	for (unsigned i = 0; i < info->dlpi_phnum; i++) {
		const __typeof__(*info->dlpi_phdr) *ph = &info->dlpi_phdr[i];
		uintptr_t begin = info->dlpi_addr + ph->p_vaddr;

		if (ph->p_type != PT_LOAD || (ph->p_flags & PF_W))
			continue;
		/* in the order of their addresses (ELF); the next one goes on where the last one ends, or after a hole */
		if (!constants.end)
			constants.begin = begin;
		else if (begin / PAGE_BYTES > (constants.end + PAGE_BYTES - 1) / PAGE_BYTES)
			break;
		constants.end = begin + ph->p_memsz;
	}
	return 1; /* the first object is the program; a static one has no others */
}

bool keep_is_constant(const char *text)
{
	if (!constants.end)
		dl_iterate_phdr(find_constants, NULL);
	return (uintptr_t)text - constants.begin < constants.end - constants.begin;
}

static void keep_text(struct keeper *k, const char **text)
{
	const char *known;

	if (!*text || keep_is_constant(*text))
		return;
	if (!**text) {
		*text = "";
		return;
	}
	known = find_known(k, *text);
	*text = known ? known : remember(k, *text, arena_strdup(k->arena, *text));
}

static void keep_origin(struct keeper *k, const struct origin **origin)
{
	struct origin *copy;

	if (!*origin)
		return;
	if (*origin == k->last_from) {
		*origin = k->last_to;
		return;
	}
	copy = find_known(k, *origin);
	if (!copy) {
		copy = remember(k, *origin, arena_new(k->arena, struct origin));
		*copy = **origin;
		keep_text(k, &copy->file);
		keep_text(k, &copy->key);
	}
	k->last_from = *origin;
	k->last_to = copy;
	*origin = copy;
}

static void *keep_bytes(struct keeper *k, const void *from, size_t count, size_t size)
{
	void *copy = count ? arena_alloc(k->arena, count * size) : NULL;

	if (copy)
		copy_bytes(copy, from, count * size);
	return copy;
}

#define keep_vector(k, items, count) \
	((items) = (__typeof__(items))keep_bytes((k), (items), (count), sizeof(*(items))))

static void keep_args(struct keeper *k, struct arg_list *list)
{
	keep_vector(k, list->items, list->count);
	for (size_t i = 0; i < list->count; i++) {
		keep_text(k, &list->items[i].text);
		keep_origin(k, &list->items[i].origin);
	}
}

static void keep_resources(struct keeper *k, struct service_resources *r)
{
	keep_text(k, &r->allowed_cpus);
	keep_text(k, &r->startup_allowed_cpus);
	keep_text(k, &r->allowed_memory_nodes);
	keep_text(k, &r->startup_allowed_memory_nodes);
	keep_text(k, &r->slice);
	keep_vector(k, r->io, r->io_count);
	for (size_t i = 0; i < r->io_count; i++) {
		keep_text(k, &r->io[i].path);
		keep_origin(k, &r->io[i].origin);
	}
}

static void keep_directories(struct keeper *k, struct service_directories *d)
{
	keep_vector(k, d->items, d->count);
	for (size_t i = 0; i < d->count; i++) {
		keep_text(k, &d->items[i].path);
		keep_text(k, &d->items[i].link);
		keep_origin(k, &d->items[i].origin);
	}
}

static void keep_commands(struct keeper *k, struct service *s)
{
	keep_vector(k, s->execs, s->exec_count);
	for (size_t i = 0; i < s->exec_count; i++) {
		keep_text(k, &s->execs[i].program);
		keep_args(k, &s->execs[i].argv);
		keep_origin(k, &s->execs[i].origin);
	}
	keep_vector(k, s->conditions, s->condition_count);
	for (size_t i = 0; i < s->condition_count; i++) {
		keep_text(k, &s->conditions[i].name);
		keep_text(k, &s->conditions[i].text);
		keep_origin(k, &s->conditions[i].origin);
	}
}

static void keep_relations(struct keeper *k, struct service *s)
{
	keep_vector(k, s->groups, s->group_count);
	for (size_t i = 0; i < s->group_count; i++) {
		keep_text(k, &s->groups[i].name);
		keep_origin(k, &s->groups[i].origin);
	}
}

static void keep_service(struct keeper *k, struct service *s)
{
	keep_vector(k, s->rlimits, s->rlimit_count);
	for (size_t i = 0; i < s->rlimit_count; i++)
		keep_origin(k, &s->rlimits[i].origin);
	keep_resources(k, &s->resources);
	keep_text(k, &s->working_directory);
	keep_text(k, &s->standard_input);
	keep_text(k, &s->standard_output);
	keep_text(k, &s->standard_error);
	for (size_t i = 0; i < SERVICE_PLACE_COUNT; i++)
		keep_directories(k, &s->directories[i]);
	keep_text(k, &s->description);
	keep_text(k, &s->reboot_argument);
	keep_text(k, &s->job_timeout_reboot_argument);
	keep_commands(k, s);
	keep_relations(k, s);
	keep_args(k, &s->aliases);
	keep_text(k, &s->default_instance);
	keep_args(k, &s->mounts_for);
	keep_args(k, &s->environment);
	keep_args(k, &s->unset_environment);
	keep_args(k, &s->pass_environment);
}

static void keep_lines(struct keeper *k, struct unit *unit)
{
	struct unit_line *lines =
		keep_bytes(k, unit->lines, unit->line_count, sizeof(*unit->lines));

	for (size_t i = 0; i < unit->line_count; i++) {
		keep_text(k, &lines[i].section);
		keep_text(k, &lines[i].key);
		keep_text(k, &lines[i].value);
		keep_text(k, &lines[i].change);
		keep_origin(k, &lines[i].origin);
		keep_origin(k, &lines[i].by);
	}
	unit->lines = lines;
}

void unit_keep_deps(struct unit *unit, struct arena *arena)
{
	struct keeper k = { .arena = arena };
	struct service *s = &unit->service;

	keep_vector(&k, s->deps, s->dep_count);
	for (size_t i = 0; i < s->dep_count; i++) {
		keep_text(&k, &s->deps[i].target);
		keep_origin(&k, &s->deps[i].origin);
	}
}

void unit_keep(struct unit *unit, struct arena *arena)
{
	struct keeper k = { .arena = arena };

	keep_text(&k, &unit->name);
	keep_text(&k, &unit->service_name);
	keep_text(&k, &unit->path);
	keep_text(&k, &unit->folder);
	keep_text(&k, &unit->container_name);
	keep_text(&k, &unit->resource_name);
	keep_args(&k, &unit->run_args);
	keep_args(&k, &unit->spec_args);
	keep_args(&k, &unit->global_args);
	keep_args(&k, &unit->hidden_words);
	keep_vector(&k, unit->refs, unit->ref_count);
	for (size_t i = 0; i < unit->ref_count; i++) {
		keep_text(&k, &unit->refs[i].file);
		keep_text(&k, &unit->refs[i].service);
		keep_text(&k, &unit->refs[i].resource);
		keep_origin(&k, &unit->refs[i].origin);
	}
	keep_service(&k, &unit->service);
	keep_vector(&k, unit->notes, unit->note_count);
	for (size_t i = 0; i < unit->note_count; i++) {
		keep_text(&k, &unit->notes[i].key);
		keep_text(&k, &unit->notes[i].text);
		keep_origin(&k, &unit->notes[i].origin);
	}
	/* service_text and symlink_text lie in the arena from the first. */
	keep_lines(&k, unit);
}
