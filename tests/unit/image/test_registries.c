/* SPDX-License-Identifier: Apache-2.0 */
/* registries.conf: what a name leads to, how files are merged, and every refusal with its line. */
#include "pull_test.h"

#define DIGEST "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static void without_a_file_a_full_name_is_its_own_registry(void **state)
{
	const struct record *none = RECORDS(CONFIG_FOLDER);

	(void)state;
	assert_resolves(none, "quay.io/team/app:1", "quay.io/team/app:1 -> quay.io/team/app");
	assert_resolves(none, "r.example:5000/app@" DIGEST,
			"r.example:5000/app@" DIGEST " -> r.example:5000/app");
	assert_resolves(none, "docker.io/alpine",
			"docker.io/library/alpine:latest -> registry-1.docker.io/library/alpine");
}

static void a_short_name_needs_somebody_who_resolves_it(void **state)
{
	(void)state;
	assert_resolves(RECORDS(CONFIG_FOLDER), "alpine:3",
			"error: image alpine: no registry in the name: write the full name, e.g. "
			"docker.io/library/alpine, or unqualified-search-registries in "
			"/config/registries.conf");
	assert_resolves(RECORDS(CONF("unqualified-search-registries = []")), "team/app",
			"error: image team/app: no registry in the name: write the full name, e.g. "
			"docker.io/team/app, or unqualified-search-registries in "
			"/etc/containers/registries.conf");
}

static void search_registries_are_candidates_in_their_order(void **state)
{
	const struct record *two = RECORDS(CONF(
		"unqualified-search-registries = ['docker.io', \"r.example:5000/\", 'localhost:5000']"));

	(void)state;
	assert_resolves(two, "alpine:3",
			"docker.io/library/alpine:3 -> registry-1.docker.io/library/alpine; "
			"r.example:5000/alpine:3 -> r.example:5000/alpine; "
			"localhost:5000/alpine:3 -> localhost:5000/alpine");
	assert_resolves(two, "team/app@" DIGEST,
			"docker.io/team/app@" DIGEST " -> registry-1.docker.io/team/app; "
			"r.example:5000/team/app@" DIGEST " -> r.example:5000/team/app; "
			"localhost:5000/team/app@" DIGEST " -> localhost:5000/team/app");
}

static void enforcing_short_names_wants_one_search_registry(void **state)
{
	(void)state;
	assert_resolves(RECORDS(CONF("short-name-mode = 'enforcing'\n"
				     "unqualified-search-registries = ['a.io', 'b.io']")),
			"app",
			"error: image app: no registry in the name, and short-name-mode is "
			"enforcing: write the full name with one of a.io, b.io");
	assert_resolves(RECORDS(CONF("short-name-mode = 'enforcing'\n"
				     "unqualified-search-registries = ['a.io']")),
			"app", "a.io/app:latest -> a.io/app");
	assert_resolves(RECORDS(CONF("short-name-mode = 'disabled'\n"
				     "unqualified-search-registries = ['a.io', 'b.io']")),
			"app", "a.io/app:latest -> a.io/app; b.io/app:latest -> b.io/app");
	assert_resolves(RECORDS(CONF("short-name-mode = ''\n"
				     "unqualified-search-registries = ['a.io', 'b.io']")),
			"app", "a.io/app:latest -> a.io/app; b.io/app:latest -> b.io/app");
}

static void an_alias_wins_over_search_registries(void **state)
{
	const struct record *files = RECORDS(CONF(
		"unqualified-search-registries = ['a.io']\n[aliases]\n'app' = 'b.io/team/app'\n"
		"alpine = 'docker.io/alpine'\n'team/x' = 'localhost:5000/x'"));

	(void)state;
	assert_resolves(files, "app:2", "b.io/team/app:2 -> b.io/team/app");
	assert_resolves(files, "app@" DIGEST, "b.io/team/app@" DIGEST " -> b.io/team/app");
	assert_resolves(files, "app:2@" DIGEST, "b.io/team/app:2@" DIGEST " -> b.io/team/app");
	assert_resolves(files, "alpine",
			"docker.io/library/alpine:latest -> registry-1.docker.io/library/alpine");
	assert_resolves(files, "team/x", "localhost:5000/x:latest -> localhost:5000/x");
	assert_resolves(files, "x", "a.io/x:latest -> a.io/x");
	assert_resolves(files, "c.io/app", "c.io/app:latest -> c.io/app");
}

