/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Unit syntax as podman reads it, on top of inih. The library's own ideas of lines (`:` as separator, no
 * continuation, 49-byte sections, blanks inside) differ from a unit file's, so the reader below joins and trims
 * physical lines itself, refuses what inih would misread, and hands over one canonical
 * "[group]" or "key=value" line at a time; inih splits it and the handler files it. Must
 * never hand inih a line whose meaning to inih differs from its meaning to podman.
 */
#include "unit/syntax_internal.h"

#include <ini.h>

#include "unit/keep_internal.h"
#include "unit/keys.h"
#include "unit/unit.h"
#include "util/buf.h"
#include "util/copy.h"
#include "util/str.h"
#include "util/string_x86.h"

#define PENDING 64

struct reader {
	struct syntax_file *file;
	struct arena *arena;
	struct diags *diags;
	char *at, *end; /* a copy of the text, whose parts become the values */
	bool is_plain;	/* is_plain_text() of all of it */
	unsigned line;	/* physical line that was read last */
	size_t entry_count;

	/* The canonical line that inih is reading: a part of the file's text, or of what was joined. */
	char *logical;
	size_t len;
	const char *equals; /* its first; NULL: a header */
	size_t key_bytes;   /* before it and its blanks */
	struct buf joined;
	bool is_joined;
	struct syntax_piece first, *pieces; /* pieces: NULL for one */
	size_t piece_count;

	struct syntax_group *group; /* NULL before the first header */
	int section;		    /* its key_section_number */
	/* Lines of comments since the last line that was not one: where the first begins, how many, how long without blanks. */
	char *comments;
	size_t comment_count, comment_bytes;

	/* What goes to the end of the group, when they are many or all. */
	struct syntax_entry pending[PENDING];
	size_t pending_count;
};

__attribute__((format(printf, 4, 5))) static void complain(struct reader *r, unsigned line,
							   unsigned column, const char *fmt, ...)
{
	auto_arena scratch = { 0 };
	va_list ap;

	va_start(ap, fmt);

	const char *text = arena_vprintf(&scratch, fmt, ap);

	va_end(ap);
	r->file->error_count++;
	diag_add(r->diags, DIAG_ERROR, r->file->path, line, column, "", "%s", text);
}

