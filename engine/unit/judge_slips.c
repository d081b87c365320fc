/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Values that are right by their grammar and nearly never what was meant: signs of printed text, the percent signs of dates, a
 * shell's language where no shell is, JSON that breaks off. Warnings only: podman runs all of it. Must never warn of what people
 * write on purpose; what a rule leaves alone stands beside it.
 */
#include "unit/kinds_internal.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "unit/words_internal.h"
#include "util/str.h"

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static bool is_quote(char c)
{
	return c == '"' || c == '\'';
}

static bool has_letter(const char *letters, char c)
{
	return c && strchr(letters, c);
}

/* A text that ends with NULL is a list. */
static bool is_one_of(const char *text, const char *const *list)
{
	for (; *list; list++)
		if (str_eq(text, *list))
			return true;
	return false;
}

/* Signs of printed text, which web pages and word processors put in the place of what is typed. */
enum sign_sort { SIGN_QUOTE, SIGN_DASH, SIGN_BLANK, SIGN_HIDDEN };

static const struct sign {
	const char *bytes;
	unsigned code;
	enum sign_sort sort;
} signs[] = {
	{ "\xe2\x80\x9c", 0x201c, SIGN_QUOTE },	 { "\xe2\x80\x9d", 0x201d, SIGN_QUOTE },
	{ "\xe2\x80\x9e", 0x201e, SIGN_QUOTE },	 { "\xe2\x80\x98", 0x2018, SIGN_QUOTE },
	{ "\xe2\x80\x99", 0x2019, SIGN_QUOTE },	 { "\xc2\xab", 0xab, SIGN_QUOTE },
	{ "\xe2\x80\x90", 0x2010, SIGN_DASH },	 { "\xe2\x80\x91", 0x2011, SIGN_DASH },
	{ "\xe2\x80\x92", 0x2012, SIGN_DASH },	 { "\xe2\x80\x93", 0x2013, SIGN_DASH },
	{ "\xe2\x80\x94", 0x2014, SIGN_DASH },	 { "\xe2\x88\x92", 0x2212, SIGN_DASH },
	{ "\xc2\xa0", 0xa0, SIGN_BLANK },	 { "\xe2\x80\x87", 0x2007, SIGN_BLANK },
	{ "\xe2\x80\xaf", 0x202f, SIGN_BLANK },	 { "\xe3\x80\x80", 0x3000, SIGN_BLANK },
	{ "\xe2\x80\x8b", 0x200b, SIGN_HIDDEN }, { "\xe2\x81\xa0", 0x2060, SIGN_HIDDEN },
	{ "\xef\xbb\xbf", 0xfeff, SIGN_HIDDEN }, { "\xc2\xad", 0xad, SIGN_HIDDEN },
	{ "\xe2\x80\x8e", 0x200e, SIGN_HIDDEN }, { "\xe2\x80\x8f", 0x200f, SIGN_HIDDEN },
};

static const struct sign *find_sign(const char *text)
{
	for (size_t i = 0; i < sizeof(signs) / sizeof(signs[0]); i++)
		if (str_starts(text, signs[i].bytes))
			return &signs[i];
	return NULL;
}

void judge_describe_sign(const char *name, struct buf *out)
{
	for (; *name; name++) {
		const struct sign *sign = (*name & 0x80) ? find_sign(name) : NULL;

		if (!sign)
			continue;
		buf_printf(out, ": U+%04X stands in it, %s", sign->code,
			   sign->sort == SIGN_HIDDEN ? "which cannot be seen" :
			   sign->sort == SIGN_BLANK  ? "a no-break space" :
						       "a sign of printed text");
		return;
	}
}

/* In quotes, and where it is no beginning, a sign may be meant: "it's", a dash between words. */
static bool is_slip(const struct sign *sign, const char *text, const char *at, char quote)
{
	char before = at > text ? at[-1] : ' ', after = at[strlen(sign->bytes)];

	switch (sign->sort) {
	case SIGN_QUOTE:
		return !quote && (is_blank(before) || before == '=');
	case SIGN_DASH:
		return !quote && is_blank(before) && after != '\0' && !is_blank(after);
	case SIGN_BLANK:
		return !quote;
	case SIGN_HIDDEN:
		break;
	}
	return true;
}

