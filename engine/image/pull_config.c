/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a reference means for the network: which registries, in which order, with which rights. Runs in the confined worker
 * on a bundle that pull_config_gather made; pure functions. Must never put a password or token into a message, and never
 * give one registry what was meant for another.
 */
#include "image/pull_config.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "image/flat.h"
#include "image/pull_config_internal.h"
#include "util/str.h"

struct pull_config {
	struct registries registries;
	struct auth_file *auth_files; /* in the order to ask */
	size_t auth_file_count;
	struct certs_folder *folders; /* the first of a host counts */
	size_t folder_count;
	const char *config_folder;
	const char *ca;
	size_t ca_length;
	const char *user, *password; /* Creds=; NULL: not given */
	bool tls_verify_given, tls_verify;
	const char *http_proxy, *https_proxy, *no_proxy; /* NULL: not given */
	struct pull_notes notes;
};

/* --- the bundle --- */

struct bundle_reader {
	struct pull_config *config;
	struct arena *arena;
	struct err *err;
};

struct bundle_text { /* "HEAD\nTEXT" */
	const char *head, *text;
	size_t length;
};

typedef int bundle_fn(struct bundle_reader *r, const struct flat_line *line);

void pull_note(struct pull_notes *notes, struct arena *arena, const char *fmt, ...)
{
	va_list ap;

	if (notes->count == PULL_NOTES_MAX)
		return;
	va_start(ap, fmt);
	*arena_push(arena, notes->items, notes->count) = arena_vprintf(arena, fmt, ap);
	va_end(ap);
}

static int split_text(struct bundle_reader *r, const struct flat_line *line,
		      struct bundle_text *out)
{
	char *end = memchr(line->value, '\n', line->len);

	*out = (struct bundle_text){ .head = "", .text = "" };
	if (!end)
		return err_set(r->err, ERR_INTEGRITY, "bundle: %s: torn", line->key);
	*end = '\0'; /* the bundle is our own copy */
	out->head = line->value;
	out->text = end + 1;
	out->length = line->len - (size_t)(end + 1 - line->value);
	return 0;
}

static int read_config_folder(struct bundle_reader *r, const struct flat_line *line)
{
	r->config->config_folder = line->value;
	return 0;
}

static int read_registries(struct bundle_reader *r, const struct flat_line *line)
{
	struct bundle_text file;

	if (split_text(r, line, &file) < 0)
		return -1;
	return registries_merge(&r->config->registries, file.head, file.text, file.length, r->arena,
				&r->config->notes, r->err);
}

static int read_auth(struct bundle_reader *r, const struct flat_line *line)
{
	struct pull_config *config = r->config;
	struct bundle_text file;

	if (split_text(r, line, &file) < 0)
		return -1;
	return auth_parse(file.head, file.text, file.length, r->arena, &config->notes,
			  arena_push(r->arena, config->auth_files, config->auth_file_count),
			  r->err);
}

static int read_ca(struct bundle_reader *r, const struct flat_line *line)
{
	struct bundle_text file;

	if (split_text(r, line, &file) < 0)
		return -1;
	r->config->ca = file.text;
	r->config->ca_length = file.length;
	return 0;
}

static int read_certs(struct bundle_reader *r, const struct flat_line *line)
{
	struct certs_folder *folder =
		arena_push(r->arena, r->config->folders, r->config->folder_count);
	struct bundle_text path;

	if (split_text(r, line, &path) < 0)
		return -1;
	folder->host = path.head;
	folder->path = path.text;
	return 0;
}

/* The one of the last "certs"; NULL and an error when there was none. */
static struct certs_folder *last_folder(struct bundle_reader *r, const struct flat_line *line)
{
	if (r->config->folder_count > 0)
		return &r->config->folders[r->config->folder_count - 1];
	err_set(r->err, ERR_INTEGRITY, "bundle: %s without its folder", line->key);
	return NULL;
}

static int add_cert(struct bundle_reader *r, const struct flat_line *line, bool unread)
{
	struct certs_folder *folder = last_folder(r, line);
	struct bundle_text file;
	struct certs_file *to;

	if (!folder || split_text(r, line, &file) < 0)
		return -1;
	to = arena_push(r->arena, folder->files, folder->file_count);
	to->name = file.head;
	to->text = unread ? NULL : file.text;
	to->length = unread ? 0 : file.length;
	to->unread = unread ? file.text : "";
	return 0;
}

