/* SPDX-License-Identifier: Apache-2.0 */
/* The coordinator and a worker that the network has taken over: what it says is believed only where it cannot do harm. */
#include "image_test.h"

#include <dirent.h>
#include <sys/socket.h>

#include "image/fetch_internal.h"
#include "image/import_internal.h"
#include "util/file.h"
#include "util/places.h"
#include "util/str.h"

#define D1 "sha256:1111111111111111111111111111111111111111111111111111111111111111"
#define D2 "sha256:2222222222222222222222222222222222222222222222222222222222222222"
#define OWN_NAME "name registry.example/app:1\nfrom registry.example/app\n"
/* sha256 of "m" */
#define M_DIGEST "sha256:62c66a7a5dd70c3146618063c344e531e6d4b59e379808443ce962b3abd63c5a"
#define LAYER "blob " D1 "\nblob-size 5\ndiff-id " D2 "\n"

/* After GO; by the tag that is asked for. */
static const struct {
	const char *tag, *output;
	int status;
} answers[] = {
	{ "other-name", "name registry.example/other:1\n", 0 },
	{ "late-candidate", "candidate registry.example/other:1\n", 0 },
	{ "no-name", "from x\nmanifest m\nconfig {}\n" LAYER "ready " M_DIGEST "\n", 0 },
	{ "wrong-manifest", OWN_NAME "manifest m\nconfig {}\n" LAYER "ready " D1 "\n", 0 },
	{ "no-layers", OWN_NAME "manifest m\nconfig {}\nready " M_DIGEST "\n", 0 },
	{ "unknown-layer",
	  OWN_NAME "manifest m\nconfig {}\n" LAYER "layer " D1 "\nready " M_DIGEST "\n", 0 },
	{ "bad-digest", OWN_NAME "ready sha256:zz\n", 0 },
	{ "bad-index", OWN_NAME "index latest\n", 0 },
	{ "unchanged", "unchanged " D1 "\nok \n", 0 },
	{ "nothing", "ok \n", 0 },
	{ "refused", "code input\nerror registry.example: no such user\n", 1 },
	{ "busy", "code busy\nerror registry.example: 503\n", 1 },
	{ "killed", "", 0 },
	{ "late-note", "note trust me\n", 0 },
};

#define HELLO "candidate registry.example/app:1\nmay-ask \n"
#define FOUR_NOTES "note 1\nnote 2\nnote 3\nnote 4\n"

/* "cleat fetch registry REF RETRIES COMPARE-RETRIES DELAY [DIGEST...]" */
static int be_fetch(char **argv)
{
	const char *ref = argv[3], *hello = HELLO;
	struct fetch_order order;
	char text[100];
	struct err err;

	if (strstr(ref, ":notes"))
		hello = "note a.conf: b\nnote auth.json: c\nnote a.conf: b\n" HELLO;
	if (strstr(ref, ":many-notes"))
		hello = FOUR_NOTES FOUR_NOTES FOUR_NOTES FOUR_NOTES "note 1\n" HELLO;
	if (strstr(ref, ":tries")) {
		snprintf(text, sizeof(text), "code input\nerror tries %s, %s\n", argv[4], argv[5]);
		return file_write_all(1, text, strlen(text), &err) < 0 ? 93 : 1;
	}
	if (file_write_all(1, hello, strlen(hello), &err) < 0 ||
	    recv(FETCH_FD_ORDERS, &order, sizeof(order), 0) != sizeof(order) ||
	    order.verb != FETCH_ORDER_GO)
		return 90;
	for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++)
		if (str_starts(strrchr(ref, ':') + 1, answers[i].tag) ||
		    strstr(ref, answers[i].tag))
			return file_write_all(1, answers[i].output, strlen(answers[i].output),
					      &err) < 0 ?
				       91 :
				       answers[i].status;
	return 92;
}

static bool has_root_left(void)
{
	char name[64];
	DIR *dir = opendir(CLEAT_RUN_DIR);
	const struct dirent *entry;
	bool found = false;

	snprintf(name, sizeof(name), "fetch.%ld", (long)getpid());
	while (dir && (entry = readdir(dir)))
		found |= str_eq(entry->d_name, name);
	if (dir)
		closedir(dir);
	return found;
}

static char told[1000]; /* the notes of the last expect_with() */

static void on_record(const struct import_record *record, void *arg)
{
	size_t length = strlen(told);

	(void)arg;
	assert_int_equal(record->kind, IMPORT_NOTE);
	snprintf(told + length, sizeof(told) - length, "%s\n", record->text);
}

