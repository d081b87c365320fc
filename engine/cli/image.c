/* SPDX-License-Identifier: Apache-2.0 */
/*
 * "cleat rmi" and "cleat image prune": what goes, after asking who needs it. The work is the store's (image/store_admin.h). Must never
 * remove what a unit or a running container uses without being told to, and says who it is.
 */
#include "cli/image.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/commands.h"
#include "image/store.h"
#include "spec/spec.h"
#include "supervise/last_good.h"
#include "supervise/update_record.h"
#include "unit/unit.h"
#include "util/buf.h"
#include "util/loop.h"
#include "util/places.h"
#include "util/str.h"

/* Units whose images are on their way: for them the import has the store. */
static void say_pulling(void)
{
	struct published_header header;
	struct published_unit *units;
	unsigned count;
	struct err ignored;

	if (cli_read_published(&header, &units, &count, &ignored) < 0)
		return;
	for (unsigned i = 0; i < count; i++)
		if (units[i].state == PUBLISHED_PULLING)
			fprintf(stderr, "  %s pulls %s%s%s\n", units[i].unit, units[i].image,
				units[i].detail[0] ? ": " : "", units[i].detail);
	free(units);
}

int cli_store_take(struct store *store, const char *command, bool is_ours, struct err *err)
{
	if (store_take(store, 0, err) == 0)
		return 0;
	if (err->code != ERR_BUSY)
		return -1;
	cli_clean(err->msg);
	fprintf(stderr, "cleat %s: waits, %u s at most: %s\n", command,
		(unsigned)(IMAGE_LOCK_WAIT_USEC / USEC_SEC), err->msg);
	if (is_ours)
		say_pulling();
	return store_take(store, IMAGE_LOCK_WAIT_USEC, err);
}

struct store *cli_store_look(const char *path, bool *read_only, struct err *err)
{
	struct stat st;

	*read_only = false;
	if (str_eq(path, CLEAT_STORE_DIR) && !cli_is_inside())
		err_set(err, ERR_NOT_FOUND,
			"images lie in the appliance: --socket does not reach them (--store DIR reads a store that is here)");
	else if (stat(path, &st) < 0)
		err_sys(err, "image store %s", path);
	else
		return store_open(path, read_only, err);
	return NULL;
}

struct store *cli_store_open(const char *command, const char *path, bool write)
{
	struct err err;
	bool read_only;
	struct store *store = cli_store_look(path, &read_only, &err);

	if (store && write && read_only)
		err_set(&err, ERR_SYS, "image store %s cannot be written", path);
	else if (store && (!write || cli_store_take(store, command, str_eq(path, CLEAT_STORE_DIR),
						    &err) == 0))
		return store;
	store_close(store);
	fprintf(stderr, "cleat %s: %s\n", command, err.msg);
	return NULL;
}

/* A unit with errors may have run before it had them: whatever in it could be an image's name is one. */
static void keep_words(struct store_keep *keep, const struct unit *unit)
{
	for (size_t i = 0; i < unit->spec_args.count; i++)
		if (unit->spec_args.items[i].text[0] != '-')
			store_keep_name(keep, unit->name, unit->spec_args.items[i].text);
}

static void keep_unit(struct store_keep *keep, const struct unit *unit)
{
	auto_arena arena = { 0 };
	struct diags diags = { 0 };
	struct container_spec spec;

	if (unit->kind == UNIT_CONTAINER && unit->is_valid &&
	    spec_from_args(&spec, &arena, &unit->spec_args, &diags) == 0)
		store_keep_name(keep, unit->name, spec.image);
	else if (unit->kind == UNIT_CONTAINER || unit->kind == UNIT_IMAGE)
		keep_words(keep, unit);
	diags_fini(&diags);
}

