/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* appliance.ini from text: what it says is in config, what is wrong with it in diags; reset() is between two tests. */
#include "unit_test.h"

#include <stdio.h>
#include <string.h>

#include "unit/appliance.h"
#include "util/buf.h"

static struct appliance config;
static struct arena arena;
static struct diags diags;

static inline int reset(void **state)
{
	(void)state;
	arena_fini(&arena);
	diags_fini(&diags);
	memset(&diags, 0, sizeof(diags));
	return 0;
}

static inline void read_text(const char *text)
{
	appliance_read(&config, &arena, &diags, "appliance.ini", text, strlen(text));
}

/* Of the complaint at index. */
static inline void expect_complaint(size_t index, const char *text)
{
	struct buf line = BUF_INIT(1024);

	assert_true(index < diags.count);
	diag_format(&diags.items[index], &line);
	assert_string_equal(buf_str(&line), text);
	buf_fini(&line);
}