/* at: where it stands. */
static void say_sign(struct reading *r, const struct origin *origin, const struct sign *sign,
		     const char *at)
{
	bool is_short; /* one letter is behind a dash */

	switch (sign->sort) {
	case SIGN_QUOTE:
		reading_warn(
			r, origin,
			"U+%04X is a printed quotation mark, and a part of the value as any letter: write \" or '",
			sign->code);
		return;
	case SIGN_DASH:
		at += strlen(sign->bytes);
		is_short = *at && (!at[1] || is_blank(at[1]));
		reading_warn(r, origin,
			     "U+%04X is a printed dash, with which no option begins: write %s",
			     sign->code, is_short ? "-" : "- or --");
		return;
	case SIGN_BLANK:
		reading_warn(
			r, origin,
			"U+%04X is a no-break space, which parts no words: write a plain blank",
			sign->code);
		return;
	case SIGN_HIDDEN:
		reading_warn(r, origin,
			     "U+%04X cannot be seen, and is a part of the value: take it out",
			     sign->code);
	}
}

/* The first of each sort. Not in what only people read. */
static void judge_signs(struct reading *r, const struct key *key, const struct syntax_entry *entry)
{
	const char *text = entry->value;
	unsigned said = 0;
	char quote = 0;

	if (str_eq(key->name, "Description") || str_eq(key->name, "Documentation"))
		return;
	for (const char *at = text; *at; at++) {
		const struct sign *sign = (*at & 0x80) ? find_sign(at) : NULL;

		if (is_quote(*at) && (!quote || quote == *at))
			quote = quote ? '\0' : *at;
		if (!sign || (said & 1u << sign->sort) || !is_slip(sign, text, at, quote))
			continue;
		said |= 1u << sign->sort;
		say_sign(r, syntax_origin(r->arena, entry, (size_t)(at - text)), sign, at);
	}
}

/* What systemd puts in the place of %X. */
static const char *specifier_text(char letter)
{
	static const char *const texts[128] = {
		['a'] = "the architecture",
		['A'] = "IMAGE_VERSION= of os-release",
		['b'] = "the boot's id",
		['B'] = "BUILD_ID= of os-release",
		['C'] = "/var/cache",
		['d'] = "the folder of credentials",
		['D'] = "/usr/share",
		['E'] = "/etc",
		['f'] = "the unit's name as a path",
		['g'] = "the user's group",
		['G'] = "the number of the user's group",
		['h'] = "the home folder",
		['H'] = "the host's name",
		['i'] = "the instance's name",
		['I'] = "the instance's name",
		['j'] = "the end of the unit's name",
		['J'] = "the end of the unit's name",
		['l'] = "the host's short name",
		['L'] = "/var/log",
		['m'] = "the machine's id",
		['M'] = "IMAGE_ID= of os-release",
		['n'] = "the unit's name",
		['N'] = "the unit's name",
		['o'] = "ID= of os-release",
		['p'] = "the unit's name",
		['P'] = "the unit's name",
		['q'] = "the host's name",
		['s'] = "/bin/sh",
		['S'] = "/var/lib",
		['t'] = "/run",
		['T'] = "/tmp",
		['u'] = "the user's name",
		['U'] = "the user's number",
		['v'] = "the kernel's release",
		['V'] = "/var/tmp",
		['w'] = "VERSION_ID= of os-release",
		['W'] = "VARIANT_ID= of os-release",
		['y'] = "the unit file's path",
		['Y'] = "the unit file's folder",
	};

	return letter & 0x80 ? NULL : texts[(unsigned char)letter];
}

/* %Y-%m, %H:%M, %d/%m, %Y%m: two that follow each other so are of a date. */
static bool is_date_pair(const char *at)
{
	static const char *const pairs[] = { "Ym", "md", "dm", "mY", "my", "ym", "HM", "MS",
					     "bd", "db", "bY", "dY", "dB", "Bd", "BY", NULL };
	const char *next = at + 2;

	next += has_letter("-:/_., ", *next);
	return next[0] == '%' && is_one_of((char[]){ at[1], next[1], '\0' }, pairs);
}

/* %C3%A9, %D0: a byte of a URL. Its first digit has to be a letter of specifiers; a number is an error by itself. */
static bool is_url_escape(const char *at)
{
	return has_letter("ABCDEabcdf", at[1]) &&
	       (isdigit((unsigned char)at[2]) ||
		(isupper((unsigned char)at[1]) && has_letter("ABCDEF", at[2])));
}

/* Whether a name is that of a format: LOG_FORMAT, --date-format, FMT. */
static bool names_format(const char *name, const char *end)
{
	for (; name + 3 <= end; name++)
		if (strncasecmp(name, "fmt", 3) == 0 ||
		    (name + 6 <= end && strncasecmp(name, "format", 6) == 0))
			return true;
	return false;
}

