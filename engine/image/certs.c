/* SPDX-License-Identifier: Apache-2.0 */
/*
 * certs.d/HOST[:PORT] (containers-certs.d(5)): *.crt are certification authorities trusted beside the system's, NAME.cert
 * and NAME.key who we are. A fault in one registry's folder stops pulls from that registry only. Must never put contents of
 * a key into a message.
 */
#include <stdio.h>
#include <string.h>

#include "image/pull_config_internal.h"
#include "util/str.h"

static const struct certs_folder *find_folder(const struct certs_folder *folders, size_t count,
					      const char *host)
{
	for (size_t i = 0; i < count; i++)
		if (!folders[i].host[0] || str_eq(folders[i].host, host))
			return &folders[i];
	return NULL;
}

static const struct certs_file *find_sibling(const struct certs_folder *folder,
					     const struct certs_file *file, size_t suffix,
					     const char *other)
{
	size_t stem = strlen(file->name) - suffix;

	for (size_t i = 0; i < folder->file_count; i++) {
		const char *name = folder->files[i].name;

		if (strlen(name) == stem + strlen(other) && memcmp(name, file->name, stem) == 0 &&
		    str_eq(name + stem, other))
			return &folder->files[i];
	}
	return NULL;
}

/* PEM with at least one block whose label ends in what ("CERTIFICATE", "PRIVATE KEY"). */
static int check_pem(const struct certs_folder *folder, const struct certs_file *file,
		     const char *what, struct err *err)
{
	const char *p = file->text;
	char tail[32];

	if (!file->text)
		return err_set(err, ERR_INPUT, "%s/%s: %s", folder->path, file->name, file->unread);
	snprintf(tail, sizeof(tail), "%s-----", what);
	while ((p = strstr(p, "-----BEGIN "))) {
		const char *end = strchr(p, '\n');
		const char *label = strstr(p + strlen("-----BEGIN "), tail);

		if (label && (!end || label < end))
			return 0;
		p += strlen("-----BEGIN ");
	}
	return err_set(err, ERR_INPUT, "%s/%s: no PEM block \"%s\" in it", folder->path, file->name,
		       what);
}

static int add_authority(const struct certs_folder *folder, const struct certs_file *file,
			 struct arena *arena, struct pull_endpoint *endpoint, struct err *err)
{
	if (check_pem(folder, file, "CERTIFICATE", err) < 0)
		return -1;
	/* a line end between, in case the file before has none at its end */
	endpoint->ca_pem = endpoint->ca_pem ?
				   arena_join(arena, endpoint->ca_pem, "\n", file->text) :
				   file->text;
	endpoint->ca_pem_len = strlen(endpoint->ca_pem);
	return 0;
}

static int set_client(const struct certs_folder *folder, const struct certs_file *cert,
		      struct pull_endpoint *endpoint, struct err *err)
{
	const struct certs_file *key = find_sibling(folder, cert, strlen(".cert"), ".key");

	if (!key)
		return err_set(err, ERR_INPUT,
			       "%s/%s: its key %.*s.key is missing; certificates of authorities "
			       "end in .crt",
			       folder->path, cert->name,
			       (int)(strlen(cert->name) - strlen(".cert")), cert->name);
	if (endpoint->client_cert_pem)
		return err_set(
			err, ERR_INPUT,
			"%s: more than one client certificate: keep one *.cert and its *.key",
			folder->path);
	if (check_pem(folder, cert, "CERTIFICATE", err) < 0 ||
	    check_pem(folder, key, "PRIVATE KEY", err) < 0)
		return -1;
	endpoint->client_cert_pem = cert->text;
	endpoint->client_cert_pem_len = cert->length;
	endpoint->client_key_pem = key->text;
	endpoint->client_key_pem_len = key->length;
	return 0;
}

int certs_apply(const struct certs_folder *folders, size_t count, const char *host,
		struct arena *arena, struct pull_endpoint *endpoint, struct err *err)
{
	const struct certs_folder *folder = find_folder(folders, count, host);

	for (size_t i = 0; folder && i < folder->file_count; i++) {
		const struct certs_file *file = &folder->files[i];

		if (str_ends(file->name, ".crt")) {
			if (add_authority(folder, file, arena, endpoint, err) < 0)
				return -1;
		} else if (str_ends(file->name, ".cert")) {
			if (set_client(folder, file, endpoint, err) < 0)
				return -1;
		} else if (str_ends(file->name, ".key") &&
			   !find_sibling(folder, file, strlen(".key"), ".cert")) {
			return err_set(err, ERR_INPUT,
				       "%s/%s: its certificate %.*s.cert is missing", folder->path,
				       file->name, (int)(strlen(file->name) - strlen(".key")),
				       file->name);
		}
	}
	return 0;
}
