/* SPDX-License-Identifier: Apache-2.0 */
/* Values that are right by their grammar and nearly never what was meant, each beside what looks like it and is meant. */
#include "unit_fixture.h"

struct row {
	const char *line; /* of [Container], line 4 of the unit */
	unsigned column;
	const char *key, *said;
};

static void assert_warned(const struct row *rows, size_t count)
{
	for (size_t i = 0; i < count; i++)
		assert_complaint(rows[i].line, DIAG_WARNING, 4, rows[i].column, rows[i].key,
				 rows[i].said);
}

static void assert_silent(const char *const *lines, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct unit_set set;
		char text[1024];

		snprintf(text, sizeof(text), FINE "%s", lines[i]);
		load_text(&set, text);
		if (set.diags.count)
			fail_msg("%s: %s", lines[i], set.diags.items[0].text);
		unit_set_fini(&set);
	}
}

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void signs_of_printed_text_are_named(void **state)
{
	static const struct row rows[] = {
		{ "Environment=\xe2\x80\x9c"
		  "A=B\xe2\x80\x9d\n",
		  13, "Container.Environment", "U+201C is a printed quotation mark" },
		{ "Environment=A=\xe2\x80\x98"
		  "b\xe2\x80\x99\n",
		  15, "Container.Environment", "U+2018 is a printed quotation mark" },
		{ "Exec=sh \xe2\x80\x93"
		  "c ls\n",
		  9, "Container.Exec",
		  "U+2013 is a printed dash, with which no option begins: write -" },
		{ "Exec=web \xe2\x80\x94verbose\n", 10, "Container.Exec", "write - or --" },
		{ "Exec=sleep\xc2\xa0"
		  "10\n",
		  11, "Container.Exec", "U+00A0 is a no-break space" },
		{ "HostName=we\xe2\x80\x8b"
		  "b\n",
		  12, "Container.HostName", "U+200B cannot be seen" },
		{ "HostName=we\xc2\xad"
		  "b\n",
		  12, "Container.HostName", "U+00AD cannot be seen" },
	};
	static const char *const fine[] = {
		"Exec=echo it\xe2\x80\x99s\n",
		"Exec=echo a \xe2\x80\x93 b\n",
		"Environment=\"A=he said \xe2\x80\x9chi\xe2\x80\x9d\"\n",
		"Environment='A=1\xc2\xa0km'\n",
		"Label=\"a=\xe2\x80\x94 x\"\n",
		"HostName=a\n[Unit]\nDescription=\xe2\x80\x9cWeb\xe2\x80\x9d\xc2\xa0\xe2\x80\x94x\n",
		"Environment=A=gr\xc3\xbc\xc3\x9f\n",
	};

	(void)state;
	assert_warned(rows, COUNT(rows));
	assert_complaint("[Service]\nExecStartPre=/bin/a \xe2\x80\x93\xe2\x80\x93x\n", DIAG_WARNING,
			 5, 21, "Service.ExecStartPre", "U+2013");
	assert_silent(fine, COUNT(fine));
}

static void each_sort_of_sign_is_said_once(void **state)
{
	struct unit_set set;

	(void)state;
	load_text(&set, FINE "Exec=a\xc2\xa0"
			     "b\xc2\xa0"
			     "c \xe2\x80\x93x \xe2\x80\x93y\n");
	assert_int_equal(set.diags.count, 2);
	unit_set_fini(&set);
}

static void signs_in_names_are_named(void **state)
{
	struct unit_set set;

	(void)state;
	assert_complaint("Host\xe2\x80\x8bName=a\n", DIAG_ERROR, 4, 13,
			 "Container.Host\xe2\x80\x8bName",
			 "U+200B stands in it, which cannot be seen: did you mean HostName=?");
	load_text(&set, FINE "[Unit\xc2\xa0]\n");
	assert_diag(&set, DIAG_ERROR, 4, 1, "Unit\xc2\xa0",
		    "U+00A0 stands in it, a no-break space: did you mean [Unit]?");
	unit_set_fini(&set);
	load_text(&set, "\xe2\x80\x8b" FINE);
	assert_int_equal(set.diags.items[0].line, 1);
	assert_non_null(strstr(set.diags.items[0].text, "begins the line: U+200B"));
	unit_set_fini(&set);
}

