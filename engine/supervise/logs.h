/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The logs of all containers as the engine sees them: where they go, how much they may take, and the worker that ships them. The engine
 * itself opens no log.
 */
#include <sys/types.h>

#include "supervise/engine.h"
#include "util/err.h"

struct logs;

/* Reads appliance.ini; what is wrong in it becomes notes. Before units are read. */
void logs_configure(struct engine *e);
/* Budget and shipping begin. After the units are known. */
void logs_start(struct engine *e);
void logs_stop(struct engine *e);
/* Two units with one LogOpt=path= would fight over its files: their containers cannot both run. -1 names the other. */
int logs_check_path(const struct engine *e, unsigned index, struct err *err) MUST_CHECK;

/* The words of a shim for the output of its container. */
#define LOG_WORDS_MAX 8
struct log_words {
	char *words[LOG_WORDS_MAX + 1]; /* NULL-terminated; point into this struct */
	char dir[256], tag[64], max_bytes[24], max_files[12];
};
void logs_shim_words(const struct engine *e, unsigned index, struct log_words *out);
/* With {{.Name}} and {{.ImageName}} filled in; "": none. */
void logs_tag(const struct engine *e, unsigned index, char *out, size_t size);
