/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Variables of the moment ($MAINPID, $SERVICE_RESULT, ..) in the words of a command, as systemd.service(5) puts them in. Done in the child, whose
 * environment is the command's. Must never run anything through a shell.
 */
#include <stdlib.h>
#include <string.h>

#include "supervise/commands.h"

struct words {
	struct arena *arena;
	char **items;
	size_t count;
};

static void add(struct words *words, const char *text, size_t len)
{
	*arena_push(words->arena, words->items, words->count) =
		arena_strndup(words->arena, text, len);
}

/* Blanks part the value; a quoted piece is a word of its own without its quotes. */
static void add_split(struct words *words, const char *value)
{
	for (const char *p = value + strspn(value, " \t\n"); *p; p += strspn(p, " \t\n")) {
		size_t len;

		if (*p == '"' || *p == '\'') {
			const char *end = strchr(p + 1, *p);

			len = end ? (size_t)(end - p - 1) : strlen(p + 1);
			add(words, p + 1, len);
			p += len + 1 + (end != NULL);
		} else {
			len = strcspn(p, " \t\n");
			add(words, p, len);
			p += len;
		}
	}
}

static void add_joined(struct words *words, const char *text)
{
	auto_buf out = BUF_INIT(UNIT_MAX_WORD_BYTES);

	for (const char *p = text; *p; p++) {
		const char *close = p[0] == '$' && p[1] == '{' ? strchr(p, '}') : NULL;

		if (close) {
			const char *name =
				arena_strndup(words->arena, p + 2, (size_t)(close - p - 2));
			const char *value = getenv(name);

			buf_puts(&out, value ? value : "");
			p = close;
		} else {
			buf_putc(&out, *p);
			p += p[0] == '$' && p[1] == '$';
		}
	}
	add(words, buf_str(&out), out.len);
}

char **commands_expand(struct arena *arena, char *const *words, size_t count)
{
	struct words out = { .arena = arena };

	for (size_t i = 0; i < count; i++) {
		const char *text = words[i];

		if (i == 0) {
			add(&out, text, strlen(text));
		} else if (text[0] == '$' && text[1] && text[1] != '{' && text[1] != '$') {
			const char *value = getenv(text + 1);

			add_split(&out, value ? value : "");
		} else {
			add_joined(&out, text);
		}
	}
	(void)arena_push(arena, out.items, out.count);
	return out.items;
}
