/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How the image is had: --pull and its helpers, and the words of "podman image pull" that .image units become. Nothing is looked
 * at here. Must never put credentials into a message.
 */
#include "spec/options.h"

#include "image/ref.h"
#include "util/str.h"

#define MAX_RETRIES 100

void parse_auth_file(struct options *o, const char *value)
{
	const char *path = option_path(o, "the file", value);

	if (path)
		o->spec->registry.auth_file = path;
}

void parse_cert_dir(struct options *o, const char *value)
{
	const char *path = option_path(o, "the folder", value);

	if (path)
		o->spec->registry.cert_dir = path;
}

/* podman takes a user alone, too, and asks for the password: here nobody can be asked. */
void parse_creds(struct options *o, const char *value)
{
	const char *colon = strchr(value, ':');

	if (!option_is_text(o, "the credentials", value))
		return;
	if (!colon || colon == value)
		option_error(o, "USER:PASSWORD is expected");
	else
		o->spec->registry.creds = arena_strdup(o->arena, value);
}

void parse_tls_verify(struct options *o, const char *value)
{
	o->spec->registry.tls_verify = str_eq(value, "true") ? SPEC_YES : SPEC_NO;
}

void parse_retry(struct options *o, const char *value)
{
	uint64_t count;

	if (!str_to_u64(value, UINT32_MAX, &count))
		option_error(o, "\"%s\" is no number from 0", option_shown(o, value));
	else if (count > MAX_RETRIES)
		option_error(o, "more than %d: a pull that failed is tried again anyway",
			     MAX_RETRIES);
	else
		o->spec->registry.retries = (unsigned)count;
}

void parse_retry_delay(struct options *o, const char *value)
{
	if (!option_to_usec(value, &o->spec->registry.retry_delay_usec))
		option_error(o, "\"%s\" is no time: a number with ms, s, m or h behind it",
			     option_shown(o, value));
}

#define ACT(name, arg, parse, text, example, bad)                              \
	{                                                                      \
		name, 0, OPTION_##arg, OPTION_ACTED, parse, text, example, bad \
	}
#define NOTE(name, letter, arg, text, example)                                      \
	{                                                                           \
		name, letter, OPTION_##arg, OPTION_NOTED, NULL, text, example, NULL \
	}
#define REFUSE(name, letter, arg, text, example)                                      \
	{                                                                             \
		name, letter, OPTION_##arg, OPTION_REFUSED, NULL, text, example, NULL \
	}

static const char platform[] = "only images of this machine's platform can run";

/* clang-format off */
static const struct option rows[] = {
	REFUSE("all-tags", 'a', BOOL, "one image is pulled for whoever uses it: name its tag", "true"),
	REFUSE("arch", 0, VALUE, platform, "arm64"),
	ACT("authfile", VALUE, parse_auth_file, "file with the registries' passwords, in place of /config/auth.json", "/config/auth.json", "auth.json"),
	ACT("cert-dir", VALUE, parse_cert_dir, "folder with the registry's certificates, in place of /config/certs.d", "/config/certs.d/registry", "certs"),
	ACT("creds", VALUE, parse_creds, "USER:PASSWORD for the registry", "user:word", "user"),
	NOTE("decryption-key", 0, LIST, "encrypted layers are refused by name", "/config/keys/key.pem"),
	NOTE("disable-content-trust", 0, BOOL, "has no effect in podman either", "true"),
	REFUSE("os", 0, VALUE, platform, "linux"),
	REFUSE("platform", 0, VALUE, platform, "linux/arm64"),
	ACT("policy", VALUE, parse_pull, "always, missing, never, newer", "missing", "sometimes"),
	NOTE("quiet", 'q', BOOL, "progress is in /status", "true"),
	ACT("retry", VALUE, parse_retry, "how often one request is tried again", "3", "often"),
	ACT("retry-delay", VALUE, parse_retry_delay, "pause before the first of these tries; it doubles", "5s", "soon"),
	ACT("tls-verify", BOOL, parse_tls_verify, "false: certificates are not checked, and plain HTTP will do", "true", "maybe"),
	REFUSE("variant", 0, VALUE, platform, "v8"),
};
/* clang-format on */

const struct option_table options_of_image_pull = { rows, sizeof(rows) / sizeof(rows[0]) };

static const struct origin no_origin = { .file = "", .key = "" };
static const struct arg no_word = { .text = "", .origin = &no_origin };

int spec_image_from_args(struct container_spec *spec, struct arena *arena,
			 const struct arg_list *args, struct diags *diags)
{
	struct options o = { .table = &options_of_image_pull,
			     .spec = spec,
			     .arena = arena,
			     .diags = diags,
			     .word = args->count ? &args->items[0] : &no_word };
	size_t errors_before = diags->error_count, at;
	struct image_ref ref;
	struct err err;

	spec_defaults(spec);
	/* podman's "image pull" means always; an appliance that boots without a network has to start what is there */
	spec->pull = SPEC_PULL_NEWER;
	at = options_take(&o, args, 0);
	o.row = NULL;
	if (at + 1 != args->count) {
		o.word = at < args->count ? &args->items[at] : &no_word;
		option_error(&o, "one image is expected, there are %zu", args->count - at);
		return -1;
	}
	o.word = &args->items[at];
	if (ref_parse(o.word->text, &ref, &err) < 0)
		option_error(&o, "%s", err.msg);
	spec->image = arena_strdup(arena, o.word->text);
	return diags->error_count == errors_before ? 0 : -1;
}
