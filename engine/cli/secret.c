/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cleat secret create, ls, inspect, rm: podman's words over the appliance's own store. The engine
 * is not asked: a secret is looked for at each start of a container. Must never print a value.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/commands.h"
#include "util/cleanup.h"
#include "util/file.h"
#include "util/json.h"
#include "util/places.h"
#include "util/secret.h"
#include "util/str.h"

#define MAX_LABELS 256
#define JSON_MAX (4u * 1024 * 1024)
#define MIN_ID_DIGITS 4

static bool is_here(const char *command)
{
	if (cli_is_inside())
		return true;
	fprintf(stderr, "cleat %s: secrets lie in the appliance: --socket does not reach them\n",
		command);
	return false;
}

/* --- create --- */

/* What the value is held in: never swapped if that is allowed, in no core file, gone at the end. */
struct value {
	char *bytes; /* SECRET_MAX_BYTES + 1 */
	size_t length;
};

static int value_open(struct value *v, struct err *err)
{
	const size_t size = SECRET_MAX_BYTES + 1;

	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	v->bytes = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (v->bytes == MAP_FAILED) {
		v->bytes = NULL;
		return err_sys(err, "mmap");
	}
	madvise(v->bytes, size, MADV_DONTDUMP);
	mlock(v->bytes, size); /* more than a small limit allows: no matter */
	return 0;
}

static void value_close(struct value *v)
{
	if (!v->bytes)
		return;
	explicit_bzero(v->bytes, SECRET_MAX_BYTES + 1);
	munmap(v->bytes, SECRET_MAX_BYTES + 1);
	v->bytes = NULL;
}

/* One byte more than is allowed tells what is too long. */
static int read_value(struct value *v, int fd, const char *name, struct err *err)
{
	while (v->length <= SECRET_MAX_BYTES) {
		ssize_t n = read(fd, v->bytes + v->length, SECRET_MAX_BYTES + 1 - v->length);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(err, "%s", name);
		if (n == 0)
			return 0;
		v->length += (size_t)n;
	}
	return 0;
}

static int take_value(struct value *v, const char *from, bool is_variable, struct err *err)
{
	auto_fd int fd = -1;

	if (value_open(v, err) < 0)
		return -1;
	if (is_variable) {
		const char *text = getenv(from);

		if (!text)
			return err_set(err, ERR_NOT_FOUND, "variable %s is not set", from);
		v->length = strnlen(text, SECRET_MAX_BYTES + 1);
		memcpy(v->bytes, text, v->length);
		return 0;
	}
	if (str_eq(from, "-"))
		return read_value(v, STDIN_FILENO, "standard input", err);
	fd = open(from, O_RDONLY | O_CLOEXEC);
	return fd < 0 ? err_sys(err, "%s", from) : read_value(v, fd, from, err);
}

/* The store belongs to a layout; what another version laid out is left alone. */
static int check_data(struct err *err)
{
	auto_buf text = BUF_INIT(64);
	char mine[16];

	if (access(CLEAT_DATA_DIR, W_OK) < 0)
		return err_sys(err, "%s", CLEAT_DATA_DIR);
	if (file_read_at(AT_FDCWD, CLEAT_DATA_VERSION_FILE, 64, &text, err) < 0)
		return err->code == ERR_NOT_FOUND ? 0 : -1;
	snprintf(mine, sizeof(mine), "%d\n", CLEAT_LAYOUT_MAJOR);
	if (!str_eq(buf_str(&text), mine))
		return err_set(err, ERR_UNSUPPORTED,
			       "%s was laid out by another version: nothing is written to it",
			       CLEAT_DATA_DIR);
	return 0;
}

struct creation {
	const char *driver, *labels[MAX_LABELS + 1];
	size_t label_count;
	bool is_variable, is_replaced;
};

static int create(const struct creation *c, const char *name, const char *from, struct err *err)
{
	struct value value = { 0 };
	char id[SECRET_ID_LEN + 1];
	struct secret_file file;
	int rc = check_data(err);

	if (rc == 0)
		rc = take_value(&value, from, c->is_variable, err);
	if (rc == 0)
		rc = secret_put(&secret_places, name, c->is_replaced ? SECRET_REPLACE : SECRET_NEW,
				c->labels, value.bytes, value.length, id, err);
	value_close(&value);
	if (rc < 0) {
		if (err->code == ERR_BUSY)
			err_wrap(err, "--replace takes its place");
		return -1;
	}
	puts(id);
	if (secret_open(&secret_places, name, &file, err) == 0) {
		if (file.is_config)
			fprintf(stderr, "cleat secret create: %s/%s wins over it\n",
				CLEAT_SECRET_DIR, name);
		close_fd(&file.fd);
	}
	return 0;
}