/* One of inih's blanks. */
static bool is_blank(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

/* Unicode's White_Space, which Go's strings.TrimSpace cuts; U+0085 and U+00A0 arrive in units pasted from web pages. */
size_t syntax_blank_bytes(const char *s, const char *end)
{
	static const char *const wide[] = {
		"\xc2\x85",	"\xc2\xa0",	"\xe1\x9a\x80", "\xe2\x80\x80", "\xe2\x80\x81",
		"\xe2\x80\x82", "\xe2\x80\x83", "\xe2\x80\x84", "\xe2\x80\x85", "\xe2\x80\x86",
		"\xe2\x80\x87", "\xe2\x80\x88", "\xe2\x80\x89", "\xe2\x80\x8a", "\xe2\x80\xa8",
		"\xe2\x80\xa9", "\xe2\x80\xaf", "\xe2\x81\x9f", "\xe3\x80\x80"
	};

	if (s >= end)
		return 0;
	if (is_blank(*s))
		return 1;
	if (!((unsigned char)*s & 0x80))
		return 0;
	for (size_t i = 0; i < sizeof(wide) / sizeof(wide[0]); i++) {
		size_t len = strlen(wide[i]);

		if ((size_t)(end - s) >= len && memcmp(s, wide[i], len) == 0)
			return len;
	}
	return 0;
}

/* Most lines begin and end with a letter or a sign. */
static bool is_plain_sign(char c)
{
	return c > ' ';
}

static const char *trim_left(const char *s, const char *end)
{
	if (s < end && is_plain_sign(*s))
		return s;
	for (size_t n; (n = syntax_blank_bytes(s, end)) > 0; s += n)
		;
	return s;
}

static const char *trim_right(const char *s, const char *end)
{
	while (end > s) {
		if (is_plain_sign(end[-1]))
			break;
		const char *last = end - 1;

		while (last > s && end - last < 3 && ((unsigned char)*last & 0xc0) == 0x80)
			last--;

		size_t n = syntax_blank_bytes(last, end);

		if (!n || last + n != end)
			break;
		end = last;
	}
	return end;
}

/* Sixteen signed letters at once, as the compiler has it for each machine. */
typedef signed char letters __attribute__((vector_size(16)));

/* Whether there is neither a NUL nor a byte above 127. */
static bool is_plain_text(const char *s, size_t len)
{
	uint64_t found[2];
	letters c, odd = { 0 };

	if (len < sizeof(c)) {
		for (; len; len--, s++)
			if ((signed char)*s < 1)
				return false;
		return true;
	}
	/* The last sixteen may be looked at a second time. */
	for (const char *last = s + len - sizeof(c);; s += sizeof(c)) {
		if (s > last)
			s = last;
		memcpy(&c, s, sizeof(c));
		odd |= (letters)(c < 1);
		if (s == last)
			break;
	}
	memcpy(found, &odd, sizeof(found));
	return !(found[0] | found[1]);
}

static bool is_utf8(const char *s, size_t len)
{
	const unsigned char *p = (const unsigned char *)s, *end = p + len;

	while (p < end) {
		unsigned follow = *p < 0x80 ? 0 :
				  *p < 0xc2 ? 9 :
				  *p < 0xe0 ? 1 :
				  *p < 0xf0 ? 2 :
				  *p < 0xf5 ? 3 :
					      9;

		if (follow == 9 || (size_t)(end - p) <= follow)
			return false;
		if ((*p == 0xe0 && p[1] < 0xa0) || (*p == 0xed && p[1] > 0x9f) ||
		    (*p == 0xf0 && p[1] < 0x90) || (*p == 0xf4 && p[1] > 0x8f))
			return false;
		for (unsigned i = 1; i <= follow; i++)
			if ((p[i] & 0xc0) != 0x80)
				return false;
		p += follow + 1;
	}
	return true;
}

#ifdef __x86_64__
/* The first of two signs; end: there is none. SYNTAX_PIECE_BYTES behind the end may be read. */
static inline const char *find_sign(const char *s, const char *end, char first, char second)
{
	_Static_assert(X86_STEP <= SYNTAX_PIECE_BYTES, "may be read");
	const __m128i one = _mm_set1_epi8(first), other = _mm_set1_epi8(second);

	for (; s < end; s += X86_STEP) {
		__m128i c = x86_load(s);
		__m128i hits = _mm_or_si128(_mm_cmpeq_epi8(c, one), _mm_cmpeq_epi8(c, other));
		unsigned found = (unsigned)_mm_movemask_epi8(hits);

		if (found) {
			s += __builtin_ctz(found);
			break;
		}
	}
	return s < end ? s : end;
}
#else
/* The highest bit of each byte that is 0, and of some that stand behind such a one. */
static uint64_t mark_zeros(uint64_t bytes)
{
	const uint64_t ones = UINT64_C(0x0101010101010101), highs = ones << 7;

	return (bytes - ones) & ~bytes & highs;
}

static inline const char *find_sign(const char *s, const char *end, char first, char second)
{
	const uint64_t ones = UINT64_C(0x0101010101010101);
	uint64_t bytes, found;

	_Static_assert(sizeof(bytes) <= SYNTAX_PIECE_BYTES &&
			       __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
		       "the first byte is the lowest");
	for (; s < end; s += sizeof(bytes)) {
		memcpy(&bytes, s, sizeof(bytes));
		found = mark_zeros(bytes ^ ones * (unsigned char)first) |
			mark_zeros(bytes ^ ones * (unsigned char)second);
		if (found) {
			s += __builtin_ctzll(found) / 8;
			break;
		}
	}
	return s < end ? s : end;
}
#endif

/* The next physical line without blanks at its ends; its column is where it begins. */
__attribute__((always_inline)) static inline bool next_physical(struct reader *r, char **begin,
								const char **end, unsigned *column)
{
	if (r->at >= r->end)
		return false;

	const char *stop = find_sign(r->at, r->end, '\n', '\n');

	*begin = r->at + (trim_left(r->at, stop) - r->at);
	*column = (unsigned)(*begin - r->at) + 1;
	*end = trim_right(*begin, stop);
	r->at += stop - r->at + (stop < r->end);
	r->line++;
	return true;
}

/* The line stands at from, begin and end are without its blanks. */
static void keep_comment(struct reader *r, char *from, const char *begin, const char *end)
{
	if (!r->comment_count++)
		r->comments = from;
	r->comment_bytes += (size_t)(end - begin) + 1;
}

/* For so many more at once, and then for as many again. */
static void make_room(struct syntax_group *group, struct arena *arena, size_t more)
{
	size_t room = group->entry_count + (more > group->entry_count ? more : group->entry_count);
	struct syntax_entry *entries = arena_alloc(arena, room * sizeof(*entries));

	if (group->entry_count)
		memcpy(entries, group->entries, group->entry_count * sizeof(*entries));
	group->entries = entries;
	group->entry_room = room;
}

static void add_entries(struct syntax_group *group, struct arena *arena,
			const struct syntax_entry *entries, size_t count)
{
	if (!count)
		return;
	if (group->entry_room - group->entry_count < count)
		make_room(group, arena, count);
	memcpy(&group->entries[group->entry_count], entries, count * sizeof(entries[0]));
	group->entry_count += count;
}

static void file_pending(struct reader *r)
{
	if (r->group && r->pending_count) /* there is none without a group */
		add_entries(r->group, r->arena, r->pending, r->pending_count);
	r->pending_count = 0;
}

static struct syntax_entry *add_pending(struct reader *r)
{
	if (r->pending_count == PENDING)
		file_pending(r);
	return &r->pending[r->pending_count++];
}

/* Reads the lines of comments once more. */
static char *join_comments(struct reader *r)
{
	char *text = arena_alloc(r->arena, r->comment_bytes), *to = text;
	const char *at = r->comments;

	for (size_t i = 0; i < r->comment_count; i++) {
		const char *newline = memchr(at, '\n', (size_t)(r->end - at));
		const char *stop = newline ? newline : r->end, *begin = trim_left(at, stop);
		size_t len = (size_t)(trim_right(begin, stop) - begin);

		copy_bytes(to, begin, len);
		to += len;
		*to++ = '\n';
		at = stop + 1;
	}
	to[-1] = '\0';
	return text;
}

/* All of them as one entry: a file of empty lines costs what it is long. */
static void file_comments(struct reader *r, bool is_header)
{
	struct syntax_entry *entry;
	const char *text;

	if (!r->comment_count)
		return;
	/* One empty line before a header is not kept: writing puts one between groups. */
	if (is_header && r->comment_bytes == 1) {
		r->comment_count = r->comment_bytes = 0;
		return;
	}
	text = join_comments(r);
	if (is_header && *text == '\n')
		text++;
	entry = is_header ? arena_push(r->arena, r->group->comments, r->group->comment_count) :
			    add_pending(r);
	*entry = (struct syntax_entry){ .hash = 0 };
	entry->value = text;
	entry->value_bytes = (uint32_t)strlen(text);
	r->comment_count = r->comment_bytes = 0;
}

static bool is_comment(const char *begin, const char *end)
{
	return begin == end || *begin == '#' || *begin == ';';
}

/* The first line is used where it stands; with those joined to it it is copied together. */
static void add_piece(struct reader *r, const char *begin, const char *end, unsigned column)
{
	const struct syntax_piece piece = { r->joined.len, r->line, column };

	if (!r->piece_count)
		*arena_push(r->arena, r->pieces, r->piece_count) = r->first;
	*arena_push(r->arena, r->pieces, r->piece_count) = piece;
	buf_add(&r->joined, begin, (size_t)(end - begin));
}

/* "User=app" behind a line that ends in a backslash is a part of that one and asks for nothing, which nobody meant who lost it so.
 * Names of variables seldom are names of keys to the letter. */
static void warn_of_eaten_key(const struct reader *r, const char *begin, const char *end,
			      unsigned column, unsigned first)
{
	const char *equals = memchr(begin, '=', (size_t)(end - begin));
	const char *stop = equals ? trim_right(begin, equals) : begin;
	char name[64];

	if (!r->group || stop == begin || (size_t)(stop - begin) >= sizeof(name))
		return;
	memcpy(name, begin, (size_t)(stop - begin));
	name[stop - begin] = '\0';
	if (key_find(r->group->name, name))
		diag_add(r->diags, DIAG_WARNING, r->file->path, r->line, column, "",
			 "the backslash on line %u makes this %s= a part of that line", first,
			 name);
}

/* Joins the lines after one that ended in a backslash. Comments and empty lines between are skipped: podman's
 * rule, where systemd would end the line. */
static void join_lines(struct reader *r)
{
	const char *end;
	char *begin;
	unsigned column, first = r->line;
	bool goes_on = true;

	while (goes_on) {
		if (!next_physical(r, &begin, &end, &column)) {
			diag_add(r->diags, DIAG_WARNING, r->file->path, first, 0, "",
				 "the backslash at the end joins nothing: it is the last line");
			return;
		}
		if (is_comment(begin, end))
			continue;
		if (*begin == '[' && end[-1] == ']')
			diag_add(
				r->diags, DIAG_WARNING, r->file->path, r->line, column, "",
				"the backslash on line %u makes this section header a part of that line",
				first);
		warn_of_eaten_key(r, begin, end, column, first);
		goes_on = end[-1] == '\\';
		add_piece(r, begin, goes_on ? end - 1 : end, column);
	}
}

/* Where the whole logical line begins. */
static unsigned first_line(const struct reader *r)
{
	return r->first.line;
}

static bool check_header(struct reader *r)
{
	const char *s = r->logical, *end = s + r->len;
	const char *close = memchr(s, ']', r->len);
	unsigned line = first_line(r), column = r->first.column;

	if (!close) {
		complain(r, line, column, "section header without a closing bracket");
		return false;
	}
	const char *after = close + 1;

	while (after < end && (*after == ' ' || *after == '\t'))
		after++;
	if (after < end) {
		complain(r, line, column + (unsigned)(close - s) + 1,
			 "text after the section header");
		return false;
	}

	size_t len = (size_t)(close - s) - 1;

	if (len == 0 || len > SYNTAX_MAX_GROUP_BYTES) {
		complain(r, line, column, "a section's name has 1 to %d bytes",
			 SYNTAX_MAX_GROUP_BYTES);
		return false;
	}
	for (const char *p = s + 1; p < close; p++)
		if (*p == '[' || (unsigned char)*p < 0x20 || *p == 0x7f) {
			complain(r, line, column,
				 "a section's name cannot hold brackets or control characters");
			return false;
		}
	return true;
}

/* The first sign that inih would split the line at; end: there is none. */
static const char *find_separator(const struct reader *r)
{
	const char *s = r->logical, *end = s + r->len;

	if (!r->is_joined)
		return find_sign(s, end, '=', ':');
	while (s < end && *s != '=' && *s != ':')
		s++;
	return s;
}

/* What a line may have been meant as that is nothing of a unit file. */
static void say_no_line(struct reader *r)
{
	static const char text[] = "not a key=value line, section header or comment";
	const char *s = r->logical, *end = s + r->len, *colon = memchr(s, ':', r->len);
	unsigned line = first_line(r), column = r->first.column;
	size_t bytes = str_utf8_len(s, r->len);

	if (bytes == 3 && (s[3] == '[' || s[3] == '#'))
		complain(r, line, column, "%s: a sign that is no letter begins the line: U+%04X",
			 text, (s[0] & 0xfu) << 12 | (s[1] & 0x3fu) << 6 | (s[2] & 0x3fu));
	else if (str_starts(s, "//"))
		complain(r, line, column, "%s: comments begin with # or ;", text);
	else if (colon && (colon + 1 == end || is_blank(colon[1])))
		complain(r, line, column, "%s: YAML says NAME: VALUE, units say Name=VALUE", text);
	else
		complain(r, line, column, "%s", text);
}

static bool check_assignment(struct reader *r)
{
	const char *s = r->logical, *end = s + r->len, *equals = find_separator(r);
	unsigned line = first_line(r), column = r->first.column;

	if (equals == end || (*equals == ':' && !memchr(equals, '=', (size_t)(end - equals)))) {
		say_no_line(r);
		return false;
	}
	if (equals == s && *equals == '=') {
		complain(r, line, column, "an assignment without a key");
		return false;
	}
	if (!r->group) {
		complain(r, line, column, "a key before the first section header");
		return false;
	}
	if (*equals == ':') {
		complain(r, line, column, "a key cannot hold a colon");
		return false;
	}
	r->equals = equals;
	while (is_blank(equals[-1]))
		equals--;
	r->key_bytes = (size_t)(equals - s);
	return true;
}

/* Whether inih may see the logical line: it then reads it as podman does. */
static bool check_logical(struct reader *r)
{
	const char *s = r->logical;
	bool is_plain = r->is_plain || is_plain_text(s, r->len);

	r->equals = NULL;
	if (r->len > UNIT_MAX_LINE_BYTES || r->joined.failed) {
		complain(r, first_line(r), 0,
			 "the line, with those joined to it, is longer than %d bytes",
			 UNIT_MAX_LINE_BYTES);
		return false;
	}
	if (!is_plain && memchr(s, '\0', r->len)) {
		complain(r, first_line(r), 0, "a NUL byte");
		return false;
	}
	if (!is_plain && !is_utf8(s, r->len)) {
		complain(r, first_line(r), 0, "not valid UTF-8");
		return false;
	}
	return s[0] == '[' ? check_header(r) : check_assignment(r);
}

/* Fills in the logical line that begins with this physical one. */
static void take_lines(struct reader *r, char *begin, const char *end, unsigned column)
{
	r->first = (struct syntax_piece){ 0, r->line, column };
	r->pieces = NULL;
	r->piece_count = 0;
	r->logical = begin;
	r->is_joined = end[-1] == '\\';
	if (!r->is_joined) {
		r->len = (size_t)(end - begin);
		begin[r->len] = '\0';
		return;
	}
	buf_clear(&r->joined);
	buf_add(&r->joined, begin, (size_t)(end - 1 - begin));
	join_lines(r);
	r->logical = r->joined.data;
	r->len = (size_t)(trim_right(r->logical, r->logical + r->joined.len) - r->logical);
	if (r->logical)
		r->logical[r->len] = '\0';
}

/* Fills r->logical with the next line for inih; false at the end of the file. */
static bool next_logical(struct reader *r)
{
	const char *end;
	char *begin;
	unsigned column;

	for (char *from = r->at; next_physical(r, &begin, &end, &column); from = r->at) {
		if (is_comment(begin, end)) {
			keep_comment(r, from, begin, end);
			continue;
		}
		take_lines(r, begin, end, column);
		if (r->len == 0 && !r->joined.failed)
			continue;
		if (check_logical(r))
			return true;
		/* Lines of comments stand together. */
		if (r->group)
			file_comments(r, false);
		r->comment_count = r->comment_bytes = 0;
	}
	return false;
}

/* inih's reader: a line without its newline. In pieces, and not its end by itself: a processor waits for bytes that were written
 * otherwise than they are read. */
static char *hand_to_inih(char *out, int size, void *stream)
{
	struct reader *r = stream;

	_Static_assert(UNIT_MAX_LINE_BYTES + SYNTAX_PIECE_BYTES < INI_MAX_LINE,
		       "inih would cut the line");
	_Static_assert(UNIT_MAX_LINE_BYTES <= UINT16_MAX, "a key's length");
	if (!next_logical(r) || (size_t)size < r->len + SYNTAX_PIECE_BYTES)
		return NULL;
	if (r->is_joined)
		memcpy(out, r->logical, r->len + 1);
	else
		for (size_t at = 0; at <= r->len; at += SYNTAX_PIECE_BYTES)
			memcpy(out + at, r->logical + at, SYNTAX_PIECE_BYTES);
	return out;
}

static inline const struct origin *make_origin(struct reader *r, size_t offset, const char *key)
{
	struct origin *origin = arena_new(r->arena, struct origin);
	const struct syntax_piece *piece = &r->first;

	for (size_t i = 1; i < r->piece_count && r->pieces[i].offset <= offset; i++)
		piece = &r->pieces[i];
	origin->file = r->file->path;
	origin->line = piece->line;
	origin->column = piece->column + (unsigned)(offset - piece->offset);
	origin->key = key;
	return origin;
}

static void enter_group(struct reader *r, const char *name)
{
	file_pending(r);
	r->section = key_section_number(name);
	if (r->section >= 0)
		name = key_section_at((size_t)r->section);
	r->group = syntax_group_ensure(r->file, r->arena, name);
	if (!r->group->origin->line)
		r->group->origin = make_origin(r, 0, r->group->name);
	file_comments(r, true);
}

/* A bound was met: what follows is not read. */
static int give_up(struct reader *r, int bound, const char *what)
{
	complain(r, first_line(r), 0, "more than %d %s", bound, what);
	r->at = r->end;
	return 0;
}

/* inih's blanks before a value. */
static const char *trim_blanks(const char *s, const char *end)
{
	while (s < end && is_blank(*s))
		s++;
	return s;
}

/* Whether inih has split the line where we would: both parts still lie in its copy of the line, and are as long as ours. */
static bool is_split_so(const struct reader *r, const char *name, const char *value,
			const char *own)
{
	return r->equals && value - name == own - r->logical && !value[r->logical + r->len - own] &&
	       !name[r->key_bytes] && name[r->key_bytes - 1];
}

/* The rest of the logical line as a text: a part of the copy, whose line has been read. */
static const char *keep_value(struct reader *r, const char *value, size_t len)
{
	char *copy;

	if (!r->is_joined)
		return value;
	copy = arena_alloc(r->arena, len + 1);
	copy_bytes(copy, value, len);
	return copy;
}

/* Of the line as it stands here: inih's copy was written just now, and waits to be read. */
static void add_assignment(struct reader *r, const char *value, size_t value_bytes)
{
	struct syntax_entry *entry = add_pending(r);
	const char *name = r->logical;
	uint32_t hash = key_hash_of(name, r->key_bytes);
	const struct key *row = key_find_hashed(r->section, name, r->key_bytes, hash);

	*entry = (struct syntax_entry){
		.key = row ? row->name : arena_strndup(r->arena, name, r->key_bytes),
		.row = row,
		.value = keep_value(r, value, value_bytes),
		.hash = hash,
		.key_bytes = (uint16_t)r->key_bytes,
		.is_line = !r->is_joined && value == r->equals + 1 &&
			   r->equals == name + r->key_bytes,
		.value_bytes = (uint32_t)value_bytes,
		.value_offset = (uint32_t)(value - name),
		.pieces = r->pieces,
		.piece_count = r->piece_count,
	};
	entry->origin = make_origin(r, entry->value_offset,
				    row ? row->full :
					  arena_join(r->arena, r->group->name, ".", entry->key));
	r->group->may_have |= syntax_bit(hash);
}

/* inih's handler: 1 is success. A line that inih split otherwise than our checks did is a bug, and said. */
static int take_from_inih(void *user, const char *section, const char *name, const char *value,
			  int line)
{
	struct reader *r = user;

	(void)line; /* counts what was handed over, not lines of the file */
	if (!name || !value) {
		if (r->file->group_count >= UNIT_MAX_SECTIONS && !syntax_group(r->file, section))
			return give_up(r, UNIT_MAX_SECTIONS, "sections");
		enter_group(r, section);
		return 1;
	}
	if (r->entry_count++ >= UNIT_MAX_ENTRIES)
		return give_up(r, UNIT_MAX_ENTRIES, "assignments");

	const char *end = r->logical + r->len;
	const char *own = r->equals ? trim_blanks(r->equals + 1, end) : end;

	/* The section is the one that enter_group() was told last. */
	if (!r->group || !is_split_so(r, name, value, own)) {
		complain(r, first_line(r), 0, "line was split wrongly");
		return 0;
	}
	file_comments(r, false);
	add_assignment(r, own, (size_t)(end - own));
	return 1;
}

void syntax_prepare(void)
{
	(void)key_count();
	(void)keep_is_constant("");
}

void syntax_read(struct syntax_file *file, struct arena *arena, struct diags *diags,
		 const char *path, const char *text, size_t len)
{
	syntax_read_part(file, arena, diags, path, text, len, 1);
}

void syntax_read_part(struct syntax_file *file, struct arena *arena, struct diags *diags,
		      const char *path, const char *text, size_t len, unsigned first_line)
{
	/* All but what is pending, which is written before it is read. */
	struct reader r __attribute__((uninitialized));

	memset(&r, 0, offsetof(struct reader, pending));
	r.pending_count = 0;
	r.file = file;
	r.arena = arena;
	r.diags = diags;
	r.line = first_line - 1;
	/* Room for a line that is one physical line too long, so that its length can be complained of. */
	r.joined.max = (size_t)UNIT_MAX_FILE_BYTES + 1;
	*file = (struct syntax_file){ .path = path };
	if (len > UNIT_MAX_FILE_BYTES) {
		complain(&r, 1, 0, "the file is larger than %d bytes", UNIT_MAX_FILE_BYTES);
		return;
	}
	/* Room for the rest of the piece in which the last line ends. */
	r.at = arena_alloc(arena, len + SYNTAX_PIECE_BYTES);
	r.end = r.at + len;
	copy_bytes(r.at, text, len);
	r.is_plain = is_plain_text(text, len);
	if (len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) {
		complain(
			&r, 1, 1,
			"a byte order mark at the start of the file: save it as UTF-8 without one");
		r.at += 3;
	}

	int line = ini_parse_stream(hand_to_inih, &r, take_from_inih, &r);

	if (line && !file->error_count)
		complain(&r, r.line ? r.line : 1, 0,
			 line == -2 ? "out of memory" : "line was not understood");
	if (r.group)
		file_comments(&r, false);
	file_pending(&r);
	for (size_t i = 0; i < file->group_count; i++)
		file->entry_count += file->groups[i].entry_count;
	file->is_empty = !file->group_count && !file->error_count;
	buf_fini(&r.joined);
}

struct syntax_group *syntax_group(const struct syntax_file *file, const char *name)
{
	for (size_t i = 0; i < file->group_count; i++)
		if (syntax_is_same(file->groups[i].name, name))
			return &file->groups[i];
	return NULL;
}

struct syntax_group *syntax_group_ensure(struct syntax_file *file, struct arena *arena,
					 const char *name)
{
	static const struct origin nowhere = { .file = "", .key = "" };
	struct syntax_group *group;

	if (file->group_count && file->groups[file->recent].name == name)
		return &file->groups[file->recent];
	group = syntax_group(file, name);
	if (!group) {
		group = arena_push(arena, file->groups, file->group_count);
		group->name = keep_is_constant(name) ? name : arena_strdup(arena, name);
		group->origin = &nowhere;
	}
	file->recent = (size_t)(group - file->groups);
	return group;
}

void syntax_add_all(struct syntax_group *group, struct arena *arena,
		    const struct syntax_group *from)
{
	if (group->entry_room - group->entry_count < from->entry_count)
		make_room(group, arena, from->entry_count);
	add_entries(group, arena, from->entries, from->entry_count);
	group->may_have |= from->may_have;
}

void syntax_merge(struct syntax_file *file, struct arena *arena, const struct syntax_file *source)
{
	for (size_t i = 0; i < source->group_count; i++) {
		const struct syntax_group *from = &source->groups[i];
		struct syntax_group *to = syntax_group_ensure(file, arena, from->name);

		if (!to->origin->line)
			to->origin = from->origin;
		for (size_t k = 0; k < from->comment_count; k++)
			*arena_push(arena, to->comments, to->comment_count) = from->comments[k];
		syntax_add_all(to, arena, from);
		file->entry_count += from->entry_count;
	}
	file->error_count += source->error_count;
	file->is_empty = file->is_empty && source->is_empty;
}

void syntax_copy(struct syntax_file *copy, struct arena *arena, const struct syntax_file *file)
{
	*copy = (struct syntax_file){ .path = file->path, .is_empty = true };
	syntax_merge(copy, arena, file);
}

void syntax_borrow(struct syntax_file *copy, struct arena *arena, const struct syntax_file *file)
{
	*copy = *file;
	copy->groups = NULL;
	copy->group_count = 0;
	for (size_t i = 0; i < file->group_count; i++) {
		struct syntax_group *group = arena_push(arena, copy->groups, copy->group_count);

		*group = file->groups[i];
		group->entry_room = group->entry_count;
	}
}

/* A service text has some more lines than its unit. */
void syntax_own(struct syntax_group *group, struct arena *arena)
{
	if (group->entry_count == group->entry_room)
		make_room(group, arena, group->entry_count + 8);
}

void syntax_add(struct syntax_group *group, struct arena *arena,
		const struct syntax_assignment *line)
{
	syntax_own(group, arena);
	group->entries[group->entry_count++] = (struct syntax_entry){
		.key = line->key,
		.value = line->value,
		.hash = line->hash,
		.key_bytes = line->key_bytes,
		.value_bytes = line->value_bytes,
	};
	group->may_have |= syntax_bit(line->hash);
}

struct syntax_entry *syntax_find_last(const struct syntax_group *group, const char *key,
				      uint32_t hash)
{
	for (size_t i = group->entry_count; i > 0; i--)
		if (syntax_is(&group->entries[i - 1], key, hash))
			return &group->entries[i - 1];
	return NULL;
}

const struct origin *syntax_origin(struct arena *arena, const struct syntax_entry *entry,
				   size_t offset)
{
	size_t at = entry->value_offset + offset, i = entry->piece_count;

	/* Entries that were added to a service text are of no line. */
	if (offset == 0 || !entry->origin)
		return entry->origin;

	struct origin *origin = arena_new(arena, struct origin);

	*origin = *entry->origin;
	origin->column += (unsigned)offset;
	if (!i)
		return origin;
	while (i > 1 && entry->pieces[i - 1].offset > at)
		i--;
	origin->line = entry->pieces[i - 1].line;
	origin->column = entry->pieces[i - 1].column + (unsigned)(at - entry->pieces[i - 1].offset);
	return origin;
}