static bool is_name_byte(char c)
{
	return isalnum((unsigned char)c) || c == '_' || c == '-' || c == '.';
}

/* What at belongs to: the name before the nearest =, or an option before the word. Both ends of it. */
static const char *owner_of(const char *text, const char *at, const char **end)
{
	const char *begin = at;

	while (begin > text && begin[-1] != '=')
		begin--;
	if (begin > text) {
		*end = --begin;
	} else {
		for (begin = at; begin > text && !is_blank(begin[-1]);)
			begin--;
		while (begin > text && is_blank(begin[-1]))
			begin--;
		*end = begin;
	}
	while (begin > text && is_name_byte(begin[-1]))
		begin--;
	return begin;
}

static bool is_password(const char *name, const char *end)
{
	static const char *const parts[] = { "PASS", "SECRET", "TOKEN", "PWD", NULL };

	for (; name < end; name++)
		for (const char *const *part = parts; *part; part++)
			if (strncmp(name, *part, strlen(*part)) == 0)
				return true;
	return false;
}

/* What a text looks like in which a percent sign stands before the letter of a specifier; NULL: a specifier. */
static const char *percent_looks_like(const char *text, const char *at)
{
	const char *end, *owner = owner_of(text, at, &end);

	if (at > text && at[-1] == '+' && (at - 1 == text || is_blank(at[-2]) || is_quote(at[-2])))
		return "a date's format";
	if (is_date_pair(at))
		return "a date's format";
	if (is_url_escape(at))
		return "a byte of a URL";
	if (has_letter("sd", at[1]) && strstr(text, "printf"))
		return "a format of printf";
	if (names_format(owner, end) && (*end == '=' || *owner == '-'))
		return "a format";
	if (*end == '=' && is_password(owner, end) && isalnum((unsigned char)at[-1]) &&
	    at[2] != '/' && !has_letter("iInNpPjJ", at[1]))
		return "a password's letter";
	return NULL;
}

/* The first one: who doubles it looks for the others, too. */
static void judge_percents(struct reading *r, const struct syntax_entry *entry)
{
	const char *text = entry->value, *at = text;

	while ((at = strchr(at, '%')) != NULL) {
		const char *meaning = specifier_text(at[1]);
		const char *looks = meaning ? percent_looks_like(text, at) : NULL;

		if (looks) {
			reading_warn(
				r, syntax_origin(r->arena, entry, (size_t)(at - text)),
				"%%%c looks like %s, and becomes %s: a percent sign is written %%%%",
				at[1], looks, meaning);
			return;
		}
		at += at[1] ? 2 : 1;
	}
}

/* "sh", "/bin/bash". */
static bool is_shell(const char *program)
{
	static const char *const shells[] = { "sh", "bash", "ash", "dash", "zsh", "ksh", NULL };
	const char *slash = strrchr(program, '/');

	return is_one_of(slash ? slash + 1 : program, shells);
}

/* -c, -ec, -lc: the next word is the command. */
static bool is_command_option(const char *word)
{
	return word[0] == '-' && word[1] != '-' && str_ends(word, "c");
}

/* x$(date), `date`. A word that begins with $( vanishes, which is said where variables are put in. */
static bool has_substitution(const char *word)
{
	const char *tick = strchr(word, '`'), *dollar = strstr(word, "$(");

	return (tick && strchr(tick + 1, '`')) || (dollar && dollar > word && dollar[-1] != '$');
}

/* 2>&1, >/dev/null, && and so on, as a word of its own. */
static bool is_shell_word(const char *word)
{
	static const char *const signs_[] = { "&&", "||", "|", "&", ";", "<", "<<", "&>", NULL };

	if (is_one_of(word, signs_))
		return true;
	word += isdigit((unsigned char)*word) != 0;
	if (*word != '>')
		return false;
	word += word[1] == '>' ? 2 : 1;
	return !*word || *word == '/' || (*word == '&' && isdigit((unsigned char)word[1]));
}

/* In quotes, or with a backslash, it is meant as it stands. */
static bool is_quoted(const struct syntax_entry *entry, const struct word *word)
{
	char first = entry->value[word->offset];

	return is_quote(first) || first == '\\';
}

static const struct origin *word_origin(struct reading *r, const struct syntax_entry *entry,
					const struct word *word)
{
	return syntax_origin(r->arena, entry, word->offset);
}

