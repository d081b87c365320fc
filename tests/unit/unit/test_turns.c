/* SPDX-License-Identifier: Apache-2.0 */
/* Sets that several threads read: what is said, in which order, and what units get from each other is as one thread has it. */
#include "load_fixture.h"

#include "util/split.h"

#define UNITS 300

/* Each of them meets others: in names, dependencies, complaints, or a drop-in. {n} is the unit's number, {p} that before it, {o} another one's. */
static const struct {
	const char *name, *text;
} kinds[] = {
	{ "u{n}.container", FINE "Volume=v{o}.volume:/data\nLabel=%h ${HOME}\nAutoUpdate=registry\n"
				 "[Unit]\nAfter=u{o}.service\n[Service]\nEnvironment=A=1\n" },
	{ "u{n}.container",
	  FINE "Volume=u{o}.volume:/data\nPublishPrt=80\n[Unit]\nWants=none.service\n" },
	{ "u{n}.volume", "[Volume]\nDriver=image\nImage=i{o}.image\n" },
	{ "u{n}.container", FINE "[Install]\nWantedBy=u{o}.service group.target\n" },
	{ "p{n}.pod", "[Pod]\nPublishPort=80{n}:80\n[Install]\nWantedBy=default.target\n" },
	{ "u{n}.container",
	  "[Container]\nImage=localhost/a\nPod=p{p}.pod\n[Service]\nRestart=Always\n" },
	{ "a-{n}.container", FINE "[Service]\nRestart=unless-stopped\n" },
	{ "t{n}@.container",
	  FINE "Label=%i\nNoSuchKey=1\n[Install]\nDefaultInstance=x\nWantedBy=u{o}.service\n" },
	{ "t{n}@{o}.container", FINE "Label=%i\nNoSuchKey=1\n" },
	{ "u{n}.container", FINE "ServiceName=same\nContainerName=same\n" },
	{ "u{n}.container", FINE "ServiceName=a b\n" },
	{ "u{n}.image", "[Image]\nImage=localhost/i\nNoSuchKey=1\n" },
	{ "u{n}.container", "[Container]\nImage=u{o}.image\n[Unit]\nAfter=u{n}.service\n[Bad\n" },
	{ "u{n}.container", FINE
	  "Exec=a \"b\nEnvironment=\"x\nLabel=\\y\nUser=%Q\n[Unit]\nRequires=t{o}@{n}.service\n" },
	{ "u{n}.kube", "[Kube]\nYaml=u{o}.yaml\nNetwork=n{n}.network\n" },
	{ "n{n}.network", "[Network]\nSubnet=10.0.0.0/33\nDriver=nix\n" },
	{ "u{n}.container", "" },
};

static void fill(const char *text, unsigned n, char *out, size_t size)
{
	size_t len = 0;

	for (; *text && len + 16 < size; text++) {
		if (text[0] == '{' && text[1] && text[2] == '}') {
			len += (size_t)snprintf(out + len, size - len, "%u",
						text[1] == 'n' ? n :
						text[1] == 'p' ? n - 1 :
								 (n * 7 + 3) % UNITS);
			text += 2;
		} else {
			out[len++] = *text;
		}
	}
	out[len] = '\0';
}

/* Into so many folders below it, or into itself. */
static void write_units(const char *folder, unsigned folders)
{
	for (unsigned n = 0; n < UNITS; n++) {
		size_t kind = n % (sizeof(kinds) / sizeof(kinds[0]));
		char name[64], text[1024], path[128];

		fill(kinds[kind].name, n, name, sizeof(name));
		fill(kinds[kind].text, n, text, sizeof(text));
		if (folders)
			snprintf(path, sizeof(path), "%s/%u/%s", folder, n % folders, name);
		else
			snprintf(path, sizeof(path), "%s/%s", folder, name);
		put(path, text);
	}
}

static void put_origin(struct buf *out, const struct origin *o)
{
	buf_printf(out, " %s:%u:%u:%s", o->file, o->line, o->column, o->key);
}

static void put_args(struct buf *out, const char *what, const struct arg_list *args)
{
	buf_printf(out, "\n %s", what);
	for (size_t i = 0; i < args->count; i++) {
		buf_printf(out, " [%s]", args->items[i].text);
		if (args->items[i].origin)
			put_origin(out, args->items[i].origin);
	}
}