static int read_cert(struct bundle_reader *r, const struct flat_line *line)
{
	return add_cert(r, line, false);
}

static int read_cert_unread(struct bundle_reader *r, const struct flat_line *line)
{
	return add_cert(r, line, true);
}

static int note_cert_other(struct bundle_reader *r, const struct flat_line *line)
{
	const struct certs_folder *folder = last_folder(r, line);

	if (!folder)
		return -1;
	pull_note(&r->config->notes, r->arena,
		  "%s/%s is not read: authorities end in .crt, a client's certificate and key in "
		  ".cert and .key",
		  folder->path, line->value);
	return 0;
}

static int read_creds(struct bundle_reader *r, const struct flat_line *line)
{
	const char *colon = strchr(line->value, ':');

	if (!colon || colon == line->value || !colon[1])
		return err_set(r->err, ERR_INPUT, "Creds: not USER:PASSWORD");
	r->config->user = arena_strndup(r->arena, line->value, (size_t)(colon - line->value));
	r->config->password = colon + 1;
	return 0;
}

static int read_tls_verify(struct bundle_reader *r, const struct flat_line *line)
{
	r->config->tls_verify_given = true;
	r->config->tls_verify = str_eq(line->value, "1");
	return 0;
}

static const char *with_scheme(struct arena *arena, const char *proxy)
{
	return strstr(proxy, "://") ? proxy : arena_join(arena, "http://", proxy);
}

static int read_http_proxy(struct bundle_reader *r, const struct flat_line *line)
{
	r->config->http_proxy = with_scheme(r->arena, line->value);
	return 0;
}

static int read_https_proxy(struct bundle_reader *r, const struct flat_line *line)
{
	r->config->https_proxy = with_scheme(r->arena, line->value);
	return 0;
}

static int read_no_proxy(struct bundle_reader *r, const struct flat_line *line)
{
	r->config->no_proxy = line->value;
	return 0;
}

static const struct {
	const char *key;
	bundle_fn *read;
} bundle_records[] = {
	{ "config-folder", read_config_folder },
	{ "registries", read_registries },
	{ "auth", read_auth },
	{ "ca", read_ca },
	{ "certs", read_certs },
	{ "cert", read_cert },
	{ "cert-unread", read_cert_unread },
	{ "cert-other", note_cert_other },
	{ "creds", read_creds },
	{ "tls-verify", read_tls_verify },
	{ "http-proxy", read_http_proxy },
	{ "https-proxy", read_https_proxy },
	{ "no-proxy", read_no_proxy },
};

static int read_record(struct bundle_reader *r, const struct flat_line *line)
{
	for (size_t i = 0; i < sizeof(bundle_records) / sizeof(bundle_records[0]); i++)
		if (str_eq(line->key, bundle_records[i].key))
			return bundle_records[i].read(r, line);
	return err_set(r->err, ERR_INTEGRITY, "bundle: %s: unknown record", line->key);
}

int pull_config_parse(const char *bundle, size_t length, struct arena *arena,
		      struct pull_config **out, struct err *err)
{
	struct bundle_reader r = { .arena = arena, .err = err };
	struct flat_reader reader;
	struct flat_line line;
	char *text;

	if (length > PULL_CONFIG_MAX_BYTES + 128)
		return err_set(err, ERR_LIMIT, "bundle: larger than %d bytes",
			       PULL_CONFIG_MAX_BYTES);
	text = arena_alloc(arena, length + 1);
	memcpy(text, bundle, length);
	if (flat_open(text, length, "pullconfig", &reader, err) < 0)
		return -1;
	r.config = arena_new(arena, struct pull_config);
	r.config->config_folder = "";
	for (;;) {
		if (flat_next(&reader, &line, err) < 0)
			return -1;
		if (!line.key)
			break;
		if (read_record(&r, &line) < 0)
			return -1;
	}
	*out = r.config;
	return 0;
}

/* --- where a reference leads --- */

struct resolver {
	const struct pull_config *config;
	struct arena *arena;
	struct err *err;
};