/* What its updates may have to go back to. One that cannot be read may name anything: nothing is removed then. */
static int keep_history(struct store_keep *keep, const struct unit *unit, struct err *err)
{
	const char *digests[UPDATE_KEEPS_MAX];
	struct update_record record;
	unsigned count;

	if (update_record_load(unit->name, &record, err) < 0)
		return -1;
	count = update_record_keeps(&record, digests);
	for (unsigned i = 0; i < count; i++)
		store_keep_digest(keep, unit->name, digests[i]);
	return 0;
}

static int keep_units(struct store_keep *keep, const char *dir, struct err *err)
{
	struct unit_set set = { 0 };
	struct unit_facts facts;
	auto_arena arena = { 0 };
	int rc = 0;

	if (access(dir, F_OK) < 0 && errno == ENOENT)
		return 0;
	unit_facts_init(&facts, &arena, NULL);
	if (unit_set_load(&set, dir, &facts, err) < 0)
		rc = err_wrap(err, "units of %s", dir);
	for (size_t i = 0; rc == 0 && i < set.count; i++) {
		keep_unit(keep, &set.units[i]);
		if (set.units[i].kind == UNIT_CONTAINER)
			rc = keep_history(keep, &set.units[i], err);
	}
	unit_set_fini(&set);
	return rc;
}

/* The copy of a unit whose file has errors now is what the next engine starts, so they are read as it would read them. */
static int keep_copies(struct store_keep *keep, struct err *err)
{
	struct unit_substitute *copies = NULL, copy;
	struct unit_set set = { 0 };
	struct unit_facts facts;
	auto_arena arena = { 0 };
	size_t count, copy_count = 0;
	const char **names;

	if (last_good_list(CLEAT_LAST_GOOD_DIR, &arena, &names, &count, err) < 0)
		return -1;
	for (size_t i = 0; i < count; i++)
		if (last_good_read(CLEAT_LAST_GOOD_DIR, names[i], &arena, &copy, err) == 0)
			*arena_push(&arena, copies, copy_count) = copy;
		else if (err->code != ERR_NOT_FOUND)
			return err_wrap(err, "copies of units");
	unit_facts_init(&facts, &arena, NULL);
	facts.substitutes = copies;
	facts.substitute_count = copy_count;
	unit_set_load_files(&set, NULL, 0, &facts);
	for (size_t i = 0; i < set.count; i++)
		keep_unit(keep, &set.units[i]);
	unit_set_fini(&set);
	return 0;
}

/* The version of a unit that runs may be an older one than its file; an engine that has never been here published nothing. */
static void keep_published(struct store_keep *keep)
{
	struct published_header header;
	struct published_unit *units;
	unsigned count;
	struct err ignored;

	if (cli_read_published(&header, &units, &count, &ignored) == 0)
		for (unsigned i = 0; i < count; i++) {
			store_keep_name(keep, units[i].unit, units[i].image);
			store_keep_digest(keep, units[i].unit, units[i].image_digest);
		}
	free(units);
}

int cli_keepers(struct store_keep *keep, const char *unit_dir, struct err *err)
{
	keep_published(keep);
	if (keep_units(keep, unit_dir, err) < 0 || keep_copies(keep, err) < 0)
		return -1;
	return store_keep_running(keep, CLEAT_CONTAINER_DIR, err);
}

void cli_size(uint64_t bytes, char out[24])
{
	static const char *const units[] = { "B", "kB", "MB", "GB", "TB", "PB", "EB" };
	double value = (double)bytes;
	unsigned unit = 0;

	while (value >= 1000 && unit + 1 < sizeof(units) / sizeof(units[0])) {
		value /= 1000;
		unit++;
	}
	snprintf(out, 24, "%.3g %s", value >= 999.5 ? 999.0 : value, units[unit]);
}

/* Lines of "Untagged:" and "Deleted:" as they were made; each is safe for a terminal. */
static void print_told(struct buf *told)
{
	if (told->len) {
		for (char *line = told->data, *next; line; line = next) {
			next = strchr(line, '\n');
			if (next)
				*next++ = '\0';
			cli_clean(line);
			if (*line)
				puts(line);
		}
	}
	buf_clear(told);
}