static void percent_signs_of_dates_and_formats_are_named(void **state)
{
	static const struct row rows[] = {
		{ "Exec=date +%m\n", 12, "Container.Exec",
		  "%m looks like a date's format, and becomes the machine's id: a percent sign is written %%" },
		{ "Exec=date \"+%Y\"\n", 13, "Container.Exec", "becomes the unit file's folder" },
		{ "Exec=sh -c 'a; date +%S'\n", 22, "Container.Exec", "becomes /var/lib" },
		{ "Environment=A=x-%Y-%m\n", 17, "Container.Environment", "a date's format" },
		{ "Environment=\"A=%H:%M\"\n", 16, "Container.Environment", "the host's name" },
		{ "HealthCmd=test %d/%m\n", 16, "Container.HealthCmd", "folder of credentials" },
		{ "Environment=A=http://x/%C3%A9\n", 24, "Container.Environment",
		  "%C looks like a byte of a URL, and becomes /var/cache" },
		{ "Exec=printf %s a\n", 13, "Container.Exec", "a format of printf" },
		{ "Environment=LOG_FORMAT=%h\n", 24, "Container.Environment",
		  "%h looks like a format, and becomes the home folder" },
		{ "Exec=web --format=%t\n", 19, "Container.Exec", "becomes /run" },
		{ "Exec=web --date-format \"%T\"\n", 25, "Container.Exec", "becomes /tmp" },
		{ "Environment=DB_PASSWORD=a%bc\n", 26, "Container.Environment",
		  "%b looks like a password's letter, and becomes the boot's id" },
	};
	static const char *const fine[] = {
		"Exec=date +%%m\n",
		"Volume=%h/data:/data\n",
		"Environment=A=%S/x B=%t/%n C=%H-%m D=%u:%g\n",
		"Environment=NAME=%p-%i ID=%m DIR=%d/key\n",
		"Environment=SECRET_FILE=/x%h/y TOKEN=web%i\n",
		"Environment=A=50% B=%(asctime)s\n",
		"Environment=FORMAT=json HOST=%H\n",
		"Exec=web --host %H --id %b\n",
		"HealthCmd=curl -w %{http_code} http://localhost\n",
	};

	(void)state;
	assert_warned(rows, COUNT(rows));
	assert_silent(fine, COUNT(fine));
}