static int fill_rights(struct resolver *s, const struct image_ref *logical,
		       const struct image_ref *physical, struct pull_endpoint *endpoint)
{
	const struct pull_config *config = s->config;
	struct auth_found found;

	endpoint->auth_key = endpoint->auth_note = "";
	if (certs_apply(config->folders, config->folder_count, physical->domain, s->arena, endpoint,
			s->err) < 0)
		return -1;
	/* Creds= name no registry: a mirror elsewhere must not get them. */
	if (config->user && str_eq(logical->domain, physical->domain)) {
		endpoint->auth_key = "Creds";
		endpoint->user = config->user;
		endpoint->password = config->password;
		return 0;
	}
	if (auth_find(config->auth_files, config->auth_file_count, physical->domain, physical->path,
		      s->arena, &found, s->err) < 0)
		return -1;
	endpoint->auth_key = found.key;
	endpoint->auth_note = found.note;
	endpoint->user = found.user;
	endpoint->password = found.password;
	endpoint->identity_token = found.identity_token;
	return 0;
}

/* Docker Hub's registry has another name than its images. */
static const char *registry_host(const char *domain)
{
	return str_eq(domain, "docker.io") ? "registry-1.docker.io" : domain;
}

static int add_endpoint(struct resolver *s, struct pull_candidate *candidate,
			const struct image_ref *physical, bool insecure, bool is_mirror)
{
	struct pull_endpoint *endpoint =
		arena_push(s->arena, candidate->endpoints, candidate->endpoint_count);

	endpoint->host = arena_strdup(s->arena, registry_host(physical->domain));
	endpoint->repository = arena_strdup(s->arena, physical->path);
	endpoint->insecure = s->config->tls_verify_given ? !s->config->tls_verify : insecure;
	endpoint->is_mirror = is_mirror;
	return fill_rights(s, &candidate->ref, physical, endpoint);
}

/* The location in place of the prefix; tag and digest stay. */
static int rewrite(struct resolver *s, const struct registries_row *row,
		   const struct registries_place *place, const struct image_ref *ref,
		   size_t matched, struct image_ref *out)
{
	char full[REF_MAX], text[2 * REF_MAX];
	size_t name = strlen(ref->domain) + 1 + strlen(ref->path);
	unsigned line = place->line ? place->line : row->line;

	*out = *ref;
	if (!place->location[0])
		return 0;
	ref_format(ref, full);
	full[name] = '\0';
	snprintf(text, sizeof(text), "%s%s", place->location, matched < name ? full + matched : "");
	if (ref_parse(text, out, s->err) < 0)
		return err_wrap(s->err, "%s:%u: location", row->file, line);
	if (!out->domain[0])
		return err_set(s->err, ERR_INPUT, "%s:%u: location: %.128s names no repository",
			       row->file, line, text);
	memcpy(out->tag, ref->tag, sizeof(out->tag));
	memcpy(out->digest, ref->digest, sizeof(out->digest));
	return 0;
}

static bool mirror_serves(const struct registries_row *row, const struct registries_place *mirror,
			  const struct image_ref *ref)
{
	if (row->mirror_by_digest_only || mirror->use == MIRROR_DIGEST_ONLY)
		return ref->digest[0] != '\0';
	return mirror->use != MIRROR_TAG_ONLY || !ref->digest[0];
}

/* The row that forbids it; NULL: none. */
static const struct registries_row *find_block(const struct pull_config *config,
					       const struct image_ref *ref)
{
	const struct registries_row *row;
	char text[REF_MAX];
	size_t matched;

	ref_format(ref, text);
	row = registries_find(&config->registries, text, &matched);
	return row && row->blocked ? row : NULL;
}

static int fail_blocked(struct resolver *s, const char *name, const struct registries_row *block)
{
	return err_set(s->err, ERR_INPUT, "image %s: %s is blocked by %s:%u", name, block->prefix,
		       block->file, block->line);
}

static int add_row_endpoints(struct resolver *s, const struct registries_row *row, size_t matched,
			     struct pull_candidate *candidate, const char *name)
{
	const struct registries_row *block;
	struct image_ref physical;