struct removing {
	struct store *store;
	struct store_keep keep;
	bool force;
	struct buf told;
	struct store_removed removed;
};

/* Is this very name the one that a unit has? */
static const char *user_of_name(const struct store_keep *keep, const struct store_entry *image,
				const char *name)
{
	struct store_entry only = { .names = &name, .name_count = 1 };

	str_copy(only.id, sizeof(only.id), image->id);
	return store_keep_user(keep, &only, NULL);
}

static int refuse(const struct store_entry *image, const char *name, const char *user,
		  struct err *err)
{
	return err_set(err, ERR_BUSY, "%s: in use by %s; -f takes its name away all the same",
		       name ? name : image->id, user);
}

static int remove_one_name(struct removing *r, const struct store_entry *image, const char *name,
			   struct err *err)
{
	const char *user = user_of_name(&r->keep, image, name);

	if (user && !r->force)
		return refuse(image, name, user, err);
	return store_untag(r->store, name, &r->removed, err);
}

/* What a container runs from loses its names only; prune or the next import's collecting takes it when nobody has it mounted. */
static int remove_all(struct removing *r, const struct store_entry *image, const char *name,
		      struct err *err)
{
	bool is_running;
	const char *user = store_keep_user(&r->keep, image, &is_running);

	if (user && !r->force)
		return refuse(image, name, user, err);
	if (!is_running)
		return store_remove_image(r->store, image, &r->keep, CLEAT_CONTAINER_DIR,
					  &r->removed, err);
	for (size_t i = 0; i < image->name_count; i++)
		if (store_untag(r->store, image->names[i], &r->removed, err) < 0)
			return -1;
	fprintf(stderr, "cleat rmi: %s stays until %s has ended\n", image->id, user);
	return 0;
}

/* id_out: of the image when the word was an id and the image is gone, else "". */
static int remove_word(struct removing *r, const char *word, char id_out[80], struct err *err)
{
	unsigned before = r->removed.images;
	auto_arena arena = { 0 };
	const struct store_entry *image;
	struct store_list list;
	const char *name;

	id_out[0] = '\0';
	if (store_list_read(r->store, &arena, &list, err) < 0)
		return -1;
	if (list.unsure)
		return err_set(err, ERR_SYS, "nothing is removed: %s", list.unsure);
	image = store_list_find(&list, word, &name, err);
	if (!image)
		return -1;
	if (name && image->name_count > 1)
		return remove_one_name(r, image, name, err);
	if (!name && image->name_count > 1 && !r->force)
		return err_set(err, ERR_INPUT, "%s has %zu names (%s, ...): -f removes them all",
			       word, image->name_count, image->names[0]);
	if (remove_all(r, image, name, err) < 0)
		return -1;
	if (!name && r->removed.images > before)
		str_copy(id_out, 80, image->id);
	return 0;
}

static int begin(struct removing *r, const char *command, const char *store, const char *unit_dir)
{
	struct err err;

	r->told = (struct buf)BUF_INIT(16 * 1024 * 1024);
	r->removed.told = &r->told;
	r->store = cli_store_open(command, store, true);
	if (!r->store)
		return CLI_FAILED;
	if (cli_keepers(&r->keep, unit_dir, &err) == 0)
		return CLI_OK;
	fprintf(stderr, "cleat %s: who needs which image is not known: %s\n", command, err.msg);
	return CLI_FAILED;
}

static void end(struct removing *r)
{
	store_keep_fini(&r->keep);
	store_close(r->store);
	buf_fini(&r->told);
}

/* By id there may be a second one: the same config under two manifests. */
static int remove_id(struct removing *r, const char *id, struct err *err)
{
	for (;;) {
		unsigned before = r->removed.images;
		char again[80];

		if (remove_word(r, id, again, err) < 0)
			return err->code == ERR_NOT_FOUND ? 0 : -1;
		if (r->removed.images == before)
			return 0; /* a container runs from it */
	}
}

