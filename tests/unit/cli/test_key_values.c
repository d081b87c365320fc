/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A good and a bad value for every key: the good one is the example of the key's row, the bad one stands in
 * tests/golden/keys/values.tsv together with what is said of it. Each is put into a unit that is fine otherwise, and the whole
 * chain is run as "cleat check" does: reading, then the option table.
 */
#include "unit_test.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "spec/pod.h"
#include "spec/spec.h"
#include "spec/volume.h"
#include "temp_folder.h"
#include "unit/keys.h"
#include "unit/unit.h"
#include "util/file.h"
#include "util/str.h"

#define TABLE "tests/golden/keys/values.tsv"
#define MAX_BYTES ((size_t)512 * 1024)
#define MAX_ROWS 2048
#define ANY "(any)"   /* every text is good */
#define NONE "(none)" /* every value is refused: the example is, too */

struct row {
	char *key, *context, *bad, *said; /* into table */
	char section[32], name[64];
};

static struct buf table = BUF_INIT(MAX_BYTES);
static struct row rows[MAX_ROWS];
static size_t row_count;
static char root[] = "/tmp/cleat-values-XXXXXX";

/* What a unit of each kind needs to be fine. */
static const struct {
	const char *section, *suffix, *lines[3];
} kinds[] = {
	{ "Container", "container", { "Image=quay.io/team/web:1", "Network=bridge" } },
	{ "Pod", "pod", { NULL } },
	{ "Volume", "volume", { NULL } },
	{ "Network", "network", { NULL } },
	{ "Image", "image", { "Image=docker.io/library/x:1" } },
	{ "Build", "build", { "ImageTag=localhost/x:1", "SetWorkingDirectory=unit" } },
	{ "Kube", "kube", { "Yaml=/config/web.yaml" } },
	{ "Artifact", "artifact", { "Artifact=docker.io/library/x:1" } },
};

/* Units that examples refer to. */
static const struct {
	const char *name, *text;
} others[] = {
	{ "web.pod", "[Pod]\n" },
	{ "data.volume", "[Volume]\n" },
	{ "web.network", "[Network]\n" },
	{ "app.image", "[Image]\nImage=docker.io/library/x:1\n" },
	{ "app.build", "[Build]\nImageTag=localhost/a:1\nSetWorkingDirectory=unit\n" },
	{ "db.container", "[Container]\nImage=localhost/db:1\nNetwork=none\n" },
	{ "web.container", "[Container]\nImage=localhost/db:1\nNetwork=none\n" },
	{ "next.container", "[Container]\nImage=localhost/db:1\nNetwork=none\n" },
	{ "alert.container", "[Container]\nImage=localhost/db:1\nNetwork=none\n" },
};

/* Keys that are warned of whatever stands behind them. */
static bool is_always_warned_of(const struct row *row)
{
	return str_eq(row->key, "Service.StartLimitIntervalSec");
}

