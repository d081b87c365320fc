/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cleat volume ls, inspect, create, rm, prune: podman's words over the folders of /data/volumes. The engine is not asked: what is
 * on disk is the truth. Must never remove what a running container has mounted.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/commands.h"
#include "cli/volume_internal.h"
#include "cli/volume_use.h"
#include "supervise/volume_store.h"
#include "util/cleanup.h"
#include "util/json.h"
#include "util/places.h"
#include "util/str.h"

#define JSON_MAX_BYTES (16u * 1024 * 1024)

bool volume_is_here(const char *command)
{
	if (cli_is_inside())
		return true;
	fprintf(stderr, "cleat %s: volumes lie in the appliance: --socket does not reach them\n",
		command);
	return false;
}

/* --- ls, inspect --- */

/* No folder yet: no volumes. */
static int list_all(struct arena *arena, struct volume_record **out, size_t *count, struct err *err)
{
	auto_fd int store = volume_store_open(CLEAT_VOLUME_DIR, false, err);

	*out = NULL;
	*count = 0;
	if (store < 0)
		return err->code == ERR_NOT_FOUND ? 0 : -1;
	return volume_store_list(store, arena, out, count, err);
}

static void write_time(struct json *json, const char *key, int64_t usec)
{
	time_t seconds = (time_t)(usec / 1000000);
	char text[40];
	struct tm tm;

	if (!gmtime_r(&seconds, &tm) || !strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm))
		text[0] = '\0';
	json_str(json, key, text);
}

static void write_pairs(struct json *json, const char *key, const struct spec_pair *pairs,
			size_t count)
{
	json_object(json, key);
	for (size_t i = 0; i < count; i++) {
		bool is_last = true; /* of its name: that one counts */

		for (size_t k = i + 1; k < count; k++)
			is_last &= !str_eq(pairs[i].name, pairs[k].name);
		if (is_last)
			json_str(json, pairs[i].name, pairs[i].value);
	}
	json_object_end(json);
}

/* podman's fields; what cannot be meant here has podman's empty value. */
static void write_volume(struct json *json, const struct volume_record *v)
{
	char path[sizeof(CLEAT_VOLUME_DIR) + VOLUME_NAME_MAX_BYTES + 2];

	snprintf(path, sizeof(path), "%s/%s", CLEAT_VOLUME_DIR, v->spec.name);
	json_object(json, NULL);
	json_str(json, "Name", v->spec.name);
	json_str(json, "Driver", "local");
	json_str(json, "Mountpoint",
		 v->spec.kind == VOLUME_FOLDER ? path :
		 v->spec.kind == VOLUME_BIND   ? v->spec.device :
						 "");
	write_time(json, "CreatedAt", v->created_usec);
	write_pairs(json, "Labels", v->spec.labels, v->spec.label_count);
	json_str(json, "Scope", "local");
	write_pairs(json, "Options", v->spec.options, v->spec.option_count);
	if (v->spec.uid != UINT32_MAX)
		json_uint(json, "UID", v->spec.uid);
	if (v->spec.gid != UINT32_MAX)
		json_uint(json, "GID", v->spec.gid);
	json_bool(json, "Anonymous", false);
	json_object_end(json);
}

static int print_json(const char *command, const struct volume_record *volumes, size_t count)
{
	auto_buf out = BUF_INIT(JSON_MAX_BYTES);
	struct json json = JSON_TO(&out);
	struct err err;

	json.pretty = true;
	json_array(&json, NULL);
	for (size_t i = 0; i < count; i++)
		write_volume(&json, &volumes[i]);
	json_array_end(&json);
	if (buf_check(&out, "list", &err) < 0)
		return cli_fail(command, &err);
	puts(buf_str(&out));
	return CLI_OK;
}

static void print_table(const struct volume_record *volumes, size_t count, bool is_headless)
{
	struct cli_table table = { .columns = 2 };

	if (!is_headless) {
		cli_table_cell(&table, CLI_PLAIN, "DRIVER");
		cli_table_cell(&table, CLI_PLAIN, "VOLUME NAME");
	}
	for (size_t i = 0; i < count; i++) {
		cli_table_cell(&table, CLI_PLAIN, "local");
		cli_table_cell(&table, CLI_PLAIN, volumes[i].spec.name);
	}
	cli_table_print(&table, stdout, false);
}

int cmd_volume_ls(int argc, char **argv)
{
	bool is_quiet = false, is_headless = false;
	const char *format = "table";
	const struct cli_option options[] = {
		{ "-q", "--quiet", &is_quiet, NULL },
		{ "-n", "--noheading", &is_headless, NULL },
		{ NULL, "--format", NULL, &format },
	};
	int names = cli_options(argc, argv, options, sizeof(options) / sizeof(options[0]));
	struct volume_record *volumes;
	auto_arena arena = { 0 };
	struct err err;
	size_t count;

	if (names < 0)
		return CLI_USAGE;
	if (names > 0 || (!str_eq(format, "json") && !str_eq(format, "table")))
		return cli_usage(argv[0], names ? "takes no names" : "--format is table or json");
	if (!volume_is_here(argv[0]))
		return CLI_USAGE;
	if (list_all(&arena, &volumes, &count, &err) < 0)
		return cli_fail(argv[0], &err);
	if (is_quiet)
		for (size_t i = 0; i < count; i++)
			puts(volumes[i].spec.name);
	else if (str_eq(format, "json"))
		return print_json(argv[0], volumes, count);
	else
		print_table(volumes, count, is_headless);
	return CLI_OK;
}