static void put_unit(struct buf *out, const struct unit *u)
{
	buf_printf(out, "%s %s %s %s %d %zu [%s] %zu-%zu\n%s%s", u->name, u->service_name,
		   u->container_name, u->resource_name, u->is_valid, u->first_error, u->error_text,
		   u->podman_begin, u->podman_end, u->service_text, u->symlink_text);
	put_args(out, "run", &u->run_args);
	put_args(out, "spec", &u->spec_args);
	put_args(out, "global", &u->global_args);
	put_args(out, "environment", &u->service.environment);
	for (size_t i = 0; i < u->service.dep_count; i++) {
		buf_printf(out, "\n dep %d %s", (int)u->service.deps[i].kind,
			   u->service.deps[i].target);
		put_origin(out, u->service.deps[i].origin);
	}
	for (size_t i = 0; i < u->ref_count; i++) {
		buf_printf(out, "\n ref %s %s", u->refs[i].file, u->refs[i].resource);
		put_origin(out, u->refs[i].origin);
	}
	for (size_t i = 0; i < u->note_count; i++) {
		buf_printf(out, "\n note %s %s", u->notes[i].key, u->notes[i].text);
		put_origin(out, u->notes[i].origin);
	}
	buf_putc(out, '\n');
}

/* All of a set as one text. */
static void put_set(struct buf *out, const struct unit_set *set)
{
	for (size_t i = 0; i < set->count; i++)
		put_unit(out, &set->units[i]);
	for (size_t i = 0; i < set->diags.count; i++) {
		diag_format(&set->diags.items[i], out);
		buf_putc(out, '\n');
	}
	buf_printf(out, "%zu %zu %zu %zu %zu %zu\n", set->load_diag_count, set->diags.error_count,
		   set->diags.severity_count[DIAG_NOTE], set->diags.severity_count[DIAG_WARNING],
		   set->diags.severity_count[DIAG_ERROR], set->diags.dropped);
}

static void assert_same_text(const char *one, const char *several)
{
	size_t i = 0, begin = 0;

	for (; one[i] && one[i] == several[i]; i++)
		if (one[i] == '\n')
			begin = i + 1;
	if (one[i] != several[i])
		fail_msg("one: %.300s\nseveral: %.300s", one + begin, several + begin);
}

/* is_brief is what lets the set be read by several. Returns how many complaints there were. */
static size_t assert_same(const char *folder, struct unit_facts facts)
{
	auto_buf one = BUF_INIT(SIZE_MAX / 4), several = BUF_INIT(SIZE_MAX / 4);
	struct unit_set set = load_with(folder, &facts);
	size_t count;

	put_set(&one, &set);
	unit_set_fini(&set);
	facts.is_brief = true;
	set = load_with(folder, &facts);
	put_set(&several, &set);
	count = set.diags.count + set.diags.dropped;
	unit_set_fini(&set);
	assert_same_text(buf_str(&one), buf_str(&several));
	return count;
}

static void several_threads_say_what_one_says(void **state)
{
	struct unit_facts facts = test_facts;

	(void)state;
	write_units("mixed", 0);
	put("mixed/a-.container.d/10.conf",
	    "[Container]\nLabel=a\nNoSuchKey=1\n[Service]\nRestart=Never\n");
	put("mixed/container.d/20.conf", "[Container]\nLabel=all\n");
	put_link("mixed/gone.container", "nowhere");
	put_link("mixed/masked.container", "/dev/null");
	assert_true(assert_same("mixed", facts) > UNITS);
	facts.wants_service_text = true;
	assert_true(assert_same("mixed", facts) > UNITS);
	facts.unknown_keys_are_warnings = true;
	assert_true(assert_same("mixed", facts) > UNITS);
	facts = test_facts;
	facts.is_generator = true;
	assert_true(assert_same("mixed", facts) > 0);
	facts.wants_service_text = true;
	assert_true(assert_same("mixed", facts) > 0);
}

/* No line speaks for others, so that all of them are read at once. */
static void units_without_drop_ins_are_the_same(void **state)
{
	struct unit_facts facts = test_facts;

	(void)state;
	write_units("plain", 0);
	assert_true(assert_same("plain", facts) > UNITS);
	facts.wants_service_text = true;
	assert_true(assert_same("plain", facts) > UNITS);
}

static void units_of_many_small_folders_are_the_same(void **state)
{
	struct unit_facts facts = test_facts;

	(void)state;
	write_units("many", 10);
	assert_true(assert_same("many", facts) > UNITS);
	facts.wants_service_text = true;
	assert_true(assert_same("many", facts) > UNITS);
	facts.is_generator = true;
	assert_true(assert_same("many", facts) > 0);
}