/* The index of the word that a shell takes for its command; count: no shell is there. */
static size_t find_shell_command(const struct words *words)
{
	for (size_t i = 0; i + 2 < words->count; i++)
		if (is_shell(words->items[i].text) && is_command_option(words->items[i + 1].text))
			return i + 2;
	return words->count;
}

/* The same where the shell may be the entrypoint. */
static size_t find_command(struct reading *r, const struct words *words)
{
	static const char *const ends[] = { "-c\"]", "-ec\"]", "-lc\"]" };
	struct arg entrypoint;

	if (!value_text(r, r->own, "Entrypoint", &entrypoint))
		return find_shell_command(words);
	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++)
		if (str_ends(entrypoint.text, ends[i]))
			return 0;
	return is_shell(entrypoint.text) && words->count > 1 &&
			       is_command_option(words->items[0].text) ?
		       1 :
		       words->count;
}

/* sh -c echo hi: "echo" alone is run. A word with blanks or a variable in it may have arguments behind it. */
static bool judge_shell_command(struct reading *r, const struct syntax_entry *entry,
				const struct words *words, size_t command)
{
	const char *text;

	if (command + 1 >= words->count)
		return command < words->count;
	text = words->items[command].text;
	if (is_quoted(entry, &words->items[command]) || strpbrk(text, " \t$"))
		return false;
	reading_warn(
		r, word_origin(r, entry, &words->items[command + 1]),
		"the shell runs '%s' alone, and this is a word that it does not look at: put the whole command in quotes",
		text);
	return true;
}

static void judge_shell_words(struct reading *r, const struct syntax_entry *entry,
			      const struct words *words)
{
	bool has_exec = false; /* of find: ; ends it */

	for (size_t i = 0; i < words->count; i++) {
		const struct word *word = &words->items[i];

		has_exec |= str_eq(word->text, "-exec") || str_eq(word->text, "-ok");
		if (is_quoted(entry, word) || (has_exec && str_ends(word->text, ";")))
			continue;
		if (!is_shell_word(word->text) && !has_substitution(word->text) &&
		    (i + 1 == words->count || !str_ends(word->text, ";")))
			continue;
		reading_warn(
			r, word_origin(r, entry, word),
			"no shell reads this, so %s is a word for the program: write sh -c \"...\" where the image has a shell",
			word->text);
		return;
	}
}

/* What stands where a program is expected, and is none. */
static void judge_program(struct reading *r, const struct syntax_entry *entry,
			  const struct words *words)
{
	static const char *const builtins[] = { "cd", "source", "export", "ulimit", "umask", NULL };
	static const char *const engines[] = { "docker", "podman", NULL };
	const struct word *first = &words->items[0];
	struct arg entrypoint;

	if (value_text(r, r->own, "Entrypoint", &entrypoint))
		return;
	if (words->count > 1 && is_one_of(first->text, engines) &&
	    str_eq(words->items[1].text, "run"))
		reading_warn(
			r, entry->origin,
			"this is what runs inside the container: %s run itself is what the other keys stand for",
			first->text);
	else if (words->count > 1 && is_one_of(first->text, builtins))
		reading_warn(
			r, entry->origin,
			"%s is a shell's own command, and no shell reads this: write sh -c \"...\"",
			first->text);
	else if (words->count > 1 && first->text[0] && strchr("-@:+!", first->text[0]) &&
		 first->text[1] == '/')
		reading_warn(
			r, entry->origin,
			"%c in front of a program is for ExecStartPre= and its like: here it is a part of the name",
			first->text[0]);
}

static void judge_command(struct reading *r, const struct syntax_entry *entry)
{
	struct words words = words_split(r->arena, entry->value, WORDS_ESCAPES);
	size_t command;

	if (!words.count)
		return;
	command = find_command(r, &words);
	if (judge_shell_command(r, entry, &words, command))
		return;
	judge_program(r, entry, &words);
	judge_shell_words(r, entry, &words);
}

static const char *skip_json_blanks(const char *at)
{
	return at + strspn(at, " \t\r\n");
}

/* Behind the string that begins at at; NULL: it has no end. */
static const char *skip_json_string(const char *at)
{
	for (at++; *at && *at != '"'; at++)
		at += *at == '\\' && at[1];
	return *at ? at + 1 : NULL;
}