static void expect_with(enum pull_policy policy, const char *ref, const struct store_ref *known,
			enum err_code code, const char *text)
{
	struct pull_want want = PULL_WANT_INIT(ref);
	struct import imp = { .record_fd = -1,
			      .image_dir = "/nonexistent",
			      .on_record = on_record };
	struct import_outcome outcome = { 0 };
	struct scratch scratch;
	struct err err;

	scratch_open(&scratch);
	told[0] = '\0';
	want.policy = policy;
	imp.has_request = true;
	imp.request.config_dir = scratch.path;
	imp.store = store_open(scratch.path, NULL, &err);
	assert_non_null(imp.store);
	assert_int_equal(import_from_registry(&imp, &want, known, &outcome, &err), -1);
	if (err.code != code || !strstr(err.msg, text))
		fail_msg("%s: %s: %s", ref, err_code_name(err.code), err.msg);
	assert_false(has_root_left());
	assert_false(store_has_work_left(imp.store));
	store_close(imp.store);
	arena_fini(&imp.arena);
	scratch_close(&scratch);
}

static void expect(const char *ref, const struct store_ref *known, enum err_code code,
		   const char *text)
{
	expect_with(PULL_ALWAYS, ref, known, code, text);
}

static void it_cannot_give_its_image_another_name(void **state)
{
	(void)state;
	expect("registry.example/app:other-name", NULL, ERR_INTEGRITY, "not asked for");
	expect("registry.example/app:late-candidate", NULL, ERR_INTEGRITY, "bad candidate");
	expect("registry.example/app:no-name", NULL, ERR_INTEGRITY, "without a name");
}

static void it_cannot_give_out_other_bytes_for_a_digest(void **state)
{
	(void)state;
	expect("registry.example/app:wrong-manifest", NULL, ERR_INTEGRITY, "does not fit manifest");
	expect("registry.example/app:no-layers", NULL, ERR_INTEGRITY, "does not fit manifest");
	expect("registry.example/app:unknown-layer", NULL, ERR_INTEGRITY, "unknown layer");
	expect("registry.example/app:bad-digest", NULL, ERR_INTEGRITY, "bad manifest");
	expect("registry.example/app:bad-index", NULL, ERR_INTEGRITY, "bad index");
}

static void nothing_is_no_answer(void **state)
{
	(void)state;
	expect("registry.example/app:nothing", NULL, ERR_INTEGRITY, "found nothing");
	/* nothing was there to be unchanged */
	expect("registry.example/app:unchanged", NULL, ERR_INTEGRITY, "found nothing");
	expect("registry.example/app:killed", NULL, ERR_SYS, "without an answer");
}

static void its_own_reasons_are_handed_on(void **state)
{
	(void)state;
	expect("registry.example/app:refused", NULL, ERR_INPUT, "no such user");
	expect("registry.example/app:busy", NULL, ERR_BUSY, "503");
}

static void what_files_say_in_vain_is_told_once(void **state)
{
	(void)state;
	expect("registry.example/app:notes-nothing", NULL, ERR_INTEGRITY, "found nothing");
	assert_string_equal(told, "a.conf: b\nauth.json: c\n");
	expect("registry.example/app:many-notes", NULL, ERR_INTEGRITY, "bad note");
	assert_string_equal(told, "1\n2\n3\n4\n");
}

static void the_network_has_no_notes(void **state)
{
	(void)state;
	expect("registry.example/app:late-note", NULL, ERR_INTEGRITY, "bad note");
	assert_string_equal(told, "");
}

static void an_image_to_fall_back_on_is_compared_without_retries(void **state)
{
	const struct store_ref known = { .digest = D1 };

	(void)state;
	expect_with(PULL_NEWER, "registry.example/app:tries", &known, ERR_INPUT, "tries 3, 0");
	expect_with(PULL_NEWER, "registry.example/app:tries", NULL, ERR_INPUT, "tries 3, 3");
	expect_with(PULL_ALWAYS, "registry.example/app:tries", &known, ERR_INPUT, "tries 3, 3");
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_cannot_give_its_image_another_name),
		cmocka_unit_test(it_cannot_give_out_other_bytes_for_a_digest),
		cmocka_unit_test(nothing_is_no_answer),
		cmocka_unit_test(its_own_reasons_are_handed_on),
		cmocka_unit_test(what_files_say_in_vain_is_told_once),
		cmocka_unit_test(the_network_has_no_notes),
		cmocka_unit_test(an_image_to_fall_back_on_is_compared_without_retries),
	};

	/* the programs that the code under test starts are this one (/proc/self/exe) */
	if (argc > 3 && str_eq(argv[1], "fetch"))
		return be_fetch(argv);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