/* Complaints about names are made before any unit is read. */
static void names_are_refused_in_their_order(void **state)
{
	struct unit_facts facts = test_facts;

	(void)state;
	for (unsigned n = 0; n < 2 * UNITS; n++) {
		char path[64];

		snprintf(path, sizeof(path), "names/u%u.container", n);
		put(path, FINE "ServiceName=a b\n");
	}
	facts.is_generator = true;
	for (unsigned i = 0; i < 5; i++)
		assert_int_equal(assert_same("names", facts), 2 * UNITS);
}

/* podman's pass: what a refused volume is called is not known to those that come after it. */
static void what_is_refused_is_refused_to_others(void **state)
{
	struct unit_facts facts = test_facts;

	(void)state;
	for (unsigned n = 0; n < 100; n++) {
		char path[64], text[256];

		snprintf(path, sizeof(path), "refused/v%u.volume", n);
		put(path, n % 2 ? "[Volume]\n" : "[Volume]\nNoSuchKey=1\n");
		snprintf(path, sizeof(path), "refused/u%u.container", n);
		snprintf(text, sizeof(text), FINE "Volume=v%u.volume:/data\n", n);
		put(path, text);
	}
	assert_true(assert_same("refused", facts) >= 50);
	facts.wants_service_text = true;
	assert_true(assert_same("refused", facts) >= 50);
	facts.is_generator = true;
	assert_true(assert_same("refused", facts) >= 50);
}

/* Of each severity a thousand are kept, and the rest is counted. */
static void complaints_beyond_their_bound_are_the_same(void **state)
{
	(void)state;
	for (unsigned n = 0; n < 150; n++) {
		char path[64], text[4096] = FINE;
		size_t len = strlen(text);

		for (unsigned i = 0; i < 10; i++)
			len += (size_t)snprintf(
				text + len, sizeof(text) - len,
				"AutoUpdate=registry\nNoSuchKey%u=1\nUser=%%Q\nUser=%%Q\n", i % 5);
		len += (size_t)snprintf(text + len, sizeof(text) - len, "[Service]\n");
		for (unsigned i = 0; i < 10; i++)
			len += (size_t)snprintf(text + len, sizeof(text) - len,
						"Restart=Always\nNice=x\nOOMPolicy=y\n");
		len += (size_t)snprintf(text + len, sizeof(text) - len, "[Unit]\n");
		for (unsigned i = 0; i < 10; i++)
			len += (size_t)snprintf(text + len, sizeof(text) - len,
						"Wants=no%u.service\n", i);
		snprintf(path, sizeof(path), "full/u%u.container", n);
		put(path, text);
	}
	assert_true(assert_same("full", test_facts) > 3 * DIAG_MAX);
	/* A line of all of them, whose complaint is not counted for each. */
	put("full/container.d/10.conf", "[Container]\nNoSuchKey=1\n");
	assert_true(assert_same("full", test_facts) > 3 * DIAG_MAX);
}

static void a_file_with_too_many_errors_is_counted(void **state)
{
	auto_buf text = BUF_INIT(UNIT_MAX_FILE_BYTES);

	(void)state;
	for (unsigned n = 0; n < 100; n++) {
		char path[64];

		snprintf(path, sizeof(path), "errors/u%u.container", n);
		put(path, FINE);
	}
	for (unsigned i = 0; i < DIAG_MAX + 50; i++)
		buf_puts(&text, "no assignment\n");
	put("errors/u7.container", buf_str(&text));
	put("errors/u8.container", "no assignment\n");
	assert_true(assert_same("errors", test_facts) > DIAG_MAX + 50);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(several_threads_say_what_one_says),
		cmocka_unit_test(units_without_drop_ins_are_the_same),
		cmocka_unit_test(units_of_many_small_folders_are_the_same),
		cmocka_unit_test(names_are_refused_in_their_order),
		cmocka_unit_test(what_is_refused_is_refused_to_others),
		cmocka_unit_test(complaints_beyond_their_bound_are_the_same),
		cmocka_unit_test(a_file_with_too_many_errors_is_counted),
	};

	/* a name that no other test has */
	if (!mkdtemp(root) || rmdir(root) < 0)
		return 1;
	return cmocka_run_group_tests(tests, make_root, remove_root);
}
