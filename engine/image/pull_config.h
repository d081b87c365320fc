/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What decides where an image comes from and with which rights: registries.conf (containers-registries.conf(5) version 2), auth.json
 * (containers-auth.json(5), also Docker's config.json), certs.d (containers-certs.d(5)), CA bundles, proxy variables. Files are
 * read as bytes by the privileged coordinator into a bundle and parsed only in the confined fetch worker.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "image/ref.h"
#include "util/arena.h"
#include "util/buf.h"
#include "util/err.h"

#define PULL_CONFIG_MAX_BYTES (8 * 1024 * 1024) /* the whole bundle, CA certificates included */
#define PULL_CONFIG_MAX_FILES 512

/* Where the files are. NULL or "": not looked for. */
struct pull_places {
	/* CLEAT_CONFIG_DIR: registries.conf, registries.conf.d/, auth.json, certs.d/ below it. */
	const char *config_dir;
	/* NULL-terminated: "/etc/containers", where the same names are looked for after it. */
	const char *const *system_dirs;
	/* NULL-terminated: the first that exists ("/etc/ssl/certs/ca-certificates.crt", ...). */
	const char *const *ca_files;
	const char *auth_file; /* AuthFile=: in place of auth.json; missing is an error */
	const char *creds;     /* Creds=: "USER:PASSWORD" for whatever registry; never logged */
	const char *cert_dir;  /* CertDir=: in place of certs.d/HOST; missing is an error */
	bool tls_verify_given, tls_verify; /* TLSVerify= */
	/* Of the appliance's environment. */
	const char *http_proxy, *https_proxy, *no_proxy;
};

/* Reads every file into one flat text (records of image/flat.h: name and bytes). Privileged, opens regular files only, bounded. */
int pull_config_gather(const struct pull_places *places, struct buf *bundle,
		       struct err *err) MUST_CHECK;

struct pull_config; /* parsed */
/* In the worker. Errors name file:line. */
int pull_config_parse(const char *bundle, size_t length, struct arena *arena,
		      struct pull_config **out, struct err *err) MUST_CHECK;

/* One place to ask, in the order to ask them: mirrors first, the registry itself last. */
struct pull_endpoint {
	/* "registry.example:5000", as in a Host header; docker.io is "registry-1.docker.io". */
	const char *host;
	const char *repository; /* "library/alpine" there */
	bool insecure;		/* certificate errors pass, plain HTTP when HTTPS does not answer */
	bool is_mirror;
	const char *auth_key;  /* found in auth.json by this name: for messages; "" anonymous */
	const char *auth_note; /* why no login although a file names the registry; "" */
	const char *user, *password; /* NULL: none */
	const char *identity_token;  /* Docker's; NULL: none */
	/* PEM texts of certs.d, NUL added; NULL: none of their own. ca_pem is trusted beside pull_config_ca(), not in place of it. */
	const char *ca_pem, *client_cert_pem, *client_key_pem;
	size_t ca_pem_len, client_cert_pem_len, client_key_pem_len;
};

struct pull_candidate {
	struct image_ref ref; /* fully qualified: what a short name was resolved to */
	struct pull_endpoint *endpoints;
	size_t endpoint_count;
};

/* What a reference may mean, best first: an alias or each of unqualified-search-registries for a short name, else one. A blocked
 * registry, a short name that nothing resolves: ERR_INPUT naming the file and what to write; localhost/NAME that no file makes a
 * registry: ERR_NOT_FOUND. */
int pull_config_resolve(const struct pull_config *config, const struct image_ref *asked,
			struct arena *arena, struct pull_candidate **out, size_t *count,
			struct err *err) MUST_CHECK;

/* The system's CA bundle as PEM; NULL: none. */
const char *pull_config_ca(const struct pull_config *config, size_t *length);
/* What the files say that is not acted on ("auth.json: credHelpers: ..."): each a message with its file, never a secret. */
size_t pull_config_notes(const struct pull_config *config, const char *const **out);
/* The proxy for a host ("http://10.0.0.1:3128"), by HTTP(S)_PROXY and NO_PROXY with curl's rules; NULL: none. */
const char *pull_config_proxy(const struct pull_config *config, const char *scheme,
			      const char *host);

/* WWW-Authenticate (RFC 9110 11.6.1, distribution's token specification): one challenge of a header value. */
struct auth_challenge {
	enum { AUTH_NONE, AUTH_BASIC, AUTH_BEARER } kind;
	const char *realm, *service, *scope; /* "" when absent */
	const char *error;		     /* "insufficient_scope"; "" */
	/* As it was written; of AUTH_NONE the first that was offered: for messages; "" none. */
	const char *scheme;
};
/* The strongest that we can answer; several challenges in one header and quoted pairs are understood. Several headers are one
 * with ", " between them. ERR_INTEGRITY: malformed; ERR_LIMIT: above 16 KiB. */
int auth_challenge_parse(const char *header, size_t length, struct arena *arena,
			 struct auth_challenge *out, struct err *err) MUST_CHECK;