/* Where a JSON array of strings breaks off; NULL: it is whole. */
static const char *find_json_break(const char *text)
{
	const char *at = skip_json_blanks(text + 1);

	for (;;) {
		const char *next = *at == '"' ? skip_json_string(at) : NULL;

		if (!next)
			return at;
		at = skip_json_blanks(next);
		if (*at == ']')
			break;
		if (*at != ',')
			return at;
		at = skip_json_blanks(at + 1);
	}
	at = skip_json_blanks(at + 1);
	return *at ? at : NULL;
}

/* "[ "$A" = b ]" is a shell's. */
static bool is_meant_as_json(const char *text)
{
	return str_starts(text, "[\"") || str_starts(text, "['") ||
	       (str_starts(text, "[ \"") && strstr(text, "\","));
}

static void judge_json(struct reading *r, const struct key *key, const struct syntax_entry *entry)
{
	const char *text = entry->value, *broken;
	bool is_entrypoint = str_eq(key->name, "Entrypoint");

	if (is_meant_as_json(text)) {
		broken = find_json_break(text);
		if (broken)
			reading_warn(
				r, syntax_origin(r->arena, entry, (size_t)(broken - text)),
				"the JSON breaks here (%s), so podman takes the value for %s: write [\"WORD\", \"WORD\"]",
				*broken == '"'	? "a comma is missing" :
				*broken == '\'' ? "strings stand in double quotes" :
				*broken ? "a string in double quotes, a comma or ] is missing" :
					  "it has no end",
				is_entrypoint ? "the name of one program" : "a shell's command");
	} else if (is_entrypoint && text[0] != '[' && text[0] != '"' && strpbrk(text, " \t")) {
		reading_warn(
			r, entry->origin,
			"one program of this name, blanks included: words of their own are written [\"PROGRAM\", \"WORD\"]");
	}
}

/* Two paths in a line that takes one; behind a colon it is an error already. */
static void judge_paths(struct reading *r, const struct syntax_entry *entry)
{
	const char *text = entry->value, *second = strstr(text, ",/");

	if (strchr(text, ':'))
		return;
	if (!second)
		second = strstr(text, " /");
	if (second)
		reading_warn(r, syntax_origin(r->arena, entry, (size_t)(second - text)),
			     "one path, this included: each has a line of its own%s",
			     str_eq(entry->key, "Volume") ? ", and a colon parts SOURCE:/TARGET" :
							    "");
}

/* "traefik.enable: true", "A = B": words that are no pairs, and a label without a value is none that is meant. */
static void judge_pairs(struct reading *r, const struct syntax_entry *entry)
{
	struct words words = words_split(r->arena, entry->value, WORDS_ESCAPES);

	for (size_t i = 0; i < words.count; i++) {
		const char *text = words.items[i].text;

		if (str_eq(text, "="))
			reading_warn(r, word_origin(r, entry, &words.items[i]),
				     "no blanks stand round the = of a pair: write NAME=VALUE");
		else if (i + 1 < words.count && str_ends(text, ":") && !strchr(text, '='))
			reading_warn(r, word_origin(r, entry, &words.items[i]),
				     "YAML says NAME: VALUE, units say NAME=VALUE");
		else
			continue;
		return;
	}
}

/* Whether any line of the unit has $NAME or ${NAME}, or may have it: commands beside the container get all of them. */
static bool is_used(const struct reading *r, const char *name, size_t len)
{
	for (size_t i = 0; i < r->file->group_count; i++) {
		const struct syntax_group *group = &r->file->groups[i];

		for (size_t k = 0; k < group->entry_count; k++) {
			const struct syntax_entry *entry = &group->entries[k];
			const char *at = entry->value;

			if (entry->key && str_starts(entry->key, "Exec") &&
			    syntax_is_same(group->name, "Service"))
				return true;
			while (entry->key && (at = strchr(at, '$')) != NULL) {
				at += at[1] == '{' ? 2 : 1;
				if (strncmp(at, name, len) == 0 &&
				    !isalnum((unsigned char)at[len]) && at[len] != '_')
					return true;
			}
		}
	}
	return false;
}

