/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether the secrets of a unit are there, said with the unit's line. The runtime finds them again
 * when it needs the values. Must never read one.
 */
#include "supervise/internal.h"
#include "util/cleanup.h"
#include "util/secret.h"

int secrets_check(const struct container_spec *spec, struct err *err)
{
	for (size_t i = 0; i < spec->secret_count; i++) {
		const struct spec_secret *s = &spec->secrets[i];
		struct secret_file file;

		if (secret_open(&secret_places, s->name, &file, err) < 0) {
			/* nothing but somebody's hand cures it */
			if (err->code == ERR_NOT_FOUND || err->code == ERR_LIMIT)
				err->code = ERR_INPUT;
			return err_wrap(err, "%s:%u", s->origin->file, s->origin->line);
		}
		close_fd(&file.fd);
	}
	return 0;
}
