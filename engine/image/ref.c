/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Image references: text to parts and back, and the question whether a name in an archive means a
 * reference of a unit. Pure functions on caller's memory. Never guesses a registry: a short name
 * stays short.
 */
#include "image/ref.h"

#include <arpa/inet.h>
#include <stdio.h>

#include "util/digest.h"
#include "util/str.h"

#define NAME_MAX_LEN 255 /* domain and path together: the distribution project's own bound */
#define TAG_MAX_LEN 128

static bool is_lower_alnum(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

static bool is_alnum(char c)
{
	return is_lower_alnum(c) || (c >= 'A' && c <= 'Z');
}

/* [a-z0-9]+ parts joined by ".", "_", "__" or any number of "-". */
static bool component_is_valid(const char *s, size_t len)
{
	size_t i = 0;

	while (i < len) {
		size_t start = i;

		while (i < len && is_lower_alnum(s[i]))
			i++;
		if (i == start)
			return false;
		if (i == len)
			return true;
		if (s[i] == '-') {
			while (i < len && s[i] == '-')
				i++;
		} else if (s[i] == '_') {
			i += i + 1 < len && s[i + 1] == '_' ? 2 : 1;
		} else if (s[i] == '.') {
			i++;
		} else {
			return false;
		}
	}
	return false;
}

static bool path_is_valid(const char *path)
{
	for (;;) {
		size_t len = strcspn(path, "/");

		if (!component_is_valid(path, len))
			return false;
		if (path[len] == '\0')
			return true;
		path += len + 1;
	}
}

static bool port_is_valid(const char *port)
{
	uint64_t value;

	return str_to_u64(port, 65535, &value) && value > 0;
}

/* Labels of letters, digits and inner hyphens, joined by dots; [IPv6]; an optional port. */
static bool domain_is_valid(const char *domain)
{
	const char *p = domain;

	if (*p == '[') {
		size_t len = strcspn(p + 1, "]");
		char text[INET6_ADDRSTRLEN] = "";
		struct in6_addr address;

		if (len >= sizeof(text) || p[len + 1] != ']')
			return false;
		memcpy(text, p + 1, len);
		if (inet_pton(AF_INET6, text, &address) != 1)
			return false;
		p += len + 2;
		return *p == '\0' || (*p == ':' && port_is_valid(p + 1));
	}
	for (;;) {
		const char *start = p;

		while (is_alnum(*p) || *p == '-')
			p++;
		if (p == start || *start == '-' || p[-1] == '-')
			return false;
		if (*p == '\0')
			return true;
		if (*p == ':')
			return port_is_valid(p + 1);
		if (*p != '.')
			return false;
		p++;
	}
}

static bool tag_is_valid(const char *tag)
{
	size_t len = strlen(tag);

	if (len == 0 || len > TAG_MAX_LEN || *tag == '.' || *tag == '-')
		return false;
	for (; *tag; tag++)
		if (!is_alnum(*tag) && *tag != '_' && *tag != '.' && *tag != '-')
			return false;
	return true;
}

/* The part before the first slash is a domain only if it cannot be a path component of a short name. */
static bool is_domain(const char *s, size_t len)
{
	if (len == 9 && memcmp(s, "localhost", 9) == 0)
		return true;
	for (size_t i = 0; i < len; i++)
		if (s[i] == '.' || s[i] == ':' || (s[i] >= 'A' && s[i] <= 'Z'))
			return true;
	return false;
}

/* What people paste from other tools: say what to write instead. */
static int refuse_foreign_forms(const char *text, struct err *err)
{
	static const char *const transports[] = {
		"docker:", "containers-storage:", "oci-archive:", "docker-archive:", "oci:",
		"dir:",	   "docker-daemon:"
	};
	size_t len = strlen(text);

	/* "dir:1" is a name and a tag; a tag begins with neither of these */
	for (size_t i = 0; i < sizeof(transports) / sizeof(transports[0]); i++)
		if (str_starts(text, transports[i]) && strchr("/.", text[strlen(transports[i])]))
			return err_set(
				err, ERR_UNSUPPORTED,
				"image reference %.200s: transport %s is not supported: write "
				"NAME:TAG or NAME@sha256:DIGEST",
				text, transports[i]);
	if (digest_is_valid(text) || (len == SHA256_HEX_LEN && str_is_hex(text, len)))
		return err_set(err, ERR_INPUT,
			       "image reference %.200s: a digest needs a name: NAME@sha256:DIGEST",
			       text);
	return 0;
}

/* Splits off "@digest" and ":tag"; name keeps the rest. */
static int split_suffixes(const char *text, char *name, size_t name_size, struct image_ref *out,
			  struct err *err)
{
	char *at, *slash, *colon;

	if (!str_copy(name, name_size, text))
		return err_set(err, ERR_LIMIT, "image reference is longer than %zu bytes",
			       name_size - 1);
	at = strchr(name, '@');
	if (at) {
		*at = '\0';
		if (!digest_is_valid(at + 1))
			return err_set(
				err, ERR_INPUT,
				"image reference %.200s: the digest is not \"sha256:\" and 64 "
				"lower-case hex digits",
				text);
		str_copy(out->digest, sizeof(out->digest), at + 1);
	}
	slash = strrchr(name, '/');
	colon = strchr(slash ? slash : name, ':');
	if (!colon)
		return 0;
	*colon = '\0';
	if (!tag_is_valid(colon + 1))
		return err_set(err, ERR_INPUT, "image reference %.200s: the tag is not valid",
			       text);
	str_copy(out->tag, sizeof(out->tag), colon + 1);
	return 0;
}

static int parse_name(const char *text, const char *name, struct image_ref *out, struct err *err)
{
	size_t first = strcspn(name, "/");
	const char *path = name;

	if (strlen(name) > NAME_MAX_LEN)
		return err_set(err, ERR_LIMIT, "image reference: the name is longer than %d bytes",
			       NAME_MAX_LEN);
	if (name[first] == '/' && is_domain(name, first)) {
		memcpy(out->domain, name, first);
		out->domain[first] = '\0';
		path = name + first + 1;
		if (!domain_is_valid(out->domain))
			return err_set(err, ERR_INPUT,
				       "image reference %.200s: the domain is not valid", text);
	}
	if (!path_is_valid(path))
		return err_set(err, ERR_INPUT,
			       "image reference %.200s: a name is lower-case letters, digits and "
			       "single separators . _ - between them",
			       text);
	if (str_eq(out->domain, "index.docker.io"))
		str_copy(out->domain, sizeof(out->domain), "docker.io");
	if (str_eq(out->domain, "docker.io") && !strchr(path, '/'))
		snprintf(out->path, sizeof(out->path), "library/%.*s", NAME_MAX_LEN - 8, path);
	else
		str_copy(out->path, sizeof(out->path), path);
	return 0;
}

int ref_parse(const char *text, struct image_ref *out, struct err *err)
{
	char name[REF_MAX];

	memset(out, 0, sizeof(*out));
	if (*text == '\0')
		return err_set(err, ERR_INPUT, "image reference is empty");
	if (refuse_foreign_forms(text, err) < 0 ||
	    split_suffixes(text, name, sizeof(name), out, err) < 0 ||
	    parse_name(text, name, out, err) < 0)
		return -1;
	if (out->tag[0] == '\0' && out->digest[0] == '\0')
		str_copy(out->tag, sizeof(out->tag), "latest");
	return 0;
}

void ref_format(const struct image_ref *ref, char out[REF_MAX])
{
	int n = snprintf(out, REF_MAX, "%s%s%s%s%s%s%s", ref->domain, ref->domain[0] ? "/" : "",
			 ref->path, ref->tag[0] ? ":" : "", ref->tag, ref->digest[0] ? "@" : "",
			 ref->digest);

	/* ref_parse() bounds name, tag and digest so that they fit */
	if (n < 0 || n >= REF_MAX)
		out[0] = '\0';
}

static bool is_local(const char *domain)
{
	return domain[0] == '\0' || str_eq(domain, "localhost");
}

bool ref_matches_name(const struct image_ref *wanted, const char *annotation)
{
	struct image_ref named;
	struct err ignored;

	if (wanted->digest[0] || ref_parse(annotation, &named, &ignored) < 0)
		return false;
	if (named.digest[0] || !str_eq(named.path, wanted->path) || !str_eq(named.tag, wanted->tag))
		return false;
	return str_eq(named.domain, wanted->domain) ||
	       (is_local(named.domain) && is_local(wanted->domain));
}

bool ref_matches(const struct image_ref *wanted, const char *annotation)
{
	if (ref_matches_name(wanted, annotation))
		return true;
	return !wanted->digest[0] && tag_is_valid(annotation) && str_eq(annotation, wanted->tag);
}

bool ref_matches_file(const struct image_ref *wanted, const char *file)
{
	const char *slash = strrchr(wanted->path, '/');
	const char *last = slash ? slash + 1 : wanted->path;
	size_t len = strlen(last), stem = strlen(file);

	if (wanted->digest[0])
		return false;
	if (str_ends(file, ".tar"))
		stem -= 4;
	if (stem < len || memcmp(file, last, len) != 0)
		return false;
	if (stem == len)
		return str_eq(wanted->tag, "latest");
	if (!strchr("-_:@", file[len]))
		return false;
	return stem - len - 1 == strlen(wanted->tag) &&
	       memcmp(file + len + 1, wanted->tag, stem - len - 1) == 0;
}

bool ref_file_names_path(const struct image_ref *wanted, const char *file)
{
	const char *slash = strrchr(wanted->path, '/');
	const char *last = slash ? slash + 1 : wanted->path;
	size_t len = strlen(last);

	return !wanted->digest[0] && strncmp(file, last, len) == 0 &&
	       (file[len] == '\0' || str_eq(file + len, ".tar"));
}