static void a_later_file_takes_an_alias_back_or_replaces_it(void **state)
{
	const struct record *files = RECORDS(
		CONF("unqualified-search-registries = ['a.io']\n[aliases]\nx = 'b.io/x'\ny = 'b.io/y'"),
		DROPIN("1.conf", "[aliases]\nx = ''\ny = 'c.io/y'\nz = 'c.io/z'"));

	(void)state;
	assert_resolves(files, "x", "a.io/x:latest -> a.io/x");
	assert_resolves(files, "y", "c.io/y:latest -> c.io/y");
	assert_resolves(files, "z", "c.io/z:latest -> c.io/z");
}

static void a_prefix_is_rewritten_to_its_location(void **state)
{
	const struct record *files = RECORDS(CONF(
		"[[registry]]\nprefix = 'example.com/foo'\nlocation = 'internal.net:5000/bar/'\n"
		"[[registry]]\nprefix = 'docker.io'\nlocation = 'hub.example'\n"
		"[[registry]]\nprefix = 'one.io/a/b'\nlocation = 'two.io'\n"
		"[[registry]]\nprefix = 'four.io'\nlocation = 'docker.io/team'\n"));

	(void)state;
	assert_resolves(files, "example.com/foo/app:1",
			"example.com/foo/app:1 -> internal.net:5000/bar/app");
	assert_resolves(files, "example.com/foo@" DIGEST,
			"example.com/foo@" DIGEST " -> internal.net:5000/bar");
	assert_resolves(files, "example.com/foo:1", "example.com/foo:1 -> internal.net:5000/bar");
	assert_resolves(files, "example.com/foobar",
			"example.com/foobar:latest -> example.com/foobar");
	assert_resolves(files, "docker.io/alpine",
			"docker.io/library/alpine:latest -> hub.example/library/alpine");
	assert_resolves(files, "one.io/a/b/c:1@" DIGEST, "one.io/a/b/c:1@" DIGEST " -> two.io/c");
	assert_resolves(files, "four.io/x:1", "four.io/x:1 -> registry-1.docker.io/team/x");
}

static void the_longest_prefix_counts(void **state)
{
	const struct record *files =
		RECORDS(CONF("[[registry]]\nlocation = 'r.io/a'\ninsecure = true\n"
			     "[[registry]]\nprefix = 'r.io'\nlocation = 'b.io'\n"
			     "[[registry]]\nprefix = 'r.io/a/b'\nlocation = 'c.io/a/b'\n"
			     "[[registry]]\nprefix = 'r.io/a/b:1'\nlocation = 'd.io/one'\n"));

	(void)state;
	assert_resolves(files, "r.io/x", "r.io/x:latest -> b.io/x");
	assert_resolves(files, "r.io/a/x", "r.io/a/x:latest -> r.io/a/x!");
	assert_resolves(files, "r.io/a/b:2", "r.io/a/b:2 -> c.io/a/b");
	assert_resolves(files, "r.io/a/b:1", "r.io/a/b:1 -> d.io/one");
	assert_resolves(files, "r.io/a/b:11", "r.io/a/b:11 -> c.io/a/b");
}

static void a_host_means_its_ports_too_as_in_podman(void **state)
{
	const struct record *files =
		RECORDS(CONF("[[registry]]\nlocation = 'r.io'\ninsecure = true\n"
			     "[[registry]]\nprefix = 's.io'\nlocation = 't.io/x'"));

	(void)state;
	assert_resolves(files, "r.io:5000/app", "r.io:5000/app:latest -> r.io:5000/app!");
	assert_resolves(files, "s.io:5000/app",
			"error: /config/registries.conf:4: location: image reference "
			"t.io/x:5000/app: a name is lower-case letters, digits and single "
			"separators . _ - between them");
}