	for (size_t i = 0; i < row->mirror_count; i++) {
		const struct registries_place *mirror = &row->mirrors[i];

		if (!mirror_serves(row, mirror, &candidate->ref))
			continue;
		if (rewrite(s, row, mirror, &candidate->ref, matched, &physical) < 0)
			return -1;
		if (!find_block(s->config, &physical) &&
		    add_endpoint(s, candidate, &physical, mirror->insecure, true) < 0)
			return -1;
	}
	if (rewrite(s, row, &row->place, &candidate->ref, matched, &physical) < 0)
		return -1;
	block = find_block(s->config, &physical);
	if (block)
		return fail_blocked(s, name, block);
	return add_endpoint(s, candidate, &physical, row->place.insecure, false);
}

/* A full reference to its endpoints. */
static int resolve_full(struct resolver *s, const char *text, struct pull_candidate *candidate)
{
	const struct registries_row *row;
	char name[REF_MAX];
	size_t matched;

	if (ref_parse(text, &candidate->ref, s->err) < 0)
		return -1;
	ref_format(&candidate->ref, name);
	row = registries_find(&s->config->registries, name, &matched);
	if (row && row->blocked)
		return fail_blocked(s, name, row);
	if (row)
		return add_row_endpoints(s, row, matched, candidate, name);
	if (str_eq(candidate->ref.domain, "localhost"))
		return err_set(s->err, ERR_NOT_FOUND,
			       "image %s: localhost/ is for images made here, no registry: put "
			       "its archive into %s/images, or write localhost:PORT/NAME",
			       name, s->config->config_folder);
	return add_endpoint(s, candidate, &candidate->ref, false, false);
}

/* "DOMAIN/PATH" and the tag and digest that were asked for. */
static int add_candidate(struct resolver *s, const char *domain_and_path,
			 const struct image_ref *asked, struct pull_candidate **out, size_t *count)
{
	const char *text = arena_join(s->arena, domain_and_path, asked->tag[0] ? ":" : "",
				      asked->tag, asked->digest[0] ? "@" : "", asked->digest);
	struct pull_candidate candidate = { 0 };

	if (resolve_full(s, text, &candidate) < 0)
		return -1;
	*arena_push(s->arena, *out, *count) = candidate;
	return 0;
}

static const char *join_search(struct resolver *s)
{
	const struct registries *registries = &s->config->registries;
	const char *text = registries->search[0];

	for (size_t i = 1; i < registries->search_count; i++)
		text = arena_join(s->arena, text, ", ", registries->search[i]);
	return text;
}

static int check_search(struct resolver *s, const struct image_ref *asked)
{
	const struct registries *registries = &s->config->registries;

	if (registries->search_count == 0)
		return err_set(s->err, ERR_INPUT,
			       "image %.128s: no registry in the name: write the full name, e.g. "
			       "docker.io/%s%.128s, or unqualified-search-registries in "
			       "%.64s/registries.conf",
			       asked->path, strchr(asked->path, '/') ? "" : "library/", asked->path,
			       s->config->config_folder[0] ? s->config->config_folder :
							     "/etc/containers");
	if (registries->mode == SHORT_NAMES_ENFORCING && registries->search_count > 1)
		return err_set(s->err, ERR_INPUT,
			       "image %.128s: no registry in the name, and short-name-mode is "
			       "enforcing: write the full name with one of %.128s",
			       asked->path, join_search(s));
	return 0;
}

static int resolve_short(struct resolver *s, const struct image_ref *asked,
			 struct pull_candidate **out, size_t *count)
{
	const struct registries *registries = &s->config->registries;
	const struct registries_alias *alias = registries_alias(registries, asked->path);

	if (alias && alias->value) {
		if (add_candidate(s, alias->value, asked, out, count) < 0)
			return err_wrap(s->err, "%s:%u: alias %s", alias->file, alias->line,
					alias->name);
		return 0;
	}
	if (check_search(s, asked) < 0)
		return -1;
	/* One that is blocked is passed over while there are others. */
	for (size_t i = 0; i < registries->search_count; i++) {
		const char *name = arena_join(s->arena, registries->search[i], "/", asked->path);

		if (add_candidate(s, name, asked, out, count) < 0 &&
		    i + 1 == registries->search_count && *count == 0)
			return -1;
	}
	return 0;
}

