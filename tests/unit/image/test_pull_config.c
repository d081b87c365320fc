/* SPDX-License-Identifier: Apache-2.0 */
/* Where the files are looked for, what of them is handed on, certificates by registry, TLSVerify=, proxies, and torn bundles. */
#include "pull_test.h"

#include <errno.h>
#include <sys/stat.h>

#include "image_test.h"
#include "util/file.h"
#include "util/str.h"

#define CA_PEM "-----BEGIN CERTIFICATE-----\nQUFB\n-----END CERTIFICATE-----\n"
#define KEY_PEM "-----BEGIN EC PRIVATE KEY-----\nQUFB\n-----END EC PRIVATE KEY-----\n"

/* Folders are made on the way. */
static void put_file(const struct scratch *s, const char *path, const char *text)
{
	char name[256];
	struct err err;

	snprintf(name, sizeof(name), "%s", path);
	for (char *slash = strchr(name, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		assert_true(mkdirat(s->fd, name, 0755) == 0 || errno == EEXIST);
		*slash = '/';
	}
	if (file_write_atomic(s->fd, path, text, strlen(text), 0600, false, &err) < 0)
		fail_msg("%s", err.msg);
}

struct where {
	struct scratch scratch;
	struct arena arena;
	const char *system[2], *ca[3];
	struct pull_places places;
};

static const char *in_scratch(struct where *w, const char *name)
{
	return arena_join(&w->arena, w->scratch.path, "/", name);
}

static int open_where(void **state)
{
	struct where *w = calloc(1, sizeof(*w));

	assert_non_null(w);
	scratch_open(&w->scratch);
	w->system[0] = in_scratch(w, "etc");
	w->ca[0] = in_scratch(w, "ca1.pem");
	w->ca[1] = in_scratch(w, "ca2.pem");
	w->places = (struct pull_places){ .config_dir = in_scratch(w, "config"),
					  .system_dirs = w->system,
					  .ca_files = w->ca };
	*state = w;
	return 0;
}

static int close_where(void **state)
{
	struct where *w = *state;

	scratch_close(&w->scratch);
	arena_fini(&w->arena);
	free(w);
	return 0;
}

static struct pull_config *gathered(struct where *w)
{
	auto_buf bundle = BUF_INIT(PULL_CONFIG_MAX_BYTES);
	struct pull_config *config;
	struct err err;

	if (pull_config_gather(&w->places, &bundle, &err) < 0 ||
	    pull_config_parse(buf_str(&bundle), bundle.len, &w->arena, &config, &err) < 0)
		fail_msg("%s", err.msg);
	return config;
}

#define assert_gathered(w, name, expected) \
	assert_string_equal(resolved(&(w)->arena, gathered(w), name), expected)

/* The reason without the scratch folder's name. */
static const char *gather_error(struct where *w, enum err_code code)
{
	auto_buf bundle = BUF_INIT(2 * PULL_CONFIG_MAX_BYTES);
	const char *text, *at;
	struct err err;

	assert_int_equal(pull_config_gather(&w->places, &bundle, &err), -1);
	assert_int_equal(err.code, code);
	assert_int_equal(bundle.len, 0);
	text = arena_strdup(&w->arena, err.msg);
	while ((at = strstr(text, w->scratch.path)))
		text = arena_join(&w->arena, arena_strndup(&w->arena, text, (size_t)(at - text)),
				  at + strlen(w->scratch.path) + 1);
	return text;
}

static struct pull_endpoint endpoint_of(struct where *w, const char *name)
{
	struct pull_candidate *candidates;
	struct image_ref ref;
	struct err err;
	size_t count;

	if (ref_parse(name, &ref, &err) < 0 ||
	    pull_config_resolve(gathered(w), &ref, &w->arena, &candidates, &count, &err) < 0)
		fail_msg("%s", err.msg);
	return candidates[0].endpoints[candidates[0].endpoint_count - 1];
}

/* --- files --- */

static void nothing_anywhere_is_a_configuration(void **state)
{
	struct where *w = *state;
	size_t length = 1;

	w->places = (struct pull_places){ 0 };
	assert_gathered(w, "r.io/x", "r.io/x:latest -> r.io/x");
	assert_null(pull_config_ca(gathered(w), &length));
	assert_int_equal(length, 0);
	assert_null(pull_config_proxy(gathered(w), "https", "r.io"));
}

static void our_own_registries_conf_replaces_the_systems_with_its_dropins(void **state)
{
	struct where *w = *state;

	put_file(&w->scratch, "etc/registries.conf", "unqualified-search-registries = ['sys.io']");
	put_file(&w->scratch, "etc/registries.conf.d/1.conf", "[aliases]\na = 'sys.io/a'");
	assert_gathered(w, "x", "sys.io/x:latest -> sys.io/x");
	assert_gathered(w, "a", "sys.io/a:latest -> sys.io/a");

	/* our drop-ins come after the system's */
	put_file(&w->scratch, "config/registries.conf.d/0.conf", "[aliases]\na = 'own.io/a'");
	assert_gathered(w, "x", "sys.io/x:latest -> sys.io/x");
	assert_gathered(w, "a", "own.io/a:latest -> own.io/a");

	put_file(&w->scratch, "config/registries.conf",
		 "unqualified-search-registries = ['own.io']");
	assert_gathered(w, "x", "own.io/x:latest -> own.io/x");
	assert_int_equal(unlinkat(w->scratch.fd, "config/registries.conf.d/0.conf", 0), 0);
	assert_gathered(w, "a", "own.io/a:latest -> own.io/a");
}

static void dropins_are_read_by_name_and_only_conf_files(void **state)
{
	struct where *w = *state;
	static const char text[] = "unqualified-search-registries = ['%s.io']";

	put_file(&w->scratch, "config/registries.conf.d/20.conf",
		 arena_printf(&w->arena, text, "b"));
	put_file(&w->scratch, "config/registries.conf.d/10.conf",
		 arena_printf(&w->arena, text, "a"));
	put_file(&w->scratch, "config/registries.conf.d/30.conf~", "broken");
	put_file(&w->scratch, "config/registries.conf.d/.40.conf", "broken");
	put_file(&w->scratch, "config/registries.conf.d/50.conf/x.conf", "broken");
	assert_gathered(w, "x", "b.io/x:latest -> b.io/x");
}

static void links_are_followed_and_broken_ones_reported(void **state)
{
	struct where *w = *state;

	put_file(&w->scratch, "real/r", "unqualified-search-registries = ['l.io']");
	put_file(&w->scratch, "config/registries.conf.d/readme", "");
	assert_int_equal(symlinkat("../real/r", w->scratch.fd, "config/registries.conf"), 0);
	assert_gathered(w, "x", "l.io/x:latest -> l.io/x");
	assert_int_equal(symlinkat("gone", w->scratch.fd, "config/registries.conf.d/a.conf"), 0);
	assert_string_equal(gather_error(w, ERR_NOT_FOUND),
			    "config/registries.conf.d/a.conf: open: No such file or directory");
}

static void only_regular_files_are_read_and_nothing_is_waited_for(void **state)
{
	struct where *w = *state;

	put_file(&w->scratch, "config/x", "");
	assert_int_equal(mkfifoat(w->scratch.fd, "config/registries.conf", 0600), 0);
	assert_string_equal(gather_error(w, ERR_INPUT),
			    "config/registries.conf: not a regular file");
	assert_int_equal(unlinkat(w->scratch.fd, "config/registries.conf", 0), 0);
	assert_int_equal(mkdirat(w->scratch.fd, "config/auth.json", 0700), 0);
	assert_string_equal(gather_error(w, ERR_INPUT), "config/auth.json: not a regular file");
}

static void a_file_with_a_nul_byte_is_no_text(void **state)
{
	struct where *w = *state;
	struct err err;

	put_file(&w->scratch, "config/x", "");
	assert_int_equal(file_write_atomic(w->scratch.fd, "config/auth.json", "{\0}", 3, 0600,
					   false, &err),
			 0);
	assert_string_equal(gather_error(w, ERR_INPUT), "config/auth.json: not a text: NUL byte");
}

static void a_folder_that_is_a_file_is_an_error(void **state)
{
	struct where *w = *state;

	put_file(&w->scratch, "config/certs.d", "");
	assert_string_equal(gather_error(w, ERR_SYS), "config/certs.d: open: Not a directory");
}

static void auth_files_are_asked_in_order_unless_one_is_given(void **state)
{
	struct where *w = *state;

	put_file(&w->scratch, "config/auth.json", "{\"auths\":{\"a.io\":{\"auth\":\"YTph\"}}}");
	put_file(&w->scratch, "etc/auth.json",
		 "{\"auths\":{\"a.io\":{\"auth\":\"Yjpi\"},\"b.io\":{\"auth\":\"Yjpi\"}}}");
	assert_gathered(w, "a.io/x", "a.io/x:latest -> a.io/x[a.io a:a]");
	assert_gathered(w, "b.io/x", "b.io/x:latest -> b.io/x[b.io b:b]");

	w->places.auth_file = in_scratch(w, "mine.json");
	assert_string_equal(gather_error(w, ERR_NOT_FOUND),
			    "AuthFile: mine.json: open: No such file or directory");
	put_file(&w->scratch, "mine.json", "{\"auths\":{\"a.io\":{\"auth\":\"Yzpj\"}}}");
	assert_gathered(w, "a.io/x", "a.io/x:latest -> a.io/x[a.io c:c]");
	assert_gathered(w, "b.io/x", "b.io/x:latest -> b.io/x");
}

static void given_credentials_travel_in_the_bundle(void **state)
{
	struct where *w = *state;

	w->places.creds = "me:a%b\tc";
	assert_gathered(w, "a.io/x", "a.io/x:latest -> a.io/x[Creds me:a%b\tc]");
	w->places.creds = "";
	assert_gathered(w, "a.io/x", "a.io/x:latest -> a.io/x");
}

static void the_first_ca_file_that_is_there_is_taken(void **state)
{
	struct where *w = *state;
	size_t length;

	assert_null(pull_config_ca(gathered(w), &length));
	put_file(&w->scratch, "ca2.pem", CA_PEM "2");
	assert_string_equal(pull_config_ca(gathered(w), &length), CA_PEM "2");
	assert_int_equal(length, strlen(CA_PEM "2"));
	put_file(&w->scratch, "ca1.pem", CA_PEM);
	assert_string_equal(pull_config_ca(gathered(w), &length), CA_PEM);
	assert_int_equal(length, strlen(CA_PEM));
}

static void the_bundle_is_bounded(void **state)
{
	struct where *w = *state;
	size_t size = 3 * 1024 * 1024;
	char *text = calloc(1, size + 1);

	assert_non_null(text);
	memset(text, '#', size);
	put_file(&w->scratch, "ca1.pem", text);
	put_file(&w->scratch, "config/certs.d/a.io/a.crt", text);
	put_file(&w->scratch, "config/certs.d/a.io/b.crt", text);
	assert_string_equal(gather_error(w, ERR_LIMIT),
			    "ca1.pem: with it, the files that decide about pulls are larger than "
			    "8388608 bytes");
	free(text);
}

static void the_number_of_files_is_bounded(void **state)
{
	struct where *w = *state;

	for (int i = 0; i < 300; i++) {
		put_file(&w->scratch, arena_printf(&w->arena, "config/certs.d/a.io/%03d.crt", i),
			 CA_PEM);
		put_file(&w->scratch, arena_printf(&w->arena, "config/certs.d/b.io/%03d.crt", i),
			 CA_PEM);
	}
	assert_string_equal(gather_error(w, ERR_LIMIT),
			    "config/certs.d/b.io/212.crt: more than 512 files");
	for (int i = 300; i < 520; i++)
		put_file(&w->scratch, arena_printf(&w->arena, "config/certs.d/a.io/%03d.crt", i),
			 CA_PEM);
	assert_string_equal(gather_error(w, ERR_LIMIT),
			    "config/certs.d/a.io: more than 512 entries");
}

/* --- certificates --- */

static void certificates_belong_to_host_and_port(void **state)
{
	struct where *w = *state;
	struct pull_endpoint e;

	put_file(&w->scratch, "config/certs.d/r.io:5000/ca.crt", CA_PEM);
	put_file(&w->scratch, "config/certs.d/r.io:5000/me.cert", CA_PEM "c");
	put_file(&w->scratch, "config/certs.d/r.io:5000/me.key", KEY_PEM);
	e = endpoint_of(w, "r.io:5000/x");
	assert_string_equal(e.ca_pem, CA_PEM);
	assert_int_equal(e.ca_pem_len, strlen(CA_PEM));
	assert_string_equal(e.client_cert_pem, CA_PEM "c");
	assert_int_equal(e.client_cert_pem_len, strlen(CA_PEM "c"));
	assert_string_equal(e.client_key_pem, KEY_PEM);
	assert_int_equal(e.client_key_pem_len, strlen(KEY_PEM));
	e = endpoint_of(w, "r.io/x");
	assert_null(e.ca_pem);
	assert_null(e.client_cert_pem);
	assert_null(e.client_key_pem);
}

static void several_authorities_are_all_trusted(void **state)
{
	struct where *w = *state;
	struct pull_endpoint e;

	put_file(&w->scratch, "config/certs.d/docker.io/b.crt", CA_PEM "b");
	put_file(&w->scratch, "config/certs.d/docker.io/a.crt", "text\n" CA_PEM);
	e = endpoint_of(w, "docker.io/x");
	assert_string_equal(e.ca_pem, "text\n" CA_PEM "\n" CA_PEM "b");
	assert_int_equal(e.ca_pem_len, strlen(e.ca_pem));
}

static void the_first_folder_of_a_host_counts_even_when_empty(void **state)
{
	struct where *w = *state;

	put_file(&w->scratch, "etc/certs.d/r.io/ca.crt", CA_PEM);
	assert_string_equal(endpoint_of(w, "r.io/x").ca_pem, CA_PEM);
	put_file(&w->scratch, "config/certs.d/r.io/.keep", "");
	assert_null(endpoint_of(w, "r.io/x").ca_pem);
}

static void cert_dir_stands_for_every_registry(void **state)
{
	struct where *w = *state;

	put_file(&w->scratch, "config/certs.d/r.io/ca.crt", CA_PEM);
	w->places.cert_dir = in_scratch(w, "mine");
	assert_string_equal(gather_error(w, ERR_NOT_FOUND),
			    "CertDir: mine: stat: No such file or directory");
	put_file(&w->scratch, "mine/x.crt", CA_PEM "mine");
	assert_string_equal(endpoint_of(w, "r.io/x").ca_pem, CA_PEM "mine");
	assert_string_equal(endpoint_of(w, "s.io:5000/x").ca_pem, CA_PEM "mine");
}

static void certificates_are_looked_up_where_a_mirror_really_is(void **state)
{
	struct where *w = *state;
	struct pull_candidate *candidates;
	struct image_ref ref;
	struct err err;
	size_t count;

	put_file(&w->scratch, "config/registries.conf",
		 "[[registry]]\nlocation = 'r.io'\n[[registry.mirror]]\nlocation = 'm.io/x'");
	put_file(&w->scratch, "config/certs.d/m.io/ca.crt", CA_PEM);
	assert_int_equal(ref_parse("r.io/a", &ref, &err), 0);
	assert_int_equal(
		pull_config_resolve(gathered(w), &ref, &w->arena, &candidates, &count, &err), 0);
	assert_int_equal(candidates[0].endpoint_count, 2);
	assert_string_equal(candidates[0].endpoints[0].ca_pem, CA_PEM);
	assert_null(candidates[0].endpoints[1].ca_pem);
}

static const char *resolve_error(struct where *w, const char *name)
{
	const char *text = resolved(&w->arena, gathered(w), name), *at;

	while ((at = strstr(text, w->scratch.path)))
		text = arena_join(&w->arena, arena_strndup(&w->arena, text, (size_t)(at - text)),
				  at + strlen(w->scratch.path) + 1);
	return text;
}

static void a_broken_folder_stops_its_registry_only(void **state)
{
	struct where *w = *state;
	struct err err;

	put_file(&w->scratch, "config/certs.d/a.io/me.cert", CA_PEM);
	put_file(&w->scratch, "config/certs.d/b.io/me.key", KEY_PEM);
	put_file(&w->scratch, "config/certs.d/c.io/ca.crt", "no certificate\n-----BEGIN X-----\n");
	put_file(&w->scratch, "config/certs.d/d.io/1.cert", CA_PEM);
	put_file(&w->scratch, "config/certs.d/d.io/1.key", KEY_PEM);
	put_file(&w->scratch, "config/certs.d/d.io/2.cert", CA_PEM);
	put_file(&w->scratch, "config/certs.d/d.io/2.key", KEY_PEM);
	put_file(&w->scratch, "config/certs.d/e.io/me.cert", CA_PEM);
	put_file(&w->scratch, "config/certs.d/e.io/me.key", CA_PEM);
	put_file(&w->scratch, "config/certs.d/f.io/x", "");
	assert_int_equal(mkfifoat(w->scratch.fd, "config/certs.d/f.io/ca.crt", 0600), 0);
	put_file(&w->scratch, "config/certs.d/g.io/x", "");
	assert_int_equal(file_write_atomic(w->scratch.fd, "config/certs.d/g.io/der.crt", "0\0\1", 3,
					   0600, false, &err),
			 0);
	put_file(&w->scratch, "config/certs.d/h.io/ca.crt", CA_PEM);

	assert_string_equal(resolve_error(w, "a.io/x"),
			    "error: config/certs.d/a.io/me.cert: its key me.key is missing; "
			    "certificates of authorities end in .crt");
	assert_string_equal(
		resolve_error(w, "b.io/x"),
		"error: config/certs.d/b.io/me.key: its certificate me.cert is missing");
	assert_string_equal(
		resolve_error(w, "c.io/x"),
		"error: config/certs.d/c.io/ca.crt: no PEM block \"CERTIFICATE\" in it");
	assert_string_equal(
		resolve_error(w, "d.io/x"),
		"error: config/certs.d/d.io: more than one client certificate: keep one "
		"*.cert and its *.key");
	assert_string_equal(
		resolve_error(w, "e.io/x"),
		"error: config/certs.d/e.io/me.key: no PEM block \"PRIVATE KEY\" in it");
	assert_string_equal(resolve_error(w, "f.io/x"),
			    "error: config/certs.d/f.io/ca.crt: config/certs.d/f.io/ca.crt: not a "
			    "regular file");
	assert_string_equal(
		resolve_error(w, "g.io/x"),
		"error: config/certs.d/g.io/der.crt: config/certs.d/g.io/der.crt: not a "
		"text: NUL byte");
	assert_string_equal(resolve_error(w, "h.io/x"), "h.io/x:latest -> h.io/x");
}

static void files_with_other_endings_are_noted(void **state)
{
	struct where *w = *state;
	const char *text;

	put_file(&w->scratch, "config/certs.d/r.io/ca.pem", CA_PEM);
	text = notes_of(&w->arena, gathered(w));
	assert_true(str_ends(text, "/config/certs.d/r.io/ca.pem is not read: authorities end in "
				   ".crt, a client's certificate and key in .cert and .key\n"));
	assert_null(endpoint_of(w, "r.io/x").ca_pem);
}

/* --- TLSVerify= and proxies --- */

static void tls_verify_wins_over_insecure_in_both_directions(void **state)
{
	struct where *w = *state;

	put_file(&w->scratch, "config/registries.conf",
		 "[[registry]]\nlocation = 'r.io'\ninsecure = true\n"
		 "[[registry.mirror]]\nlocation = 'm.io'");
	assert_gathered(w, "r.io/x", "r.io/x:latest -> mirror:m.io/x r.io/x!");
	w->places.tls_verify_given = true;
	assert_gathered(w, "r.io/x", "r.io/x:latest -> mirror:m.io/x! r.io/x!");
	assert_gathered(w, "s.io/x", "s.io/x:latest -> s.io/x!");
	w->places.tls_verify = true;
	assert_gathered(w, "r.io/x", "r.io/x:latest -> mirror:m.io/x r.io/x");
}

static void a_proxy_is_chosen_by_scheme(void **state)
{
	struct where *w = *state;
	const struct pull_config *config;

	w->places.http_proxy = "10.0.0.1:3128";
	w->places.https_proxy = "http://user:secret@proxy.lan:8080/";
	config = gathered(w);
	assert_string_equal(pull_config_proxy(config, "http", "r.io"), "http://10.0.0.1:3128");
	assert_string_equal(pull_config_proxy(config, "https", "r.io:5000"),
			    "http://user:secret@proxy.lan:8080/");
	w->places.http_proxy = NULL;
	config = gathered(w);
	assert_null(pull_config_proxy(config, "http", "r.io"));
	assert_null(pull_config_proxy(config, "https", ""));
}

static void no_proxy_follows_curls_rules(void **state)
{
	static const struct {
		const char *list, *host;
		bool direct;
	} cases[] = {
		{ "*", "r.io", true },
		{ "*,a.io", "r.io", false },
		{ "r.io", "r.io", true },
		{ "r.io", "R.IO:5000", true },
		{ "R.io.", "a.r.io", true },
		{ ".r.io", "r.io", true },
		{ ".r.io", "a.b.r.io", true },
		{ "r.io", "xr.io", false },
		{ "r.io", "r.io.evil", false },
		{ "r.io", "r.io.", true },
		{ "a.io, b.io\tc.io", "c.io", true },
		{ ",, ,a.io", "a.io", true },
		{ "", "r.io", false },
		{ ".", "r.io", false },
		{ "10.0.0.1", "10.0.0.1:5000", true },
		{ "10.0.0.1", "10.0.0.11", false },
		{ "10.0.0.0/8", "10.9.8.7", true },
		{ "10.0.0.0/8", "11.0.0.1", false },
		{ "192.168.4.0/22", "192.168.7.255", true },
		{ "192.168.4.0/22", "192.168.8.0", false },
		{ "0.0.0.0/0", "1.2.3.4", true },
		{ "10.0.0.0/33", "10.0.0.0", false },
		{ "10.0.0.0/x", "10.0.0.0", false },
		{ "0.1", "10.0.0.1", false },
		{ "10.0.0.0/8", "10.io", false },
		{ "::1", "[::1]:5000", true },
		{ "::1", "::1", true },
		{ "fd00::/8", "[fdff::1]", true },
		{ "fd00::/7", "[fcff::1]", true },
		{ "fd00::/8", "[fe00::1]:443", false },
		{ "10.0.0.1", "[::1]", false },
	};
	struct where *w = *state;

	w->places.https_proxy = "http://p:1";
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const char *proxy;

		w->places.no_proxy = cases[i].list;
		proxy = pull_config_proxy(gathered(w), "https", cases[i].host);
		if ((proxy == NULL) != cases[i].direct)
			fail_msg("no_proxy %s: %s is %s", cases[i].list, cases[i].host,
				 proxy ? "not direct" : "direct");
	}
}