static void a_wildcard_means_every_subdomain(void **state)
{
	const struct record *files =
		RECORDS(CONF("[[registry]]\nprefix = '*.example.com'\ninsecure = true\n"
			     "[[registry.mirror]]\nlocation = 'm.io/all'\n"
			     "[[registry]]\nprefix = '*.b.example.com'\nlocation = 'b.io'\n"));

	(void)state;
	assert_resolves(files, "a.example.com/x/y:1",
			"a.example.com/x/y:1 -> mirror:m.io/all/x/y a.example.com/x/y!");
	assert_resolves(files, "a.a.example.com/x",
			"a.a.example.com/x:latest -> mirror:m.io/all/x a.a.example.com/x!");
	assert_resolves(files, "a.example.com.example.com/x",
			"a.example.com.example.com/x:latest -> mirror:m.io/all/x "
			"a.example.com.example.com/x!");
	assert_resolves(files, "a.b.example.com/x", "a.b.example.com/x:latest -> b.io/x");
	assert_resolves(files, "example.com/x", "example.com/x:latest -> example.com/x");
	assert_resolves(files, "a.example.com.evil/x",
			"a.example.com.evil/x:latest -> a.example.com.evil/x");
	assert_resolves(files, "evil.io/a.example.com/x",
			"evil.io/a.example.com/x:latest -> evil.io/a.example.com/x");
}

static void mirrors_come_first_and_by_kind_of_reference(void **state)
{
	const struct record *files = RECORDS(CONF(
		"[[registry]]\nprefix = 'e.io/foo'\nlocation = 'i.io/bar'\n"
		"[[registry.mirror]]\nlocation = 'm0.local/foo'\n"
		"[[registry.mirror]]\nlocation = 'm1.local:80/m/foo'\ninsecure = true\n"
		"pull-from-mirror = 'digest-only'\n"
		"[[registry.mirror]]\nlocation = 'm2.local'\npull-from-mirror = 'tag-only'\n"
		"[[registry.mirror]]\nlocation = 'docker.io/foo'\npull-from-mirror = 'all'\n"));

	(void)state;
	assert_resolves(files, "e.io/foo/image:1",
			"e.io/foo/image:1 -> mirror:m0.local/foo/image mirror:m2.local/image "
			"mirror:registry-1.docker.io/foo/image i.io/bar/image");
	assert_resolves(files, "e.io/foo/image:1@" DIGEST,
			"e.io/foo/image:1@" DIGEST " -> mirror:m0.local/foo/image "
			"mirror:m1.local:80/m/foo/image! mirror:registry-1.docker.io/foo/image "
			"i.io/bar/image");
}

static void mirror_by_digest_only_leaves_tags_to_the_registry(void **state)
{
	const struct record *files =
		RECORDS(CONF("[[registry]]\nlocation = 'r.io'\nmirror-by-digest-only = true\n"
			     "mirror = [{location = 'm.io'}]"));

	(void)state;
	assert_resolves(files, "r.io/a:1", "r.io/a:1 -> r.io/a");
	assert_resolves(files, "r.io/a@" DIGEST, "r.io/a@" DIGEST " -> mirror:m.io/a r.io/a");
}

static void blocked_is_an_error_that_names_the_line(void **state)
{
	const struct record *files = RECORDS(
		CONF("[[registry]]\nlocation = 'bad.io'\nblocked = true\n"
		     "[[registry]]\nlocation = 'bad.io/good'\n"
		     "[[registry]]\nprefix = 'a.io'\nlocation = 'bad.io/x'\n"
		     "[[registry]]\nlocation = 'b.io'\n[[registry.mirror]]\nlocation = 'bad.io/m'\n"
		     "[[registry.mirror]]\nlocation = 'ok.io/m'\n"));

	(void)state;
	assert_resolves(files, "bad.io/app:1",
			"error: image bad.io/app:1: bad.io is blocked by "
			"/config/registries.conf:1");
	assert_resolves(files, "bad.io/good/app", "bad.io/good/app:latest -> bad.io/good/app");
	/* what is asked in the end counts as well */
	assert_resolves(files, "a.io/app",
			"error: image a.io/app:latest: bad.io is blocked by "
			"/config/registries.conf:1");
	assert_resolves(files, "b.io/app", "b.io/app:latest -> mirror:ok.io/m/app b.io/app");
}

static void a_blocked_search_registry_is_passed_over(void **state)
{
	(void)state;
	assert_resolves(RECORDS(CONF("unqualified-search-registries = ['a.io', 'b.io']\n"
				     "[[registry]]\nlocation = 'a.io'\nblocked = true")),
			"x", "b.io/x:latest -> b.io/x");
	assert_resolves(RECORDS(CONF("unqualified-search-registries = ['b.io', 'a.io']\n"
				     "[[registry]]\nlocation = 'a.io'\nblocked = true")),
			"x", "b.io/x:latest -> b.io/x");
	assert_resolves(RECORDS(CONF("unqualified-search-registries = ['a.io']\n"
				     "[[registry]]\nlocation = 'a.io'\nblocked = true")),
			"x",
			"error: image a.io/x:latest: a.io is blocked by /config/registries.conf:2");
}

