/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading JSON that somebody else wrote: bytes, depth, names that occur twice. yyjson keeps both of a pair and gives the first,
 * Go's reader the last: an image must not be one thing to the scanner and another to us (CVE-2021-41190 was such a pair).
 * Must never recurse deeper than DOCUMENT_MAX_DEPTH.
 */
#include "image/document.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "util/cleanup.h"

#define FEW_NAMES 16

static int by_text(const void *a, const void *b)
{
	yyjson_val *const *one = a, *const *two = b;
	size_t n = yyjson_get_len(*one), m = yyjson_get_len(*two);

	if (n != m)
		return n < m ? -1 : 1;
	return memcmp(yyjson_get_str(*one), yyjson_get_str(*two), n);
}

static int check_names(yyjson_val *object, const char *what, struct err *err)
{
	yyjson_val *few[FEW_NAMES], **names = few, *name;
	size_t count = yyjson_obj_size(object), n = 0;
	auto_free yyjson_val **many = NULL;
	yyjson_obj_iter iter;

	if (count > FEW_NAMES) {
		names = many = calloc(count, sizeof(*many));
		if (!many)
			return err_set(err, ERR_SYS, "%s: out of memory", what);
	}
	yyjson_obj_iter_init(object, &iter);
	while ((name = yyjson_obj_iter_next(&iter)) && n < count)
		names[n++] = name;
	if (n > 1)
		qsort(names, n, sizeof(*names), by_text);
	for (size_t i = 1; i < n; i++)
		if (by_text(&names[i - 1], &names[i]) == 0)
			return err_set(err, ERR_INPUT, "%s: \"%.60s\" stands twice in one object",
				       what, yyjson_get_str(names[i]));
	return 0;
}

static int check_value(yyjson_val *value, unsigned depth, const char *what, struct err *err)
{
	size_t index, count;
	yyjson_val *name, *item;

	if (!yyjson_is_ctn(value))
		return 0;
	if (depth == 0)
		return err_set(err, ERR_LIMIT, "%s is nested deeper than %d levels", what,
			       DOCUMENT_MAX_DEPTH);
	if (yyjson_is_arr(value)) {
		yyjson_arr_foreach(value, index, count, item)
		{
			if (check_value(item, depth - 1, what, err) < 0)
				return -1;
		}
		return 0;
	}
	if (check_names(value, what, err) < 0)
		return -1;
	yyjson_obj_foreach(value, index, count, name, item)
	{
		if (check_value(item, depth - 1, what, err) < 0)
			return -1;
	}
	return 0;
}

yyjson_doc *document_read(const char *json, size_t length, size_t max_bytes, const char *what,
			  struct err *err)
{
	auto_document *doc = NULL;
	yyjson_read_err why;

	if (length > max_bytes) {
		err_set(err, ERR_LIMIT, "%s is larger than %zu bytes", what, max_bytes);
		return NULL;
	}
	/* without INSITU the input is not changed */
	doc = yyjson_read_opts((char *)(uintptr_t)json, length, YYJSON_READ_NOFLAG, NULL, &why);
	if (!doc) {
		err_set(err, ERR_INPUT, "%s: byte %zu: %s", what, why.pos, why.msg);
		return NULL;
	}
	if (check_value(yyjson_doc_get_root(doc), DOCUMENT_MAX_DEPTH, what, err) < 0)
		return NULL;
	return take_ptr(&doc);
}