static int remove_words(struct removing *r, const char *command, char **words, int count)
{
	int result = CLI_OK;

	for (int i = 0; i < count; i++) {
		struct err err;
		char id[80];
		int rc = remove_word(r, words[i], id, &err);

		if (rc == 0 && id[0])
			rc = remove_id(r, id, &err);
		if (rc < 0) {
			cli_clean(err.msg);
			fprintf(stderr, "cleat %s: %s\n", command, err.msg);
			result = CLI_FAILED;
		}
		print_told(&r->told);
	}
	return result;
}

int cmd_rmi(int argc, char **argv)
{
	const char *store = CLEAT_STORE_DIR, *unit_dir = CLEAT_UNIT_DIR;
	struct removing r = { 0 };
	const struct cli_option options[] = { { "-f", "--force", &r.force, NULL },
					      { NULL, "--store", NULL, &store },
					      { NULL, "--dir", NULL, &unit_dir } };
	int words = cli_options(argc, argv, options, 3), result;

	if (words < 0)
		return CLI_USAGE;
	if (words == 0) {
		fprintf(stderr, "cleat %s: which image?\n", argv[0]);
		return CLI_USAGE;
	}
	result = begin(&r, argv[0], store, unit_dir);
	if (result == CLI_OK)
		result = remove_words(&r, argv[0], argv + 1, words);
	end(&r);
	return result;
}

static bool confirm(bool all)
{
	char answer[16] = "";

	printf("This removes all images %s. Continue? [y/N] ",
	       all ? "that no unit and no running container needs" :
		     "without a name that no unit and no running container needs");
	fflush(stdout);
	return fgets(answer, sizeof(answer), stdin) && (answer[0] == 'y' || answer[0] == 'Y');
}

static int prune(struct removing *r, bool all, struct err *err)
{
	auto_arena arena = { 0 };
	struct store_list list;

	if (store_list_read(r->store, &arena, &list, err) < 0)
		return -1;
	if (list.unsure)
		return err_set(err, ERR_SYS, "nothing is removed: %s", list.unsure);
	for (size_t i = 0; i < list.image_count; i++) {
		const struct store_entry *image = &list.images[i];

		if ((image->name_count && !all) || store_keep_user(&r->keep, image, NULL))
			continue;
		if (store_remove_image(r->store, image, &r->keep, CLEAT_CONTAINER_DIR, &r->removed,
				       err) < 0)
			return -1;
	}
	return store_remove_orphans(r->store, &r->keep, CLEAT_CONTAINER_DIR, &r->removed, err);
}

int cmd_image_prune(int argc, char **argv)
{
	const char *store = CLEAT_STORE_DIR, *unit_dir = CLEAT_UNIT_DIR;
	struct removing r = { 0 };
	bool all = false, force = false;
	const struct cli_option options[] = { { "-a", "--all", &all, NULL },
					      { "-f", "--force", &force, NULL },
					      { NULL, "--store", NULL, &store },
					      { NULL, "--dir", NULL, &unit_dir } };
	int words = cli_options(argc, argv, options, 4), result;
	struct err err;
	char size[24];

	if (words < 0)
		return CLI_USAGE;
	if (words > 0) {
		fprintf(stderr, "cleat %s: no word is expected: %s\n", argv[0], argv[1]);
		return CLI_USAGE;
	}
	if (!force && !confirm(all))
		return CLI_OK;
	result = begin(&r, argv[0], store, unit_dir);
	if (result == CLI_OK && prune(&r, all, &err) < 0) {
		cli_clean(err.msg);
		fprintf(stderr, "cleat %s: %s\n", argv[0], err.msg);
		result = CLI_FAILED;
	}
	print_told(&r.told);
	cli_size(r.removed.bytes, size);
	if (result == CLI_OK)
		printf("%u images, %u layers, %s\n", r.removed.images, r.removed.layers, size);
	end(&r);
	return result;
}
