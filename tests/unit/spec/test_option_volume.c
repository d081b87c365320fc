/* SPDX-License-Identifier: Apache-2.0 */
/* The words of "podman volume create". */
#include "spec_test.h"

#include "spec/volume.h"
#include "unit/unit.h"

struct made {
	struct arena arena;
	struct diags diags;
	struct volume_spec volume;
	int result;
};

/* Word i stands at x.volume:10+i. */
static void parse(struct made *m, const char *const *words)
{
	struct arg_list list = { 0 };

	*m = (struct made){ 0 };
	for (unsigned i = 0; words[i]; i++) {
		struct origin *origin = arena_new(&m->arena, struct origin);

		*origin = (struct origin){
			.file = "x.volume", .line = 10 + i, .column = 1, .key = "command line"
		};
		arg_push(&m->arena, &list, words[i], origin);
	}
	m->result = volume_from_args(&m->volume, &m->arena, &list, &m->diags);
}
#define CREATE(m, ...) parse((m), (const char *const[]){ __VA_ARGS__, NULL })

static void forget(struct made *m)
{
	arena_fini(&m->arena);
	diags_fini(&m->diags);
}

static void refused(const char *option, const char *value, unsigned line, const char *text)
{
	struct made m;

	CREATE(&m, option, value, "name");
	if (m.result != -1 || !m.diags.count || !strstr(m.diags.items[0].text, text))
		fail_msg("%s %s: said: %s; expected: %s", option, value,
			 m.diags.count ? m.diags.items[0].text : "nothing", text);
	assert_int_equal(m.diags.items[0].line, line);
	forget(&m);
}

static void a_name_is_all_that_is_needed(void **state)
{
	struct made m;

	(void)state;
	CREATE(&m, "data");
	assert_int_equal(m.result, 0);
	assert_string_equal(m.volume.name, "data");
	assert_int_equal(m.volume.kind, VOLUME_FOLDER);
	assert_int_equal(m.volume.uid, UINT32_MAX);
	assert_false(m.volume.no_copy || m.volume.ignore || m.volume.read_only);
	forget(&m);
	parse(&m, (const char *const[]){ NULL });
	assert_int_equal(m.result, 0);
	assert_string_equal(m.volume.name, "");
	forget(&m);
}

static void owners_labels_and_options(void **state)
{
	struct made m;

	(void)state;
	CREATE(&m, "--label", "a=b=c", "-l", "bare", "data", "--opt", "o=uid=1001,gid=7,nodev",
	       "-o", "nocopy", "--ignore", "--driver=local");
	assert_int_equal(m.result, 0);
	assert_string_equal(m.volume.name, "data");
	assert_int_equal(m.volume.label_count, 2);
	assert_string_equal(m.volume.labels[0].value, "b=c");
	assert_string_equal(m.volume.labels[1].value, "");
	assert_int_equal(m.volume.uid, 1001);
	assert_int_equal(m.volume.gid, 7);
	assert_true(m.volume.no_dev && m.volume.no_copy && m.volume.ignore);
	assert_int_equal(m.volume.option_count, 2);
	forget(&m);
	CREATE(&m, "-o", "nocopy", "-o", "copy", "--uid=5", "x");
	assert_int_equal(m.result, 0);
	assert_false(m.volume.no_copy);
	assert_int_equal(m.volume.uid, 5);
	forget(&m);
}

static void tmpfs_and_binds(void **state)
{
	struct made m;

	(void)state;
	CREATE(&m, "--opt", "device=tmpfs", "--opt", "type=tmpfs", "--opt",
	       "o=size=2m,mode=0700,suid", "x");
	assert_int_equal(m.result, 0);
	assert_int_equal(m.volume.kind, VOLUME_TMPFS);
	assert_int_equal(m.volume.size_bytes, 2 * MIB);
	assert_int_equal(m.volume.mode, 0700);
	assert_true(m.volume.no_dev);
	assert_false(m.volume.no_suid);
	forget(&m);
	CREATE(&m, "--opt", "type=tmpfs", "--opt", "o=size=5%", "x");
	assert_int_equal(m.result, 0);
	assert_int_equal(m.volume.size_percent, 5);
	forget(&m);
	CREATE(&m, "--opt", "device=/data//home/x/", "--opt", "type=none", "--opt", "o=bind,ro",
	       "x");
	assert_int_equal(m.result, 0);
	assert_int_equal(m.volume.kind, VOLUME_BIND);
	assert_string_equal(m.volume.device, "/data/home/x");
	assert_true(m.volume.read_only && m.volume.no_copy);
	forget(&m);
	CREATE(&m, "--opt", "device=/x", "--opt", "type=bind", "x");
	assert_int_equal(m.result, 0);
	assert_int_equal(m.volume.kind, VOLUME_BIND);
	forget(&m);
}

