/* SPDX-License-Identifier: Apache-2.0 */
/*
 * NAME=VALUE lines with the quoting of a shell, but no expansion: comments begin with # or ;, values may be in single or
 * double quotes, a backslash takes the next letter as it is and joins lines. Must never run anything.
 */
#include "unit/env_file_internal.h"

#include <dirent.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <stdlib.h>

#include "util/buf.h"
#include "util/file.h"
#include "util/str.h"

struct env_reader {
	const char *at;
	unsigned line;
	struct buf value;
};

static bool is_name_byte(char c, bool is_first)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_' ||
	       (!is_first && c >= '0' && c <= '9');
}

static void skip_line(struct env_reader *r)
{
	r->at += strcspn(r->at, "\n");
}

/* A backslash outside of single quotes. In double quotes it is kept before letters that need none. */
static void take_backslash(struct env_reader *r, bool is_quoted)
{
	char next = r->at[1];

	if (next == '\n') {
		r->line++;
	} else if (is_quoted && next && !strchr("\"\\`$", next)) {
		buf_putc(&r->value, '\\');
		r->at++;
		return;
	} else if (next) {
		buf_putc(&r->value, next);
	}
	r->at += next ? 2 : 1;
}

static int take_quoted(struct env_reader *r, struct err *err)
{
	char quote = *r->at++;
	unsigned first = r->line;

	while (*r->at && *r->at != quote) {
		if (*r->at == '\\' && quote == '"') {
			take_backslash(r, true);
			continue;
		}
		if (*r->at == '\n')
			r->line++;
		buf_putc(&r->value, *r->at++);
	}
	if (!*r->at)
		return err_set(err, ERR_INPUT, "line %u: the quote is not closed", first);
	r->at++;
	return 0;
}

/* Blanks at the end do not belong to the value unless they were quoted or escaped. */
static int take_value(struct env_reader *r, struct err *err)
{
	size_t keep = 0;

	buf_clear(&r->value);
	r->at += strspn(r->at, " \t");
	while (*r->at && *r->at != '\n') {
		if (*r->at == '\'' || *r->at == '"') {
			if (take_quoted(r, err) < 0)
				return -1;
			keep = r->value.len;
		} else if (*r->at == '\\') {
			take_backslash(r, false);
			keep = r->value.len;
		} else {
			bool is_blank = strchr(" \t\r", *r->at) != NULL;

			buf_putc(&r->value, *r->at++);
			if (!is_blank)
				keep = r->value.len;
		}
	}
	if (r->value.data) {
		r->value.data[keep] = '\0';
		r->value.len = keep;
	}
	return 0;
}

static int take_line(struct env_reader *r, struct arena *arena, const struct origin *origin,
		     struct arg_list *out, struct err *err)
{
	const char *name = r->at;
	unsigned line = r->line;

	while (is_name_byte(*r->at, r->at == name))
		r->at++;

	size_t len = (size_t)(r->at - name);

	r->at += strspn(r->at, " \t");
	if (!len || *r->at != '=')
		return err_set(err, ERR_INPUT, "line %u: not NAME=VALUE", line);
	r->at++;
	if (take_value(r, err) < 0)
		return -1;
	arg_push(arena, out, arena_printf(arena, "%.*s=%s", (int)len, name, buf_str(&r->value)),
		 origin);
	return 0;
}

int env_file_parse(struct arena *arena, const char *text, const struct origin *origin,
		   struct arg_list *out, struct err *err)
{
	struct env_reader r = { .at = text, .line = 1, .value = BUF_INIT(ENV_FILE_MAX_BYTES) };
	int rc = 0;

	while (rc == 0 && *r.at) {
		r.at += strspn(r.at, " \t\r");
		if (*r.at == '\n') {
			r.at++;
			r.line++;
		} else if (*r.at == '#' || *r.at == ';') {
			skip_line(&r);
		} else if (*r.at) {
			rc = take_line(&r, arena, origin, out, err);
		}
	}
	buf_fini(&r.value);
	return rc;
}

int env_file_read(struct arena *arena, const char *path, const struct origin *origin,
		  struct arg_list *out, struct err *err)
{
	auto_buf text = BUF_INIT(ENV_FILE_MAX_BYTES);

	if (file_read_at(AT_FDCWD, path, ENV_FILE_MAX_BYTES, &text, err) < 0)
		return -1;
	if (text.len && memchr(text.data, '\0', text.len))
		return err_set(err, ERR_INPUT, "%s: a NUL byte", path);
	if (env_file_parse(arena, buf_str(&text), origin, out, err) < 0)
		return err_wrap(err, "%s", path);
	return 0;
}

static int compare_paths(const void *left, const void *right)
{
	return strcmp(((const struct arg *)left)->text, ((const struct arg *)right)->text);
}

static void close_dir(DIR **dir)
{
	if (*dir)
		closedir(*dir);
}

/* One folder only: patterns for folders could have the whole disk read. */
int env_file_match(struct arena *arena, const char *pattern, const struct origin *origin,
		   struct arg_list *out, struct err *err)
{
	const char *name = strrchr(pattern, '/') + 1;
	const char *folder = arena_strndup(arena, pattern, (size_t)(name - pattern));

	if (folder[strcspn(folder, "*?[")])
		return err_set(err, ERR_UNSUPPORTED,
			       "%s: a pattern may stand for the file's name only, not for folders",
			       pattern);

	__attribute__((cleanup(close_dir))) DIR *dir = opendir(folder);

	if (!dir)
		return err_sys(err, "%s", folder);
	for (const struct dirent *entry; (entry = readdir(dir));) {
		if (fnmatch(name, entry->d_name, FNM_PERIOD) != 0)
			continue;
		if (out->count == ENV_FILE_MAX_MATCHES)
			return err_set(err, ERR_LIMIT, "%s: more than %d files", pattern,
				       ENV_FILE_MAX_MATCHES);
		arg_push(arena, out, arena_printf(arena, "%s%s", folder, entry->d_name), origin);
	}
	if (!out->count)
		return err_set(err, ERR_NOT_FOUND, "%s: no file of such a name", pattern);
	qsort(out->items, out->count, sizeof(out->items[0]), compare_paths);
	return 0;
}