static int read_one(const char *name, struct arena *arena, struct volume_record *out,
		    struct err *err)
{
	auto_fd int store = volume_store_open(CLEAT_VOLUME_DIR, false, err);

	if (store < 0)
		return err->code == ERR_NOT_FOUND ?
			       err_set(err, ERR_NOT_FOUND, "no volume %s", name) :
			       -1;
	return volume_store_read(store, name, arena, out, err);
}

int cmd_volume_inspect(int argc, char **argv)
{
	bool is_all = false;
	const struct cli_option options[] = { { "-a", "--all", &is_all, NULL } };
	int names = cli_options(argc, argv, options, 1);
	struct volume_record *volumes = NULL;
	auto_arena arena = { 0 };
	int result = CLI_OK, printed;
	struct err err;
	size_t count = 0;

	if (names < 0)
		return CLI_USAGE;
	if (is_all == (names > 0))
		return cli_usage(argv[0], "needs names or --all");
	if (!volume_is_here(argv[0]))
		return CLI_USAGE;
	if (is_all && list_all(&arena, &volumes, &count, &err) < 0)
		return cli_fail(argv[0], &err);
	for (int i = 1; i <= names; i++) {
		struct volume_record found;

		if (read_one(argv[i], &arena, &found, &err) < 0)
			result = cli_fail(argv[0], &err);
		else
			*arena_push(&arena, volumes, count) = found;
	}
	printed = print_json(argv[0], volumes, count);
	return printed == CLI_OK ? result : printed;
}

/* --- create --- */

/* podman: 64 hex digits. */
static const char *random_name(struct arena *arena)
{
	unsigned char bytes[32];
	char *name = arena_alloc(arena, 2 * sizeof(bytes) + 1);

	if (getrandom(bytes, sizeof(bytes), 0) != (ssize_t)sizeof(bytes))
		return NULL;
	str_hex(bytes, sizeof(bytes), name);
	return name;
}

static int create(const struct volume_spec *spec, struct err *err)
{
	auto_fd int store = volume_store_open(CLEAT_VOLUME_DIR, true, err);
	auto_arena arena = { 0 };
	struct volume_record there;
	struct timeval now;

	if (store < 0)
		return -1;
	if (volume_store_read(store, spec->name, &arena, &there, err) == 0)
		return spec->ignore ?
			       0 :
			       err_set(err, ERR_INPUT,
				       "volume %s is there already: --ignore makes that no error",
				       spec->name);
	if (err->code != ERR_NOT_FOUND)
		return -1;
	gettimeofday(&now, NULL);
	return volume_store_make(store, spec, (int64_t)now.tv_sec * 1000000 + now.tv_usec, NULL,
				 err);
}

int cmd_volume_create(int argc, char **argv)
{
	static const struct origin typed = { .file = "", .key = "" };
	struct diags diags = { 0 };
	struct arg_list words = { 0 };
	struct volume_spec spec;
	auto_arena arena = { 0 };
	struct err err;
	int rc;

	if (!volume_is_here(argv[0]))
		return CLI_USAGE;
	for (int i = 1; i < argc; i++)
		arg_push(&arena, &words, argv[i], &typed);
	rc = volume_from_args(&spec, &arena, &words, &diags);
	for (size_t i = 0; i < diags.count; i++) {
		err_set(&err, ERR_INPUT, "%s", diags.items[i].text);
		cli_fail(argv[0], &err);
	}
	diags_fini(&diags);
	if (rc < 0)
		return CLI_USAGE;
	if (!spec.name[0]) {
		spec.name = random_name(&arena);
		if (!spec.name)
			return CLI_FAILED;
	}
	if (create(&spec, &err) < 0)
		return cli_fail(argv[0], &err);
	puts(spec.name);
	return CLI_OK;
}

/* --- rm, prune --- */

static int find_users(struct volume_use *use, struct err *err)
{
	return volume_use_find(use, CLEAT_CONTAINER_DIR, CLEAT_UNIT_DIR, CLEAT_VOLUME_DIR, err);
}

static int refuse_used(const struct volume_use *use, const char *name, bool force, struct err *err)
{
	auto_buf who = BUF_INIT(300);

	if (!volume_use_has(use, name, force))
		return 0;
	volume_use_write(use, name, force, &who);
	return err_set(err, ERR_BUSY, "volume %s is used by %s%s", name, buf_str(&who),
		       volume_use_has(use, name, true) ? ": stop it first" :
							 ": -f removes it all the same");
}