int pull_config_resolve(const struct pull_config *config, const struct image_ref *asked,
			struct arena *arena, struct pull_candidate **out, size_t *count,
			struct err *err)
{
	struct resolver s = { .config = config, .arena = arena, .err = err };
	const char *name;

	*out = NULL;
	*count = 0;
	if (!asked->domain[0])
		return resolve_short(&s, asked, out, count);
	name = arena_join(arena, asked->domain, "/", asked->path);
	return add_candidate(&s, name, asked, out, count);
}

const char *pull_config_ca(const struct pull_config *config, size_t *length)
{
	*length = config->ca_length;
	return config->ca;
}

size_t pull_config_notes(const struct pull_config *config, const char *const **out)
{
	*out = config->notes.items;
	return config->notes.count;
}

/* --- proxies --- */

/* The host of "host:port", "[::1]:5000", "::1", without brackets and a dot at its end. */
static bool bare_host(const char *host, char *out, size_t size)
{
	const char *start = host;
	size_t len = strlen(host);

	if (*host == '[') {
		start = host + 1;
		len = strcspn(start, "]");
	} else if (strchr(host, ':') == strrchr(host, ':')) {
		len = strcspn(host, ":");
	}
	if (len > 0 && start[len - 1] == '.')
		len--;
	if (len == 0 || len >= size)
		return false;
	memcpy(out, start, len);
	out[len] = '\0';
	return true;
}

static bool same_bits(const unsigned char *a, const unsigned char *b, unsigned bits)
{
	unsigned bytes = bits / 8, rest = bits % 8;

	if (memcmp(a, b, bytes) != 0)
		return false;
	return rest == 0 || ((a[bytes] ^ b[bytes]) >> (8 - rest)) == 0;
}

/* An address of the list, with "/BITS" for a network. */
static bool address_matches(int family, const unsigned char *address, const char *entry)
{
	unsigned max_bits = family == AF_INET ? 32 : 128;
	unsigned char network[16];
	uint64_t bits = max_bits;
	char text[INET6_ADDRSTRLEN + 8];
	char *slash;

	if (!str_copy(text, sizeof(text), entry))
		return false;
	slash = strchr(text, '/');
	if (slash) {
		*slash = '\0';
		if (!str_to_u64(slash + 1, max_bits, &bits))
			return false;
	}
	return inet_pton(family, text, network) == 1 && same_bits(address, network, (unsigned)bits);
}

/* A name of the list means itself and every name below it. */
static bool name_matches(const char *host, const char *entry, size_t entry_len)
{
	size_t len = strlen(host);

	if (entry_len > 0 && entry[entry_len - 1] == '.')
		entry_len--;
	if (entry_len > 0 && *entry == '.') {
		entry++;
		entry_len--;
	}
	if (entry_len == 0 || len < entry_len ||
	    strncasecmp(host + len - entry_len, entry, entry_len) != 0)
		return false;
	return len == entry_len || host[len - entry_len - 1] == '.';
}

/* CURLOPT_NOPROXY's rules: names and addresses between commas and blanks; a single "*" for all. */
static bool is_excepted(const char *list, const char *host)
{
	unsigned char address[16];
	int family = inet_pton(AF_INET, host, address) == 1  ? AF_INET :
		     inet_pton(AF_INET6, host, address) == 1 ? AF_INET6 :
							       0;
	char entry[256];

	if (str_eq(list, "*"))
		return true;
	while (*(list += strspn(list, ", \t"))) {
		size_t len = strcspn(list, ", \t");

		if (!family && name_matches(host, list, len))
			return true;
		if (family && len < sizeof(entry)) {
			memcpy(entry, list, len);
			entry[len] = '\0';
			if (address_matches(family, address, entry))
				return true;
		}
		list += len;
	}
	return false;
}

const char *pull_config_proxy(const struct pull_config *config, const char *scheme,
			      const char *host)
{
	const char *proxy = str_eq(scheme, "https") ? config->https_proxy : config->http_proxy;
	char name[256];

	if (!proxy || !bare_host(host, name, sizeof(name)))
		return NULL;
	if (config->no_proxy && is_excepted(config->no_proxy, name))
		return NULL;
	return proxy;
}