/* Takes every "-l X", "--label X", "--label=X" out of the words. */
static int take_labels(struct creation *c, int argc, char **argv)
{
	int kept = 1;

	for (int i = 1; i < argc; i++) {
		const char *label = NULL;

		if (str_eq(argv[i], "--"))
			while (i < argc)
				argv[kept++] = argv[i++];
		else if (str_starts(argv[i], "--label="))
			label = argv[i] + strlen("--label=");
		else if ((str_eq(argv[i], "--label") || str_eq(argv[i], "-l")) && i + 1 < argc)
			label = argv[++i];
		else
			argv[kept++] = argv[i];
		if (!label)
			continue;
		if (c->label_count == MAX_LABELS)
			return -1;
		c->labels[c->label_count++] = label;
	}
	return kept;
}

int cmd_secret_create(int argc, char **argv)
{
	struct creation c = { 0 };
	const struct cli_option options[] = {
		{ "-d", "--driver", NULL, &c.driver },
		{ NULL, "--env", &c.is_variable, NULL },
		{ NULL, "--replace", &c.is_replaced, NULL },
	};
	struct err err;
	int names;

	argc = take_labels(&c, argc, argv);
	if (argc < 0)
		return cli_usage("secret create", "too many labels");
	names = cli_options(argc, argv, options, sizeof(options) / sizeof(options[0]));
	if (names < 0)
		return CLI_USAGE;
	if (names != 2)
		return cli_usage("secret create",
				 "NAME and FILE (\"-\": standard input) are expected");
	if (c.driver && !str_eq(c.driver, "file"))
		return cli_usage("secret create", "there is no driver but \"file\"");
	if (!is_here(argv[0]))
		return CLI_FAILED;
	return create(&c, argv[1], argv[2], &err) < 0 ? cli_fail(argv[0], &err) : CLI_OK;
}

/* --- ls, inspect, rm --- */

struct secrets {
	struct arena arena;
	struct secret_info *items;
	size_t count;
};

/* By name, or the beginning of an id. */
static const struct secret_info *find(const struct secrets *s, const char *word, struct err *err)
{
	const struct secret_info *found = NULL;
	size_t len = strlen(word);

	for (size_t i = 0; i < s->count; i++)
		if (str_eq(s->items[i].name, word))
			return &s->items[i];
	for (size_t i = 0; len >= MIN_ID_DIGITS && i < s->count; i++) {
		if (strncmp(s->items[i].id, word, len) != 0)
			continue;
		if (found) {
			err_set(err, ERR_INPUT, "%s: more than one secret has such an id", word);
			return NULL;
		}
		found = &s->items[i];
	}
	if (!found)
		err_set(err, ERR_NOT_FOUND, "%s: no such secret", word);
	return found;
}

static void write_time(struct json *j, const char *key, int64_t usec)
{
	time_t seconds = (time_t)(usec / 1000000);
	char date[32], text[48];
	struct tm tm;

	if (!gmtime_r(&seconds, &tm) || !strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S", &tm)) {
		json_null(j, key);
		return;
	}
	snprintf(text, sizeof(text), "%s.%06" PRId64 "Z", date, usec % 1000000);
	json_str(j, key, text);
}

static const char *driver_of(const struct secret_info *info)
{
	return info->is_config ? "config" : "file";
}

static void write_labels(struct json *j, const struct secret_info *info)
{
	auto_arena arena = { 0 };

	json_object(j, "Labels");
	for (size_t i = 0; info->labels && info->labels[i]; i++) {
		size_t len = strcspn(info->labels[i], "=");
		json_str(j, arena_strndup(&arena, info->labels[i], len), info->labels[i] + len + 1);
	}
	json_object_end(j);
}

/* podman's shape. */
static void write_secret(struct json *j, const struct secret_info *info)
{
	json_object(j, NULL);
	json_str(j, "ID", info->id);
	write_time(j, "CreatedAt", info->created_real_usec);
	write_time(j, "UpdatedAt", info->updated_real_usec);
	json_object(j, "Spec");
	json_str(j, "Name", info->name);
	json_object(j, "Driver");
	json_str(j, "Name", driver_of(info));
	json_object(j, "Options");
	json_object_end(j);
	json_object_end(j);
	write_labels(j, info);
	json_object_end(j);
	json_object_end(j);
}

static int print_json(const char *command, const struct buf *out)
{
	struct err err;

	if (buf_check(out, "the answer", &err) < 0)
		return cli_fail(command, &err);
	puts(buf_str(out));
	return CLI_OK;
}

static int list_json(const struct secrets *s)
{
	auto_buf out = BUF_INIT(JSON_MAX);
	struct json j = { .out = &out, .pretty = true, .first = true };

	json_array(&j, NULL);
	for (size_t i = 0; i < s->count; i++)
		write_secret(&j, &s->items[i]);
	json_array_end(&j);
	return print_json("secret ls", &out);
}