static void a_shells_words_are_named_where_no_shell_is(void **state)
{
	static const struct row rows[] = {
		{ "Exec=a && b\n", 8, "Container.Exec", "no shell reads this, so && is a word" },
		{ "Exec=a b | c\n", 10, "Container.Exec", "so | is a word" },
		{ "Exec=a > /x\n", 8, "Container.Exec", "so > is a word" },
		{ "Exec=a 2>&1\n", 8, "Container.Exec", "so 2>&1 is a word" },
		{ "Exec=a >/dev/null\n", 8, "Container.Exec", "so >/dev/null is a word" },
		{ "Exec=a; b\n", 6, "Container.Exec", "so a; is a word" },
		{ "Exec=a &\n", 8, "Container.Exec", "so & is a word" },
		{ "Exec=a `date`\n", 8, "Container.Exec", "so `date` is a word" },
		{ "Exec=a x$(date)\n", 8, "Container.Exec", "so x$(date) is a word" },
		{ "Exec=a $(date)\n", 8, "Container.Exec",
		  "no shell reads this: $(date) is taken" },
		{ "Exec=sh -c 'a' && b\n", 16, "Container.Exec", "so && is a word" },
		{ "Exec=sh -c echo hi\n", 17, "Container.Exec", "the shell runs 'echo' alone" },
		{ "Exec=/bin/bash -ec echo hi\n", 25, "Container.Exec", "runs 'echo' alone" },
		{ "HealthCmd=/bin/sh -c curl -f http://localhost\n", 27, "Container.HealthCmd",
		  "the shell runs 'curl' alone" },
		{ "Exec=cd /srv\n", 6, "Container.Exec", "cd is a shell's own command" },
		{ "Exec=docker run web\n", 6, "Container.Exec", "docker run itself is what" },
		{ "Exec=-/bin/web a\n", 6, "Container.Exec", "- in front of a program" },
		{ "ReloadCmd=a && b\n", 13, "Container.ReloadCmd", "so && is a word" },
	};
	static const char *const fine[] = {
		"Exec=sh -c \"a && b > /x; c | d\"\n",
		"Exec=sh -c 'a $$(b)' c d\n",
		"Exec=sh -c \"$$A\"\n",
		"Exec=find / -name x -exec rm {} ;\n",
		"Exec=find / -name x -exec rm {} \\\\;\n",
		"Exec=nginx -g \"daemon off;\"\n",
		"Exec=test 1 \">\" 2\n",
		"Exec=expr a '|' b\n",
		"Exec=web --query=a&b --or=x|y --less=<z> --url=http://a/?b=c&d=e\n",
		"Exec=web set a b\n",
		"Exec=export a\nEntrypoint=/bin/tool\n",
		"Exec=-c web\n",
		"HealthCmd=curl -f http://localhost/ || exit 1\n",
		"HealthCmd=sh -c 'curl -f http://localhost/' || exit 1\n",
		"HealthCmd=\"sh -c true\"\n",
		"HealthCmd=test $$(cat /x) -gt 1 && true > /dev/null\n",
		"Exec=a && b\nExec=c\n",
		"Exec=sh -ec \"$${A}\" sh b\n",
	};

	(void)state;
	assert_warned(rows, COUNT(rows));
	assert_complaint("Entrypoint=[\"/bin/sh\", \"-c\"]\nExec=echo hi\n", DIAG_WARNING, 5, 11,
			 "Container.Exec", "the shell runs 'echo' alone");
	assert_complaint("Entrypoint=/bin/sh\nExec=-c echo hi\n", DIAG_WARNING, 5, 14,
			 "Container.Exec", "the shell runs 'echo' alone");
	assert_silent(fine, COUNT(fine));
}

static void json_that_breaks_off_is_named_at_its_place(void **state)
{
	static const struct row rows[] = {
		{ "HealthCmd=[\"CMD\", \"curl\" \"-f\"]\n", 26, "Container.HealthCmd",
		  "the JSON breaks here (a comma is missing), so podman takes the value for a shell's command" },
		{ "HealthCmd=[\"CMD\", \"curl\"\n", 25, "Container.HealthCmd", "it has no end" },
		{ "HealthCmd=[ \"CMD\", curl ]\n", 20, "Container.HealthCmd",
		  "a string in double quotes, a comma or ] is missing" },
		{ "HealthCmd=[\"CMD\", \"true\"] x\n", 27, "Container.HealthCmd", "breaks here" },
		{ "Entrypoint=[\"/bin/sh\" \"-c\"]\n", 23, "Container.Entrypoint",
		  "the name of one program" },
		{ "Entrypoint=['/bin/sh']\n", 13, "Container.Entrypoint",
		  "strings stand in double quotes" },
		{ "Entrypoint=[\"/bin/sh\",]\n", 23, "Container.Entrypoint", "breaks here" },
		{ "Entrypoint=/bin/sh -x\n", 12, "Container.Entrypoint",
		  "one program of this name, blanks included" },
	};
	static const char *const fine[] = {
		"HealthCmd=[\"CMD\", \"curl\", \"-f\"]\n",
		"HealthCmd=[ -e /x ] || exit 1\n",
		"HealthCmd=[ \"$$A\" = \"b\" ]\n",
		"Entrypoint=[ \"/bin/sh\" , \"a\\\"b]\" ]\n",
		"Entrypoint=/bin/sh\n",
		"Entrypoint=\n",
	};

	(void)state;
	assert_warned(rows, COUNT(rows));
	assert_silent(fine, COUNT(fine));
}