static void localhost_without_port_is_no_registry_unless_a_file_says_so(void **state)
{
	(void)state;
	assert_resolves(
		RECORDS(CONFIG_FOLDER), "localhost/app:1",
		"error: image localhost/app:1: localhost/ is for images made here, no "
		"registry: put its archive into /config/images, or write localhost:PORT/NAME");
	assert_resolves(RECORDS(CONF("[[registry]]\nlocation = 'localhost'\ninsecure = true")),
			"localhost/app:1", "localhost/app:1 -> localhost/app!");
	assert_resolves(RECORDS(CONFIG_FOLDER), "localhost:5000/app:1",
			"localhost:5000/app:1 -> localhost:5000/app");
}

static void dropins_replace_what_was_said_of_the_same_prefix(void **state)
{
	const struct record *files = RECORDS(
		CONF("unqualified-search-registries = ['a.io']\nshort-name-mode = 'enforcing'\n"
		     "[[registry]]\nlocation = 'r.io'\nblocked = true\n"
		     "[[registry]]\nlocation = 's.io'\ninsecure = true"),
		DROPIN("1.conf", "[[registry]]\nprefix = 'r.io'\nlocation = 'x.io'\n"
				 "[[registry.mirror]]\nlocation = 'm.io'"),
		DROPIN("2.conf", "unqualified-search-registries = ['b.io', 'c.io']\n"
				 "short-name-mode = 'disabled'"));

	(void)state;
	assert_resolves(files, "r.io/app", "r.io/app:latest -> mirror:m.io/app x.io/app");
	assert_resolves(files, "s.io/app", "s.io/app:latest -> s.io/app!");
	assert_resolves(files, "app", "b.io/app:latest -> b.io/app; c.io/app:latest -> c.io/app");
}

static void an_empty_search_list_in_a_dropin_takes_the_earlier_one_away(void **state)
{
	(void)state;
	assert_resolves(RECORDS(CONFIG_FOLDER, CONF("unqualified-search-registries = ['a.io']"),
				DROPIN("1.conf", "unqualified-search-registries = []")),
			"app",
			"error: image app: no registry in the name: write the full name, e.g. "
			"docker.io/library/app, or unqualified-search-registries in "
			"/config/registries.conf");
}

static void the_first_of_two_rows_counts_and_the_other_is_noted(void **state)
{
	const struct record *files =
		RECORDS(CONF("[[registry]]\nprefix = 'r.io'\nlocation = 'a.io'\n"
			     "[[registry]]\nprefix = 'r.io'\nlocation = 'b.io'"));

	(void)state;
	assert_resolves(files, "r.io/x", "r.io/x:latest -> a.io/x");
	assert_notes(files,
		     "/config/registries.conf:4: prefix r.io is there already, since line 1: "
		     "left out\n");
}

static void two_rows_for_a_place_must_agree(void **state)
{
	(void)state;
	assert_refused(
		RECORDS(CONF("[[registry]]\nlocation = 'r.io'\n"
			     "[[registry]]\nprefix = 'a.io'\nlocation = 'r.io'\nblocked = true")),
		ERR_INPUT,
		"/config/registries.conf:3: r.io: \"blocked\" differs from that of line 1");
	assert_refused(RECORDS(CONF("[[registry]]\nlocation = 'r.io'\ninsecure = true\n"
				    "[[registry]]\nprefix = 'a.io'\nlocation = 'r.io'")),
		       ERR_INPUT,
		       "/config/registries.conf:4: r.io: \"insecure\" differs from that of line 1");
}

static void credential_helpers_are_noted_by_name(void **state)
{
	(void)state;
	assert_notes(RECORDS(CONF("credential-helpers = ['containers-auth.json',\n 'pass']\n"
				  "additional-layer-store-auth-helper = 'x'")),
		     "/config/registries.conf:2: credential-helpers: pass is not supported: write "
		     "the credentials to auth.json\n"
		     "/config/registries.conf:3: additional-layer-store-auth-helper: there are no "
		     "additional layer stores\n");
	assert_notes(RECORDS(CONF("credential-helpers = ['containers-auth.json']")), "");
}