static void what_is_refused_says_why(void **state)
{
	struct made m;

	(void)state;
	refused("--driver", "image", 10, "copy the content at its first start");
	refused("--driver", "flocker", 10, "no volume plugins");
	refused("--label", "=x", 10, "has no name");
	refused("--uid", "65010", 10, "no id of a container");
	refused("--gid", "wheel", 10, "no id of a container");
	refused("--opt", "o=uid=root", 10, "no id of a container");
	refused("--opt", "type=nfs", 10, "let the appliance's host mount it");
	refused("--opt", "type=bind", 10, "needs device=/path");
	refused("--opt", "device=/dev/sda1", 10, "devices and servers are not mounted here");
	refused("--opt", "o=size=1g", 10, "quotas of the file system");
	refused("--opt", "o=mode=755", 10, "option of a tmpfs");
	refused("--opt", "o=vers=4", 10, "no option of a volume");
	refused("--opt", "image=x", 10, "is not known: type, device, o, copy, nocopy");
	refused("--opt", "o=bind\nx", 10, "control byte");
	refused("--nope", "x", 10, "unknown option");
	CREATE(&m, "one", "two");
	assert_int_equal(m.result, -1);
	assert_non_null(strstr(m.diags.items[0].text, "a second name"));
	forget(&m);
	CREATE(&m, "../x");
	assert_int_equal(m.result, -1);
	assert_non_null(strstr(m.diags.items[0].text, "no name for a volume"));
	forget(&m);
	CREATE(&m, "--opt", "type=tmpfs", "--opt", "o=size=0", "x");
	assert_int_equal(m.result, -1);
	assert_int_equal(m.diags.items[0].line, 12);
	forget(&m);
	CREATE(&m, "--opt", "device=/x", "--opt", "o=bind", "--opt", "copy", "x");
	assert_int_equal(m.result, -1);
	assert_non_null(strstr(m.diags.items[0].text, "leave out device= or copy"));
	forget(&m);
	CREATE(&m, "--uid", "5", "--opt", "o=uid=6", "x");
	assert_int_equal(m.result, -1);
	assert_non_null(strstr(m.diags.items[0].text, "given twice"));
	forget(&m);
}

static void names(void **state)
{
	(void)state;
	assert_true(volume_name_is_valid("a"));
	assert_true(volume_name_is_valid("0_b.C-d"));
	assert_false(volume_name_is_valid(""));
	assert_false(volume_name_is_valid(".cleat"));
	assert_false(volume_name_is_valid("-x"));
	assert_false(volume_name_is_valid("a/b"));
	assert_false(volume_name_is_valid("a b"));
}

static void units_of_a_set(void **state)
{
	static const char text[] = "[Volume]\nVolumeName=shop\nUser=33\nLabel=a=b\nCopy=no\n";
	const struct volume_spec *found;
	struct volume_spec *volumes = NULL;
	struct unit_set set = { 0 };
	struct unit_facts facts;
	struct arena arena = { 0 };
	struct err err;
	size_t count = 0;

	(void)state;
	unit_facts_init(&facts, &arena, "/data/home");
	assert_int_equal(unit_set_load_text(&set, "x.volume", "/x.volume", text, strlen(text),
					    &facts, &err),
			 0);
	volumes_of_units(&set, &arena, &volumes, &count);
	assert_int_equal(count, 1);
	found = volume_find(volumes, count, "shop");
	assert_non_null(found);
	assert_int_equal(found->uid, 33);
	assert_true(found->no_copy);
	assert_string_equal(found->labels[0].name, "a");
	assert_null(volume_find(volumes, count, "systemd-x"));
	unit_set_fini(&set);
	arena_fini(&arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_name_is_all_that_is_needed),
		cmocka_unit_test(owners_labels_and_options),
		cmocka_unit_test(tmpfs_and_binds),
		cmocka_unit_test(what_is_refused_says_why),
		cmocka_unit_test(names),
		cmocka_unit_test(units_of_a_set),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