static int64_t now_usec(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

static void add_age(struct cli_table *table, int64_t usec)
{
	char span[24], text[32];

	cli_span(now_usec() - usec, span);
	snprintf(text, sizeof(text), "%s ago", span);
	cli_table_cell(table, CLI_PLAIN, text);
}

static int list_table(const struct secrets *s, bool no_heading)
{
	static const char *const headings[] = { "ID", "NAME", "DRIVER", "CREATED", "UPDATED" };
	struct cli_table table = { .columns = sizeof(headings) / sizeof(headings[0]) };

	for (size_t i = 0; !no_heading && i < table.columns; i++)
		cli_table_cell(&table, CLI_PLAIN, headings[i]);
	for (size_t i = 0; i < s->count; i++) {
		cli_table_cell(&table, CLI_PLAIN, s->items[i].id);
		cli_table_cell(&table, CLI_PLAIN, s->items[i].name);
		cli_table_cell(&table, CLI_PLAIN, driver_of(&s->items[i]));
		add_age(&table, s->items[i].created_real_usec);
		add_age(&table, s->items[i].updated_real_usec);
	}
	cli_table_print(&table, stdout, cli_wants_colours(stdout));
	return CLI_OK;
}

static int list_ids(const struct secrets *s)
{
	for (size_t i = 0; i < s->count; i++)
		puts(s->items[i].id);
	return CLI_OK;
}

static int load(const char *command, struct secrets *s)
{
	struct err err;

	if (!is_here(command))
		return CLI_FAILED;
	if (secret_list(&secret_places, &s->arena, &s->items, &s->count, &err) < 0)
		return cli_fail(command, &err);
	return CLI_OK;
}

int cmd_secret_ls(int argc, char **argv)
{
	bool no_heading = false, only_ids = false;
	const char *format = NULL;
	const struct cli_option options[] = {
		{ NULL, "--format", NULL, &format },
		{ "-n", "--noheading", &no_heading, NULL },
		{ "-q", "--quiet", &only_ids, NULL },
	};
	struct secrets s = { 0 };
	int rc = cli_options(argc, argv, options, sizeof(options) / sizeof(options[0]));

	if (rc < 0)
		return CLI_USAGE;
	if (rc > 0)
		return cli_usage("secret ls", "no names are expected");
	if (format && !str_eq(format, "json"))
		return cli_usage("secret ls", "there is no format but \"json\"");
	rc = load("secret ls", &s);
	if (rc == CLI_OK)
		rc = format ? list_json(&s) : only_ids ? list_ids(&s) : list_table(&s, no_heading);
	arena_fini(&s.arena);
	return rc;
}

static int inspect(const struct secrets *s, int names, char **words)
{
	auto_buf out = BUF_INIT(JSON_MAX);
	struct json j = { .out = &out, .pretty = true, .first = true };
	int rc = CLI_OK;
	struct err err;

	json_array(&j, NULL);
	for (int i = 0; i < names; i++) {
		const struct secret_info *info = find(s, words[i], &err);

		if (info)
			write_secret(&j, info);
		else
			rc = cli_fail("secret inspect", &err);
	}
	json_array_end(&j);
	return print_json("secret inspect", &out) == CLI_OK ? rc : CLI_FAILED;
}

int cmd_secret_inspect(int argc, char **argv)
{
	struct secrets s = { 0 };
	int names = cli_options(argc, argv, NULL, 0), rc;

	if (names < 0)
		return CLI_USAGE;
	if (!names)
		return cli_usage("secret inspect", "a name is expected");
	rc = load("secret inspect", &s);
	if (rc == CLI_OK)
		rc = inspect(&s, names, argv + 1);
	arena_fini(&s.arena);
	return rc;
}

static int remove_one(const struct secret_info *info, struct err *err)
{
	if (info->is_config)
		return err_set(err, ERR_UNSUPPORTED, "%s is a file: remove %s/%s", info->name,
			       CLEAT_SECRET_DIR, info->name);
	if (secret_remove(&secret_places, info->name, err) < 0)
		return -1;
	puts(info->id);
	return 0;
}

static int remove_named(const struct secrets *s, int names, char **words, bool ignores_missing)
{
	int rc = CLI_OK;
	struct err err;

	for (int i = 0; i < names; i++) {
		const struct secret_info *info = find(s, words[i], &err);

		if (!info && ignores_missing && err.code == ERR_NOT_FOUND)
			continue;
		if (!info || remove_one(info, &err) < 0)
			rc = cli_fail("secret rm", &err);
	}
	return rc;
}

static int remove_all(const struct secrets *s)
{
	int rc = CLI_OK;
	struct err err;

	for (size_t i = 0; i < s->count; i++)
		if (!s->items[i].is_config && remove_one(&s->items[i], &err) < 0)
			rc = cli_fail("secret rm", &err);
	return rc;
}

int cmd_secret_rm(int argc, char **argv)
{
	bool all = false, ignores_missing = false;
	const struct cli_option options[] = {
		{ "-a", "--all", &all, NULL },
		{ "-i", "--ignore", &ignores_missing, NULL },
	};
	struct secrets s = { 0 };
	int names = cli_options(argc, argv, options, sizeof(options) / sizeof(options[0])), rc;

	if (names < 0)
		return CLI_USAGE;
	if (all == (names > 0))
		return cli_usage("secret rm", "names, or --all and none, are expected");
	rc = load("secret rm", &s);
	if (rc == CLI_OK)
		rc = all ? remove_all(&s) : remove_named(&s, names, argv + 1, ignores_missing);
	arena_fini(&s.arena);
	return rc;
}