static void one_line_is_one_path_and_pairs_have_an_equals_sign(void **state)
{
	static const struct row rows[] = {
		{ "Tmpfs=/run,/tmp\n", 11, "Container.Tmpfs",
		  "one path, this included: each has a line of its own" },
		{ "Volume=/a /b\n", 10, "Container.Volume", "a colon parts SOURCE:/TARGET" },
		{ "Label=traefik.enable: true\n", 7, "Container.Label",
		  "YAML says NAME: VALUE, units say NAME=VALUE" },
		{ "Annotation=a =\n", 14, "Container.Annotation", "no blanks stand round" },
	};
	static const char *const fine[] = {
		"Tmpfs=/run:size=1m,mode=1777\n",
		"Volume=/a:/b:ro,noexec\n",
		"Label=a b=c\n",
		"Label=\"a: b=c\"\n",
		"Environment=A==\n",
	};

	(void)state;
	assert_warned(rows, COUNT(rows));
	assert_silent(fine, COUNT(fine));
}

static void a_variable_that_nothing_uses_is_noted(void **state)
{
	static const char *const fine[] = {
		"Environment=A=$B\n[Service]\nEnvironment=B=1\n",
		"HostName=x-${B}\n[Service]\nEnvironment=B=1\n",
		"[Service]\nEnvironment=REGISTRY_AUTH_FILE=/x HTTPS_PROXY=y PODMAN_X=z\n",
		"[Service]\nEnvironment=B=1\nExecStartPost=/bin/x\n",
	};

	(void)state;
	assert_complaint(
		"[Service]\nEnvironment=TZ=UTC\n", DIAG_NOTE, 5, 13, "Service.Environment",
		"no line here has $TZ, and the container does not get it: write Environment= in [Container]");
	assert_complaint("HostName=x-${BA}\n[Service]\nEnvironment=BA=1 \"B=2\"\n", DIAG_NOTE, 6,
			 18, "Service.Environment", "no line here has $B,");
	assert_silent(fine, COUNT(fine));
}

static void a_port_alone_is_the_containers(void **state)
{
	static const char *const fine[] = { "PublishPort=8080:80\n", "PublishPort=127.0.0.1::80\n",
					    "PublishPort=$PORT\n[Service]\nEnvironment=PORT=1\n" };

	(void)state;
	for (size_t i = 0; i < COUNT(fine); i++) {
		struct unit_set set;
		char text[256];

		snprintf(text, sizeof(text), "[Container]\nImage=localhost/web:1\n%s", fine[i]);
		load_text(&set, text);
		assert_int_equal(set.diags.count, 0);
		unit_set_fini(&set);
	}

	struct unit_set set;

	load_text(&set, FINE "PublishPort=80\n");
	assert_diag(&set, DIAG_NOTE, 4, 13, "Container.PublishPort", "open as it is");
	unit_set_fini(&set);
	load_text(&set, "[Container]\nImage=localhost/web:1\nPublishPort=53/udp\n");
	assert_diag(&set, DIAG_NOTE, 3, 13, "Container.PublishPort",
		    "a free port of the host is taken for the container's 53/udp");
	assert_non_null(strstr(set.diags.items[0].text, "write 53:53/udp"));
	unit_set_fini(&set);
	set = (struct unit_set){ 0 };
	load_named(&set, "p.pod", "[Pod]\nPublishPort=8080\n");
	assert_diag(&set, DIAG_NOTE, 2, 13, "Pod.PublishPort", "write 8080:8080");
	unit_set_fini(&set);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(signs_of_printed_text_are_named),
		cmocka_unit_test(each_sort_of_sign_is_said_once),
		cmocka_unit_test(signs_in_names_are_named),
		cmocka_unit_test(percent_signs_of_dates_and_formats_are_named),
		cmocka_unit_test(a_shells_words_are_named_where_no_shell_is),
		cmocka_unit_test(json_that_breaks_off_is_named_at_its_place),
		cmocka_unit_test(one_line_is_one_path_and_pairs_have_an_equals_sign),
		cmocka_unit_test(a_variable_that_nothing_uses_is_noted),
		cmocka_unit_test(a_port_alone_is_the_containers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