/* Users are looked for under the lock: a start that comes later finds no volume and says so, or has its config.json already. */
static int remove_one(int store, const char *name, bool force, struct err *err)
{
	struct volume_use use = { 0 };
	struct volume_record record;
	auto_arena arena = { 0 };
	auto_fd int lock = -1;
	int rc;

	if (volume_store_read(store, name, &arena, &record, err) < 0 && err->code != ERR_INTEGRITY)
		return -1;
	lock = volume_store_lock(store, name, err);
	if (lock < 0)
		return -1;
	rc = find_users(&use, err);
	if (rc == 0)
		rc = refuse_used(&use, name, force, err);
	volume_use_fini(&use);
	return rc == 0 ? volume_store_remove(store, name, err) : -1;
}

static int remove_named(const char *command, int store, const char *name, bool force)
{
	struct err err;

	if (remove_one(store, name, force, &err) < 0)
		return force && err.code == ERR_NOT_FOUND ? CLI_OK : cli_fail(command, &err);
	puts(name);
	return CLI_OK;
}

int cmd_volume_rm(int argc, char **argv)
{
	bool force = false, is_all = false;
	const struct cli_option options[] = {
		{ "-f", "--force", &force, NULL },
		{ "-a", "--all", &is_all, NULL },
	};
	int names = cli_options(argc, argv, options, sizeof(options) / sizeof(options[0]));
	struct volume_record *volumes = NULL;
	auto_arena arena = { 0 };
	auto_fd int store = -1;
	int result = CLI_OK;
	struct err err;
	size_t count = 0;

	if (names < 0)
		return CLI_USAGE;
	if (is_all == (names > 0))
		return cli_usage(argv[0], "needs names or --all");
	if (!volume_is_here(argv[0]))
		return CLI_USAGE;
	store = volume_store_open(CLEAT_VOLUME_DIR, false, &err);
	if (store < 0)
		return cli_fail(argv[0], &err);
	if (is_all && volume_store_list(store, &arena, &volumes, &count, &err) < 0)
		return cli_fail(argv[0], &err);
	for (size_t i = 0; i < count; i++)
		if (remove_named(argv[0], store, volumes[i].spec.name, force) != CLI_OK)
			result = CLI_FAILED;
	for (int i = 1; i <= names; i++)
		if (remove_named(argv[0], store, argv[i], force) != CLI_OK)
			result = CLI_FAILED;
	return result;
}

/* Nobody is asked twice, and nobody answers for a pipe. */
static bool is_agreed(const struct volume_record *volumes, const bool *unused, size_t count)
{
	char answer[8];

	if (!isatty(STDIN_FILENO)) {
		fprintf(stderr,
			"cleat volume prune: nobody to ask on standard input: -f answers yes\n");
		return false;
	}
	printf("These volumes and all that is in them will be removed:\n");
	for (size_t i = 0; i < count; i++)
		if (unused[i])
			printf("  %s\n", volumes[i].spec.name);
	printf("Go on? [y/N] ");
	fflush(stdout);
	return fgets(answer, sizeof(answer), stdin) && (answer[0] == 'y' || answer[0] == 'Y');
}

/* What no unit names and no container has; a unit that cannot be read might name any. */
static int find_unused(const struct volume_record *volumes, size_t count, bool *unused,
		       size_t *found, struct err *err)
{
	struct volume_use use = { 0 };
	int rc = find_users(&use, err);

	*found = 0;
	if (rc == 0 && use.unsure)
		rc = err_set(
			err, ERR_INPUT,
			"%s has errors, so what it mounts cannot be known: \"cleat check\" names them",
			use.unsure);
	for (size_t i = 0; rc == 0 && i < count; i++) {
		unused[i] = !volume_use_has(&use, volumes[i].spec.name, false);
		*found += unused[i];
	}
	volume_use_fini(&use);
	return rc;
}

int cmd_volume_prune(int argc, char **argv)
{
	bool force = false;
	const struct cli_option options[] = { { "-f", "--force", &force, NULL } };
	int names = cli_options(argc, argv, options, 1), result = CLI_OK;
	struct volume_record *volumes;
	auto_arena arena = { 0 };
	auto_fd int store = -1;
	size_t count, found;
	struct err err;
	bool *unused;

	if (names != 0)
		return names < 0 ? CLI_USAGE : cli_usage(argv[0], "takes no names");
	if (!volume_is_here(argv[0]))
		return CLI_USAGE;
	store = volume_store_open(CLEAT_VOLUME_DIR, false, &err);
	if (store < 0)
		return err.code == ERR_NOT_FOUND ? CLI_OK : cli_fail(argv[0], &err);
	if (volume_store_list(store, &arena, &volumes, &count, &err) < 0)
		return cli_fail(argv[0], &err);
	unused = arena_alloc(&arena, count + 1);
	if (find_unused(volumes, count, unused, &found, &err) < 0)
		return cli_fail(argv[0], &err);
	if (!found)
		return CLI_OK;
	if (!force && !is_agreed(volumes, unused, count))
		return CLI_FAILED;
	for (size_t i = 0; i < count; i++)
		if (unused[i] &&
		    remove_named(argv[0], store, volumes[i].spec.name, false) != CLI_OK)
			result = CLI_FAILED;
	return result;
}