/* --- bundles --- */

static void torn_bundles_are_refused(void **state)
{
	static const struct {
		const char *text, *reason;
	} cases[] = {
		{ "", "not a pullconfig record" },
		{ "cleat-pullconfig 1 5\ncert", "pullconfig record: torn" },
		{ "cleat-pullconfig 2 0\n",
		  "pullconfig record: version 2 is not known to this version" },
		{ "cleat-pullconfig 1 4\nx y\n", "bundle: x: unknown record" },
		{ "cleat-pullconfig 1 7\nauth x\n", "bundle: auth: torn" },
		{ "cleat-pullconfig 1 13\nregistries x\n", "bundle: registries: torn" },
		{ "cleat-pullconfig 1 5\nca x\n", "bundle: ca: torn" },
		{ "cleat-pullconfig 1 8\ncerts x\n", "bundle: certs: torn" },
		{ "cleat-pullconfig 1 11\ncert x%0Ay\n", "bundle: cert without its folder" },
		{ "cleat-pullconfig 1 13\ncert-other x\n",
		  "bundle: cert-other without its folder" },
		{ "cleat-pullconfig 1 23\ncerts x%0Ay\ncert noend\n", "bundle: cert: torn" },
		{ "cleat-pullconfig 1 9\nauth x%00\n", "pullconfig record: torn" },
		{ "cleat-pullconfig 1 10\nauth x%00\n", "record line auth: bad escape" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		auto_arena arena = { 0 };
		struct pull_config *config;
		struct err err;

		assert_int_equal(pull_config_parse(cases[i].text, strlen(cases[i].text), &arena,
						   &config, &err),
				 -1);
		assert_string_equal(err.msg, cases[i].reason);
	}
}

static void a_bundle_beyond_its_bound_is_not_looked_at(void **state)
{
	auto_arena arena = { 0 };
	struct pull_config *config;
	struct err err;

	(void)state;
	assert_int_equal(pull_config_parse("", PULL_CONFIG_MAX_BYTES + 129, &arena, &config, &err),
			 -1);
	assert_int_equal(err.code, ERR_LIMIT);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, open_where, close_where)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(nothing_anywhere_is_a_configuration),
		TEST(our_own_registries_conf_replaces_the_systems_with_its_dropins),
		TEST(dropins_are_read_by_name_and_only_conf_files),
		TEST(links_are_followed_and_broken_ones_reported),
		TEST(only_regular_files_are_read_and_nothing_is_waited_for),
		TEST(a_file_with_a_nul_byte_is_no_text),
		TEST(a_folder_that_is_a_file_is_an_error),
		TEST(auth_files_are_asked_in_order_unless_one_is_given),
		TEST(given_credentials_travel_in_the_bundle),
		TEST(the_first_ca_file_that_is_there_is_taken),
		TEST(the_bundle_is_bounded),
		TEST(the_number_of_files_is_bounded),
		TEST(certificates_belong_to_host_and_port),
		TEST(several_authorities_are_all_trusted),
		TEST(the_first_folder_of_a_host_counts_even_when_empty),
		TEST(cert_dir_stands_for_every_registry),
		TEST(certificates_are_looked_up_where_a_mirror_really_is),
		TEST(a_broken_folder_stops_its_registry_only),
		TEST(files_with_other_endings_are_noted),
		TEST(tls_verify_wins_over_insecure_in_both_directions),
		TEST(a_proxy_is_chosen_by_scheme),
		TEST(no_proxy_follows_curls_rules),
		cmocka_unit_test(torn_bundles_are_refused),
		cmocka_unit_test(a_bundle_beyond_its_bound_is_not_looked_at),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