static void version_1_is_refused_with_what_to_write(void **state)
{
	(void)state;
	assert_refused(
		RECORDS(CONF("# old\n[registries.search]\nregistries = ['docker.io']")), ERR_INPUT,
		"/config/registries.conf:2: [registries] is version 1 of this file: write "
		"unqualified-search-registries = [\"HOST\"] at the top, and [[registry]] with "
		"location = \"HOST\" and insecure = true or blocked = true");
}

static void wrong_files_are_refused_with_their_line(void **state)
{
	static const struct {
		const char *text, *reason;
	} cases[] = {
		{ "a = [", "1: a value expected" },
		{ "[[registry]]\nlocation = 'r.io'\nblock = true",
		  "3: block: unknown key, did you mean blocked" },
		{ "[[registry]]\nlocation = 'r.io'\ncertificates = 1",
		  "3: certificates: unknown key" },
		{ "[[registry]]\nlocation = 'r.io'\n[[registry.mirror]]\nlocation = 'm.io'\n"
		  "blocked = true",
		  "5: blocked: unknown key" },
		{ "\nunqualified-search-registry = []",
		  "2: unqualified-search-registry: unknown key, did you mean "
		  "unqualified-search-registries" },
		{ "[[registry]]\nlocation = 'r.io'\nblocked = 'true'",
		  "3: blocked is a string, not a boolean" },
		{ "[[registry]]\nlocation = 5000", "2: location is an integer, not a string" },
		{ "[registry]\nlocation = 'r.io'", "1: registry is a table, not an array" },
		{ "registry = ['r.io']",
		  "1: registry is a string, not a table: write [[registry]]" },
		{ "[[registry]]", "1: [[registry]] without prefix and location" },
		{ "[[registry]]\nprefix = 'r.io'",
		  "1: [[registry]] without location: only a wildcard prefix as *.example.com needs "
		  "none: write location = \"r.io\"" },
		{ "[[registry]]\nlocation = 'https://r.io'",
		  "2: location: \"https://r.io\" has a scheme: write HOST[:PORT][/PATH]" },
		{ "[[registry]]\nlocation = 'http://r.io'",
		  "2: location: \"http://r.io\" has a scheme: write HOST[:PORT][/PATH] and insecure "
		  "= true for plain HTTP" },
		{ "[[registry]]\nlocation = 'registry/x'",
		  "2: location: \"registry/x\" is not HOST[:PORT][/PATH]: a host has a dot, a port "
		  "or is localhost, as in docker.io/library" },
		{ "[[registry]]\nlocation = 'r.io/x:1'",
		  "2: location: \"r.io/x:1\" is not HOST[:PORT][/PATH]: a host has a dot, a port "
		  "or is localhost, as in docker.io/library" },
		{ "[[registry]]\nlocation = '*.r.io'",
		  "2: location: a wildcard is for prefix only" },
		{ "[[registry]]\nlocation = \"r.io\\u0000\"", "2: location: NUL byte" },
		{ "[[registry]]\nprefix = 'alpine'\nlocation = 'r.io'",
		  "2: prefix: \"alpine\" is not HOST[:PORT][/PATH]: a host has a dot, a port or is "
		  "localhost, as in docker.io/library" },
		{ "[[registry]]\nprefix = '*.r.io/x'",
		  "2: prefix: \"*.r.io/x\": a wildcard stands for subdomains only, as in "
		  "*.example.com" },
		{ "[[registry]]\nprefix = '*.'",
		  "2: prefix: \"*.\": a wildcard stands for subdomains only, as in *.example.com" },
		{ "[[registry]]\nlocation = 'r.io'\npull-from-mirror = 'all'",
		  "3: pull-from-mirror belongs below [[registry.mirror]]" },
		{ "[[registry]]\nlocation = 'r.io'\n[[registry.mirror]]\ninsecure = true",
		  "3: [[registry.mirror]] without location" },
		{ "[[registry]]\nlocation = 'r.io'\nmirror = ['m.io']",
		  "3: registry.mirror is a string, not a table: write [[registry.mirror]]" },
		{ "[[registry]]\nlocation = 'r.io'\n[[registry.mirror]]\nlocation = 'm.io'\n"
		  "pull-from-mirror = 'tags'",
		  "5: pull-from-mirror: \"tags\" is not all, digest-only or tag-only" },
		{ "[[registry]]\nlocation = 'r.io'\nmirror-by-digest-only = true\n"
		  "[[registry.mirror]]\nlocation = 'm.io'\npull-from-mirror = 'tag-only'",
		  "4: pull-from-mirror and the registry's mirror-by-digest-only cannot both be "
		  "set" },
		{ "short-name-mode = 'prompt'",
		  "1: short-name-mode: \"prompt\" is not permissive, enforcing or disabled" },
		{ "unqualified-search-registries = 'docker.io'",
		  "1: unqualified-search-registries is a string, not an array" },
		{ "unqualified-search-registries = ['a.io',\n1]",
		  "2: unqualified-search-registries holds an integer, not strings" },
		{ "unqualified-search-registries = ['a.io/x']",
		  "1: unqualified-search-registries: \"a.io/x\" is not HOST[:PORT]" },
		{ "unqualified-search-registries = ['']",
		  "1: unqualified-search-registries: \"\" is not HOST[:PORT]" },
		{ "unqualified-search-registries = ['*.a.io']",
		  "1: unqualified-search-registries: \"*.a.io\" is not HOST[:PORT]" },
		{ "unqualified-search-registries = ['hub']",
		  "1: unqualified-search-registries: \"hub\" is not HOST[:PORT][/PATH]: a host has a "
		  "dot, a port or is localhost, as in docker.io/library" },
		{ "[aliases]\nx = 1", "2: alias x is an integer, not a string" },
		{ "[aliases]\n'a.io/x' = 'b.io/x'",
		  "2: alias a.io/x is not a short name: no registry, tag or digest" },
		{ "[aliases]\n'x:1' = 'b.io/x'",
		  "2: alias x:1 is not a short name: no registry, tag or digest" },
		{ "[aliases]\n'X' = 'b.io/x'",
		  "2: alias X is not a short name: no registry, tag or digest" },
		{ "[aliases]\nx = 'y'",
		  "2: alias x = \"y\" is not REGISTRY/NAME without tag and digest" },
		{ "[aliases]\nx = 'b.io/x:1'",
		  "2: alias x = \"b.io/x:1\" is not REGISTRY/NAME without tag and digest" },
		{ "[aliases]\nx = 'b.io/x@" DIGEST "'",
		  "2: alias x = \"b.io/x@" DIGEST
		  "\" is not REGISTRY/NAME without tag and digest" },
		{ "credential-helpers = [1]",
		  "1: credential-helpers holds an integer, not strings" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		auto_arena arena = { 0 };

		assert_refused(RECORDS(CONF(cases[i].text)), ERR_INPUT,
			       arena_join(&arena, "/config/registries.conf:", cases[i].reason));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_a_file_a_full_name_is_its_own_registry),
		cmocka_unit_test(a_short_name_needs_somebody_who_resolves_it),
		cmocka_unit_test(search_registries_are_candidates_in_their_order),
		cmocka_unit_test(enforcing_short_names_wants_one_search_registry),
		cmocka_unit_test(an_alias_wins_over_search_registries),
		cmocka_unit_test(a_later_file_takes_an_alias_back_or_replaces_it),
		cmocka_unit_test(a_prefix_is_rewritten_to_its_location),
		cmocka_unit_test(the_longest_prefix_counts),
		cmocka_unit_test(a_host_means_its_ports_too_as_in_podman),
		cmocka_unit_test(a_wildcard_means_every_subdomain),
		cmocka_unit_test(mirrors_come_first_and_by_kind_of_reference),
		cmocka_unit_test(mirror_by_digest_only_leaves_tags_to_the_registry),
		cmocka_unit_test(blocked_is_an_error_that_names_the_line),
		cmocka_unit_test(a_blocked_search_registry_is_passed_over),
		cmocka_unit_test(localhost_without_port_is_no_registry_unless_a_file_says_so),
		cmocka_unit_test(dropins_replace_what_was_said_of_the_same_prefix),
		cmocka_unit_test(an_empty_search_list_in_a_dropin_takes_the_earlier_one_away),
		cmocka_unit_test(the_first_of_two_rows_counts_and_the_other_is_noted),
		cmocka_unit_test(two_rows_for_a_place_must_agree),
		cmocka_unit_test(credential_helpers_are_noted_by_name),
		cmocka_unit_test(version_1_is_refused_with_what_to_write),
		cmocka_unit_test(wrong_files_are_refused_with_their_line),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
