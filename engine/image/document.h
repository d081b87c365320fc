/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Hostile JSON: one way to read it for everything in this folder. Two readers of a document must not see two documents, so an
 * object that has a name twice is refused, and what lies deeper than any document that we know.
 */
#include <stddef.h>
#include <yyjson.h>

#include "util/err.h"

#define DOCUMENT_MAX_DEPTH 32

/* Caller: yyjson_doc_free(). NULL: ERR_LIMIT above max bytes or too deep, ERR_INPUT for everything else. The input is only read. */
yyjson_doc *document_read(const char *json, size_t length, size_t max_bytes, const char *what,
			  struct err *err) MUST_CHECK;

static inline void document_cleanup(yyjson_doc **doc)
{
	yyjson_doc_free(*doc);
}
#define auto_document __attribute__((cleanup(document_cleanup))) yyjson_doc