/* Environment= of [Service] is podman's own; most people mean the container. What podman itself reads is meant. */
static void judge_lost_variable(struct reading *r, const struct syntax_entry *entry)
{
	static const char *const own[] = { "PODMAN_", "CONTAINER", "REGISTR", "XDG_", "DBUS_",
					   "TMPDIR",  "STORAGE_",  "HOME",    "PATH", NULL };
	struct words words = words_split(r->arena, entry->value, WORDS_ESCAPES);

	for (size_t i = 0; i < words.count; i++) {
		const char *text = words.items[i].text;
		size_t len = strcspn(text, "=");
		bool is_own = !text[len] ||
			      (len > 6 && strncasecmp(text + len - 6, "_proxy", 6) == 0);

		for (const char *const *prefix = own; *prefix; prefix++)
			is_own |= str_starts(text, *prefix);
		if (is_own || is_used(r, text, len))
			continue;
		reading_note(
			r, word_origin(r, entry, &words.items[i]),
			arena_printf(
				r->arena,
				"no line here has $%.*s, and the container does not get it: write Environment= in [%s]",
				(int)len, text, r->kind->section));
	}
}

static bool is_json_key(const struct key *key)
{
	static const char *const names[] = { "Entrypoint", "HealthCmd", "HealthStartupCmd", NULL };

	return is_one_of(key->name, names);
}

/* A check is a shell's line already: another shell in it is right, with its command in quotes. */
static void judge_check(struct reading *r, const struct syntax_entry *entry)
{
	struct words words = words_split(r->arena, entry->value, WORDS_ESCAPES);

	(void)judge_shell_command(r, entry, &words, find_shell_command(&words));
}

/* Most commands are a program and its words: whether one is worth to be split again. */
static bool may_be_no_command(struct reading *r, const char *text)
{
	static const char *const first[] = { "cd ",    "source ", "export ", "ulimit ",
					     "umask ", "docker ", "podman ", NULL };

	if (text[strcspn(text, "&|;<>`$")] || strstr(text, "sh -") || has_letter("-@:+!", text[0]))
		return true;
	for (const char *const *word = first; *word; word++)
		if (str_starts(text, *word))
			return true;
	return syntax_last(r->own, "Entrypoint") != NULL;
}

/* The kinds of values that hold more than one word or path. */
static void judge_parts(struct reading *r, const struct key *key, const struct syntax_entry *entry)
{
	switch (key->kind) {
	case KEY_LAST_ARGS:
		if (syntax_last(r->own, key->name) == entry && may_be_no_command(r, entry->value))
			judge_command(r, entry);
		return;
	case KEY_PAIRS:
		if (strstr(entry->value, " =") || strstr(entry->value, ": "))
			judge_pairs(r, entry);
		return;
	case KEY_STRING:
		if ((entry->value[0] == '[' || key->name[0] == 'E') && is_json_key(key))
			judge_json(r, key, entry);
		else if (strstr(entry->value, "sh -") && is_json_key(key))
			judge_check(r, entry);
		return;
	case KEY_LIST:
		if (entry->value[0] == '/' && !strchr(entry->value, ':') &&
		    (str_eq(key->name, "Volume") || str_eq(key->name, "Tmpfs")))
			judge_paths(r, entry);
		return;
	case KEY_BOOL:
	case KEY_WORDS:
	case KEY_ARGS:
	case KEY_NUMBER:
	case KEY_SPAN:
	case KEY_EXIT_SET:
		return;
	}
}

/* Whether a byte above 127 or a percent sign may be in it: eight bytes at a time, some of them twice. */
static bool has_rare_byte(const char *text, size_t len)
{
	const uint64_t ones = UINT64_C(0x0101010101010101), highs = ones << 7;
	uint64_t found = 0, bytes;

	if (len < sizeof(bytes)) {
		for (; len; text++, len--)
			found |= (uint64_t)(*text == '%') << 7 | (unsigned char)*text;
		return found & highs;
	}
	for (size_t at = 0, last = len - sizeof(bytes); at < len; at += sizeof(bytes)) {
		memcpy(&bytes, text + (at < last ? at : last), sizeof(bytes));
		found |= bytes | (((bytes ^ ones * '%') - ones) & ~(bytes ^ ones * '%'));
	}
	return found & highs;
}

void judge_slips(struct reading *r, const struct key *key, const struct syntax_entry *entry)
{
	bool is_own = syntax_is_same(key->section, r->kind->section);
	bool is_service = !is_own && syntax_is_same(key->section, "Service");

	if (has_rare_byte(entry->value, entry->value_bytes)) {
		judge_signs(r, key, entry);
		if (is_own || is_service)
			judge_percents(r, entry);
	}
	if (is_own)
		judge_parts(r, key, entry);
	else if (is_service && key->kind == KEY_PAIRS && r->kind->id == UNIT_CONTAINER)
		judge_lost_variable(r, entry);
}