static size_t kind_of(const char *section)
{
	for (size_t i = 1; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (str_eq(kinds[i].section, section))
			return i;
	return 0; /* [Unit] and so on stand in a .container */
}

static bool is_line_of(const char *line, const char *name)
{
	size_t len;

	name = str_eq(name, "Rootfs") ? "Image" : name; /* one of them */
	len = strlen(name);
	return strncmp(line, name, len) == 0 && line[len] == '=';
}

/* "Container.User=1001; Service.Type=oneshot": the lines of this section, or all of other sections with their headers */
static void add_context(struct buf *text, const char *context, const char *section, bool is_own)
{
	for (const char *p = context; *p; p += strcspn(p, ";"), p += *p ? 2 : 0) {
		size_t dot = strcspn(p, "."), len = strcspn(p, ";");
		bool is_here = strlen(section) == dot && strncmp(p, section, dot) == 0;

		if (is_here != is_own)
			continue;
		if (!is_own)
			buf_printf(text, "[%.*s]\n", (int)dot, p);
		buf_printf(text, "%.*s\n", (int)(len - dot - 1), p + dot + 1);
	}
}

static void write_unit(const struct row *row, const char *value, struct buf *text)
{
	size_t kind = kind_of(row->section);
	bool is_own = str_eq(kinds[kind].section, row->section);

	buf_printf(text, "[%s]\n", kinds[kind].section);
	for (size_t i = 0; i < 3 && kinds[kind].lines[i]; i++)
		if (!is_own || !is_line_of(kinds[kind].lines[i], row->name))
			buf_printf(text, "%s\n", kinds[kind].lines[i]);
	add_context(text, row->context, kinds[kind].section, true);
	if (!is_own) {
		buf_printf(text, "[%s]\n", row->section);
		add_context(text, row->context, row->section, true);
	}
	buf_printf(text, "%s=%s\n", row->name, value);
	if (is_own)
		add_context(text, row->context, kinds[kind].section, false);
	assert_false(text->failed);
}

static const char *in_root(const char *name)
{
	static char path[256];

	snprintf(path, sizeof(path), "%s/%s", root, name);
	return path;
}

static void put(const char *name, const char *text, size_t len)
{
	struct err err;

	if (file_write_atomic(AT_FDCWD, in_root(name), text, len, 0644, false, &err) < 0)
		fail_msg("%s", err.msg);
}

static const struct unit *find_unit(const struct unit_set *set, const char *name)
{
	for (size_t i = 0; i < set->count; i++)
		if (str_eq(set->units[i].name, name))
			return &set->units[i];
	fail_msg("%s was not read", name);
	return NULL;
}

/* Everything that is said of a unit with this value; diags is the caller's. */
static void check(const struct row *row, const char *value, struct unit_set *set,
		  struct diags *diags)
{
	struct buf text = BUF_INIT(MAX_BYTES);
	struct unit_facts facts;
	auto_arena arena = { 0 };
	struct container_spec spec;
	struct volume_spec volume;
	const struct unit *unit;
	struct err err;
	char name[64];

	snprintf(name, sizeof(name), "test.%s", kinds[kind_of(row->section)].suffix);
	write_unit(row, value, &text);
	put(name, text.data, text.len);
	buf_fini(&text);
	unit_facts_init(&facts, &arena, "/data/home");
	if (unit_set_load_folder(set, root, &facts, &err) < 0)
		fail_msg("%s", err.msg);
	unlink(in_root(name));
	unit = find_unit(set, name);
	if (spec_check_global_args(&unit->global_args, diags) < 0)
		assert_true(diags->error_count > 0);
	if (unit->kind == UNIT_CONTAINER && unit->image_index < unit->spec_args.count &&
	    spec_from_args(&spec, &arena, &unit->spec_args, diags) < 0)
		assert_true(diags->error_count > 0);
	if (unit->kind == UNIT_POD &&
	    spec_pod_from_args(&spec, &arena, &unit->spec_args, diags) < 0)
		assert_true(diags->error_count > 0);
	if (unit->kind == UNIT_VOLUME &&
	    volume_from_args(&volume, &arena, &unit->spec_args, diags) < 0)
		assert_true(diags->error_count > 0);
}

static const struct diag *find_in(const struct diags *diags, const struct row *row,
				  enum diag_severity least, const char *part)
{
	for (size_t i = 0; i < diags->count; i++) {
		const struct diag *d = &diags->items[i];

		/* Errors of names come with the section. */
		if (d->severity >= least && str_eq(d->key, row->key) &&
		    (!d->file[0] || strstr(d->file, "/test.")) && strstr(d->text, part))
			return d;
	}
	return NULL;
}

/* The first complaint about the row's key that holds the part. */
static const struct diag *find(const struct unit_set *set, const struct diags *diags,
			       const struct row *row, enum diag_severity least, const char *part)
{
	const struct diag *d = find_in(&set->diags, row, least, part);

	return d ? d : find_in(diags, row, least, part);
}

/* All of them are told before the test fails. */
static unsigned problems;

static void complain(const struct row *row, const char *value, const char *what,
		     const struct diag *diag)
{
	problems++;
	print_error("%s=%s: %s; said is: %s\n", row->key, value, what,
		    diag ? diag->text : "nothing");
}

static void check_good(const struct row *row, const struct key *key)
{
	enum diag_severity least = is_always_warned_of(row) ? DIAG_ERROR : DIAG_WARNING;
	struct unit_set set = { 0 };
	struct diags diags = { 0 };
	const struct diag *d;

	check(row, key->example, &set, &diags);
	d = find(&set, &diags, row, least, "");
	if (key->state == KEY_ACTED || key->state == KEY_NOTED) {
		if (d)
			complain(row, key->example, "the example is not accepted", d);
	} else if (d && !find(&set, &diags, row, least, key->reason)) {
		complain(row, key->example, "not refused with the reason of its row", d);
	}
	unit_set_fini(&set);
	diags_fini(&diags);
}

static void check_bad(const struct row *row, const struct key *key)
{
	const char *value = str_eq(row->bad, NONE) ? key->example : row->bad;
	struct unit_set set = { 0 };
	struct diags diags = { 0 };

	check(row, value, &set, &diags);
	if (!find(&set, &diags, row, DIAG_WARNING, row->said))
		complain(row, value, "not what the table expects",
			 find(&set, &diags, row, DIAG_NOTE, ""));
	unit_set_fini(&set);
	diags_fini(&diags);
}

static const struct key *key_of(const struct row *row)
{
	const struct key *key = key_find(row->section, row->name);

	if (!key)
		fail_msg(TABLE ": %s: no such key", row->key);
	return key;
}

static void every_key_has_one_row(void **state)
{
	(void)state;
	for (size_t i = 0; i < key_count(); i++) {
		size_t found = 0;

		for (size_t k = 0; k < row_count; k++)
			found += str_eq(rows[k].section, key_at(i)->section) &&
				 str_eq(rows[k].name, key_at(i)->name);
		if (found != 1)
			fail_msg(TABLE ": %zu rows for %s.%s", found, key_at(i)->section,
				 key_at(i)->name);
	}
	assert_int_equal(row_count, key_count());
}

static void every_example_is_accepted(void **state)
{
	(void)state;
	problems = 0;
	for (size_t i = 0; i < row_count; i++)
		if (!str_eq(rows[i].bad, NONE))
			check_good(&rows[i], key_of(&rows[i]));
	assert_int_equal(problems, 0);
}

static void every_bad_value_is_named(void **state)
{
	(void)state;
	problems = 0;
	for (size_t i = 0; i < row_count; i++)
		if (!str_eq(rows[i].bad, ANY))
			check_bad(&rows[i], key_of(&rows[i]));
	assert_int_equal(problems, 0);
}

/* Where every text is good, nothing may depend on it. */
static void only_noted_keys_take_any_text(void **state)
{
	(void)state;
	problems = 0;
	for (size_t i = 0; i < row_count; i++) {
		struct unit_set set = { 0 };
		struct diags diags = { 0 };
		const struct diag *d;

		if (!str_eq(rows[i].bad, ANY))
			continue;
		assert_string_equal(rows[i].said, "");
		check(&rows[i], "nonsense", &set, &diags);
		d = find(&set, &diags, &rows[i], DIAG_WARNING, "");
		if (d || key_of(&rows[i])->state != KEY_NOTED)
			complain(&rows[i], "nonsense", "not every text is good", d);
		unit_set_fini(&set);
		diags_fini(&diags);
	}
	assert_int_equal(problems, 0);
}

/* --- the table --- */

static char *next_field(char **at)
{
	char *field = *at;

	if (!field)
		return NULL;
	*at = strchr(field, '\t');
	if (*at)
		*(*at)++ = '\0';
	return field;
}

static bool take_line(char *line)
{
	struct row *row = &rows[row_count];
	const char *dot;

	if (!line[0] || line[0] == '#')
		return true;
	row->key = next_field(&line);
	row->context = next_field(&line);
	row->bad = next_field(&line);
	row->said = next_field(&line);
	dot = strchr(row->key, '.');
	if (!row->said || line || !dot || row_count == MAX_ROWS - 1)
		return false;
	snprintf(row->section, sizeof(row->section), "%.*s", (int)(dot - row->key), row->key);
	snprintf(row->name, sizeof(row->name), "%s", dot + 1);
	row_count++;
	return true;
}

static int read_table(void **state)
{
	unsigned number = 0;
	struct err err;

	(void)state;
	if (file_read_at(AT_FDCWD, TABLE, MAX_BYTES, &table, &err) < 0) {
		fprintf(stderr, "%s: run this from the top of the source tree\n", err.msg);
		return -1;
	}
	for (char *line = table.data, *end; *line; line = end) {
		end = strchr(line, '\n');
		if (!end)
			return -1;
		*end++ = '\0';
		number++;
		if (!take_line(line)) {
			fprintf(stderr, TABLE ":%u: not four fields\n", number);
			return -1;
		}
	}
	if (!mkdtemp(root))
		return -1;
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		put(others[i].name, others[i].text, strlen(others[i].text));
	return 0;
}

static int forget_table(void **state)
{
	(void)state;
	buf_fini(&table);
	return temp_folder_remove(root);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_key_has_one_row),
		cmocka_unit_test(every_example_is_accepted),
		cmocka_unit_test(every_bad_value_is_named),
		cmocka_unit_test(only_noted_keys_take_any_text),
	};

	return cmocka_run_group_tests(tests, read_table, forget_table);
}
