/* SPDX-License-Identifier: Apache-2.0 */
/* cleat keys: what it prints and which status it ends with. */
#include "unit_test.h"

#include "capture.h"
#include "cli/commands.h"
#include "unit/appliance.h"
#include "unit/keys.h"
#include "util/str.h"

static struct captured c;

#define KEYS(...) capture(&c, cmd_keys, WORDS("keys", ##__VA_ARGS__))

static void assert_part(const char *text, const char *part)
{
	if (!strstr(text, part))
		fail_msg("no '%s' in: %.400s", part, text);
}

static void all_keys_are_listed(void **state)
{
	size_t lines = 0;

	(void)state;
	capture(&c, cmd_keys, WORDS("keys"));
	assert_int_equal(c.result, 0);
	assert_part(c.out, "Container  Image ");
	assert_part(c.out, "Install    WantedBy ");
	for (const char *p = c.out; (p = strchr(p, '\n')) != NULL; p++)
		lines++;
	assert_int_equal(lines, key_count());
}

static void a_key_is_explained_in_every_section(void **state)
{
	(void)state;
	KEYS("publishport");
	assert_int_equal(c.result, 0);
	assert_part(c.out, "[Container] PublishPort=\n");
	assert_part(c.out, "\n  podman run: --publish\n");
	assert_part(c.out, "[Pod] PublishPort=\n");
	assert_part(c.out, "\n  podman pod create: --publish\n");
	assert_part(c.out, "an empty assignment clears\n");
	assert_part(c.out, "\n  example: PublishPort=8000:8000\n");
}

static void a_section_before_the_key_chooses_one(void **state)
{
	(void)state;
	KEYS("service.restart=");
	assert_int_equal(c.result, 0);
	assert_true(str_starts(c.out, "[Service] Restart=\n"));
	assert_part(c.out, "\n  words: no on-success on-failure ");
	assert_part(c.out, "\n  if not set: no\n");
	KEYS("Pod.PublishPort");
	assert_int_equal(c.result, 0);
	assert_null(strstr(c.out, "[Container]"));
}

static void the_state_has_its_reason(void **state)
{
	const struct key *key = key_find("Container", "EnvironmentHost");
	char line[512];

	(void)state;
	assert_int_equal(key->state, KEY_REFUSED);
	KEYS("EnvironmentHost");
	snprintf(line, sizeof(line), "\n  refused: %s\n", key->reason);
	assert_part(c.out, line);
	assert_part(c.out, "\n  if not set: false\n");
}

static void an_unknown_key_is_status_one_with_a_hint(void **state)
{
	(void)state;
	KEYS("PublishPorts");
	assert_int_equal(c.result, 1);
	assert_string_equal(c.out, "");
	assert_string_equal(
		c.err,
		"cleat keys: PublishPorts: unknown key: did you mean PublishPort= in [Container]?\n");
	KEYS("Kube.yml");
	assert_part(c.err, "Kube.yml: unknown key: did you mean Yaml=?");
	KEYS("Kub.Yaml");
	assert_part(c.err, "Kub.Yaml: unknown key: did you mean [Kube]?");
	KEYS("Image", "nonsense\x1b[2J");
	assert_int_equal(c.result, 1);
	assert_part(c.out, "[Container] Image=\n");
	assert_null(strchr(c.err, '\x1b'));
}

static void pages_are_printed_one_at_a_time(void **state)
{
	(void)state;
	KEYS("--fuzz-dictionary");
	assert_int_equal(c.result, 0);
	assert_part(c.out, "\"Image=");
	KEYS("--markdown");
	assert_int_equal(c.result, 0);
	assert_part(c.out, "\n# Keys of unit files\n");
	KEYS("--json-schema");
	assert_int_equal(c.result, 0);
	assert_part(c.out, "\"$schema\": \"https://json-schema.org/draft/2020-12/schema\"");
	KEYS("--markdown", "--json-schema");
	assert_int_equal(c.result, 2);
	assert_part(c.err, "usage: cleat keys");
	KEYS("--markdown", "Image");
	assert_int_equal(c.result, 2);
	KEYS("--nonsense");
	assert_int_equal(c.result, 2);
	KEYS("--help");
	assert_int_equal(c.result, 0);
	assert_part(c.out, "usage: cleat keys");
}

static void the_appliances_own_keys_are_told(void **state)
{
	size_t count, rows = 0;
	const struct appliance_key *keys = appliance_keys(&count);

	(void)state;
	KEYS("--appliance");
	assert_int_equal(c.result, 0);
	assert_part(c.out, "\n# appliance.ini\n");
	for (size_t i = 0; i < count; i++)
		assert_part(c.out, keys[i].help);
	for (const char *p = c.out; (p = strstr(p, "\n| ")) != NULL; p++)
		rows += !str_starts(p, "\n| key ");
	assert_int_equal(rows, count);
	KEYS("stop.budget=");
	assert_int_equal(c.result, 0);
	assert_true(str_starts(c.out, "appliance.ini [Stop] Budget=\n"));
	assert_null(strstr(c.out, "[Log]"));
	KEYS("Link.MTU");
	assert_true(str_starts(c.out, "appliance.ini [Link NAME] MTU=\n"));
	KEYS("stop.budgets");
	assert_int_equal(c.result, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_keys_are_listed),
		cmocka_unit_test(a_key_is_explained_in_every_section),
		cmocka_unit_test(a_section_before_the_key_chooses_one),
		cmocka_unit_test(the_state_has_its_reason),
		cmocka_unit_test(an_unknown_key_is_status_one_with_a_hint),
		cmocka_unit_test(pages_are_printed_one_at_a_time),
		cmocka_unit_test(the_appliances_own_keys_are_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
