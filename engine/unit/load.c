/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Finding unit files as Quadlet does: a folder and those below it, parents first, in the order of names; links to folders
 * are followed, each folder is searched once; the first file of a name wins; an empty file or a link to /dev/null
 * hides the others of its name. Must never follow a loop of links, and never stop at a file that cannot be read.
 */
#include "unit/load_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "unit/kinds_internal.h"
#include "util/cleanup.h"
#include "util/file.h"
#include "util/path.h"
#include "util/sort.h"
#include "util/str.h"

/* From here on the other processors are worth it. */
#define LOAD_MUCH_COUNT 64
#define LOAD_MUCH_BYTES ((size_t)1024 * 1024) /* at the least, then */

struct walk {
	struct load *load;
	enum unit_dir_rule rule;
	const char *users; /* resolved */
	unsigned depth;
	bool is_flat;
};

void load_complain(struct load *load, const char *path, unsigned line, const char *text)
{
	diag_add(&load->set->diags, DIAG_ERROR, path, line, 1, "", "%s", text);
}

size_t load_first_error(const struct load *load, size_t index)
{
	const struct diags *diags = &load->set->diags;

	while (index < diags->count && diags->items[index].severity != DIAG_ERROR)
		index++;
	/* Beyond their bound none is kept: the last one has to do. */
	return index < diags->count ? index : diags->count - (diags->count > 0);
}

static int compare_entries(const void *left, const void *right)
{
	const struct load_entry *a = left, *b = right;

	return strcmp(a->name, b->name);
}

/* All begin with their shares of one large page, which is as much as most sets need. */
static void prepare_arenas(void *context, unsigned worker, size_t index)
{
	struct load *load = context;
	struct arena *first = &load->readers[0].arena;
	size_t share;

	(void)worker;
	(void)index;
	first->is_brief = true;
	arena_expect(first, LOAD_MUCH_BYTES);
	share = first->free_bytes / load->crew.workers - SPLIT_APART_BYTES;
	for (unsigned i = 1; i < load->crew.workers; i++) {
		load->readers[i].arena.is_brief = true;
		arena_lend(&load->readers[i].arena, first, share);
	}
}

/* Memory of the size that is needed costs time, too: a thread gets it while the folder is listed. */
void load_begin_crew(struct load *load, size_t count)
{
	if (!load->scratch.is_brief || load->crew.workers || count < LOAD_MUCH_COUNT)
		return;
	split_begin(&load->crew, split_workers(count));
	split_start(&load->crew, 1, prepare_arenas, load);
}

void load_await_crew(struct load *load)
{
	if (!load->crew.workers)
		return;
	split_wait(&load->crew);
	arena_absorb(&load->scratch, &load->readers[0].arena);
}

struct arena *load_arena(struct load *load, unsigned worker)
{
	return worker ? &load->readers[worker].arena : &load->scratch;
}

struct load_entry *load_list(struct load *load, const char *path, size_t *count, struct err *err)
{
	auto_dir DIR *dir = opendir(path);
	struct load_entry *entries = NULL;

	*count = 0;
	if (!dir) {
		err_sys(err, "opendir");
		return NULL;
	}
	for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
		if (str_eq(entry->d_name, ".") || str_eq(entry->d_name, ".."))
			continue;
		if (*count == UNIT_MAX_FOLDER_ENTRIES) {
			load_complain(load, path, 1,
				      "more than 16384 entries: the others are not looked at");
			break;
		}
		*arena_push(&load->scratch, entries, *count) =
			(struct load_entry){ arena_strdup(&load->scratch, entry->d_name),
					     entry->d_type };
		if (*count == LOAD_MUCH_COUNT)
			load_begin_crew(load, *count);
	}
	entries = *count ? sort_stable(&load->scratch, entries, *count, sizeof(*entries),
				       compare_entries) :
			   arena_alloc(&load->scratch, sizeof(entries[0]));
	load_await_crew(load);
	return entries;
}

const struct load_name *load_taken(const struct load *load, const char *name)
{
	size_t index;

	return lookup_find(&load->taken, name, &index) ? &load->names[index] : NULL;
}

void load_take(struct load *load, const char *name, const struct load_folder *folder,
	       const char *path)
{
	if (lookup_add(&load->taken, &load->scratch, name, load->name_count))
		*arena_push(&load->scratch, load->names, load->name_count) =
			(struct load_name){ path, folder };
}

struct load_file *load_new_file(struct load *load, const char *name,
				const struct load_folder *folder, const char *path, unsigned line)
{
	struct load_file *file;

	if (strlen(name) > UNIT_MAX_NAME_BYTES - 1) {
		load_complain(load, path, line, "the name is longer than 127 bytes");
		return NULL;
	}
	if (load->file_count >= UNIT_MAX_FILES) {
		load_complain(load, path, line, "more than 1024 unit files: this one is not read");
		return NULL;
	}
	file = arena_push(&load->scratch, load->files, load->file_count);
	file->name = name;
	file->kind = kind_of(name);
	file->folder = folder;
	file->text.path = path;
	return file;
}

static bool is_dev_null(const char *path)
{
	struct stat st, null;

	return stat(path, &st) == 0 && stat("/dev/null", &null) == 0 && S_ISCHR(st.st_mode) &&
	       st.st_rdev == null.st_rdev;
}

/* name: the file as seen from folder_fd. */
static bool read_text(struct buf *text, struct diags *diags, int folder_fd, const char *name,
		      const char *path)
{
	const char *reason;
	char target[256];
	ssize_t length;
	struct err err;

	text->max = UNIT_MAX_FILE_BYTES;
	buf_clear(text);
	if (file_read_at(folder_fd, name, UNIT_MAX_FILE_BYTES, text, &err) == 0 ||
	    (err.code == ERR_INPUT && is_dev_null(path)))
		return true;
	/* The path stands before the complaint already. */
	reason = str_starts(err.msg, name) ? err.msg + strlen(name) + 2 : err.msg;
	length = err.sys_errno == ENOENT ? readlinkat(folder_fd, name, target, sizeof(target)) : -1;
	if (length > 0)
		diag_add(diags, DIAG_ERROR, path, 1, 1, "", "a link to %.*s: %s", (int)length,
			 target, strerror(ENOENT));
	else
		diag_add(diags, DIAG_ERROR, path, 1, 1, "", "%s", reason);
	return false;
}

bool load_read_text(struct load *load, const char *path)
{
	return read_text(&load->text, &load->set->diags, AT_FDCWD, path, path);
}

/* A file that cannot be understood hides no other from podman, which drops the whole folder, too. */
static void add_broken(struct load *load, struct load_folder *folder, struct load_file *file,
		       size_t first_diag)
{
	file->broken_path = file->text.path;
	file->first_error = load_first_error(load, first_diag);
	folder->is_left_out = true;
	if (load->is_generator)
		load->file_count--;
	else
		load_take(load, file->name, folder, file->text.path);
}

static bool is_missing(const char *path)
{
	struct stat st;

	return stat(path, &st) < 0 && errno == ENOENT;
}

static bool is_link(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0 && S_ISLNK(st.st_mode);
}

/* A unit file and what it says, before anything is known of the others. */
struct found_file {
	const char *name, *path;
	struct syntax_file text;
	struct diags diags; /* of reading it */
	bool is_read, is_mask;
};

struct finding {
	struct load *load;
	const struct load_folder *folder;
	struct found_file *files;
	bool is_full; /* there is no room for what they say */
};

/* Whether load_new_file() will take it: what is too much is not kept in memory either. */
static bool has_room(const struct finding *f, const char *name)
{
	return !f->is_full && strlen(name) < UNIT_MAX_NAME_BYTES;
}

static void close_folder(struct load_reader *reader)
{
	if (reader->folder && reader->folder_fd >= 0)
		close(reader->folder_fd);
	reader->folder = NULL;
}

/* A thousand files of one folder need not look for it a thousand times. Each thread has descriptors of its own. */
static int folder_of_reader(struct load_reader *reader, const struct load_folder *folder)
{
	if (reader->folder != folder) {
		close_folder(reader);
		reader->folder_fd = open(folder->path, O_PATH | O_DIRECTORY | O_CLOEXEC);
		reader->folder = folder;
	}
	return reader->folder_fd;
}

static void read_found(void *context, unsigned worker, size_t index)
{
	struct finding *f = context;
	struct found_file *file = &f->files[index];
	struct load_reader *reader = &f->load->readers[worker];
	struct arena *arena = load_arena(f->load, worker);
	struct buf *text = &reader->text;
	int folder_fd = folder_of_reader(reader, f->folder);

	file->diags.lender = arena;
	file->is_read = folder_fd < 0 ?
				read_text(text, &file->diags, AT_FDCWD, file->path, file->path) :
				read_text(text, &file->diags, folder_fd, file->name, file->path);
	/* podman takes a mask for a unit that lacks everything; here it is none. */
	file->is_mask = file->is_read && !text->len && !f->load->is_generator;
	if (file->is_read && !file->is_mask && has_room(f, file->name))
		syntax_read(&file->text, arena, &file->diags, file->path, buf_str(text), text->len);
}

static void add_unit_file(struct load *load, struct load_folder *folder, struct found_file *found)
{
	size_t first_diag = load->set->diags.count;
	struct load_file *file;

	/* What is wrong with a text is not said of one that is too many. */
	if (!found->is_read)
		diags_move(&load->set->diags, &found->diags);
	/* A dangling link hides nothing; anything else that is there and cannot be read is a unit that is broken. */
	if (!found->is_read && is_missing(found->path)) {
		folder->is_left_out = true;
		if (is_link(found->path))
			*arena_push(&load->scratch, load->dangling, load->dangling_count) =
				(struct load_dangling){ found->name, found->path, folder,
							load_first_error(load, first_diag) };
		return;
	}
	if (found->is_mask) {
		load_take(load, found->name, folder, found->path);
		return;
	}
	file = load_new_file(load, found->name, folder, found->path, 1);
	if (!file)
		return;
	if (found->is_read) {
		diags_move(&load->set->diags, &found->diags);
		file->text = found->text;
	}
	file->is_unreadable = !found->is_read;
	if (!found->is_read || file->text.error_count)
		add_broken(load, folder, file, first_diag);
	else
		load_take(load, found->name, folder, found->path);
}

/* Reading and parsing is half of the work of those who soon end, and no file has to know of another for that. */
static void add_unit_files(struct load *load, struct load_folder *folder, struct found_file *files,
			   size_t count)
{
	struct finding f = { .load = load, .folder = folder, .files = files };

	syntax_prepare();
	for (size_t done = 0, more; done < count; done += more, f.files += more) {
		size_t room = UNIT_MAX_FILES - load->file_count;

		f.is_full = !room;
		more = room && room < count - done ? room : count - done;
		split_run(&load->crew, more, read_found, &f);
		for (size_t i = 0; i < more; i++)
			add_unit_file(load, folder, &f.files[i]);
	}
	close_folder(&load->readers[0]);
}

static const char *below(struct load *load, const char *folder, const char *name)
{
	return arena_join(&load->scratch, str_eq(folder, "/") ? "" : folder, "/", name);
}

/* Units of systemd's own that people keep beside theirs; podman's generator says nothing of them, and systemd looks elsewhere. */
static void name_foreign(struct load *load, const struct load_folder *folder,
			 const struct load_entry *entry)
{
	static const struct {
		const char *suffix, *hint;
	} kinds[] = {
		{ ".service", ": write what it runs as a .container, or in Exec...= lines of one" },
		{ ".timer", ": there are no timers here; a container can wait between its runs" },
		{ ".socket", ": there is no socket activation here" },
		{ ".path", ": there are no path units here" },
		{ ".mount", ": write Volume= in [Container]" },
		{ ".target", ": whatever WantedBy= names is a target without a file" },
	};
	const char *dot = strrchr(entry->name, '.');

	if (load->is_generator || entry->type == DT_DIR || !dot || dot == entry->name)
		return;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (str_eq(dot, kinds[i].suffix))
			diag_add(&load->set->diags, DIAG_WARNING,
				 below(load, folder->path, entry->name), 1, 1, "",
				 "not read: it is a unit of systemd's own%s", kinds[i].hint);
}

/* .quadlets files come last: a file of its own is the plainer way to say what a unit is. */
static void read_files(struct load *load, struct load_folder *folder,
		       const struct load_entry *entries, size_t count)
{
	bool is_first = !load->taken.count; /* of one folder no two are alike */
	struct found_file *files;
	size_t file_count = 0;

	files = arena_alloc(&load->scratch, (count + 1) * sizeof(files[0]));
	if (is_first)
		lookup_reserve(&load->taken, &load->scratch, count);
	for (size_t i = 0; i < count; i++)
		if (!kind_of(entries[i].name)) {
			name_foreign(load, folder, &entries[i]);
		} else if (is_first || !load_taken(load, entries[i].name)) {
			files[file_count].name = entries[i].name;
			files[file_count++].path = below(load, folder->path, entries[i].name);
		}
	if (file_count)
		add_unit_files(load, folder, files, file_count);
	for (size_t i = 0; i < count; i++) {
		const char *path, *name = entries[i].name;

		if (!load_is_quadlets(name) || load_taken(load, name))
			continue;
		path = below(load, folder->path, name);
		load_take(load, arena_strdup(&load->scratch, name), folder, path);
		if (load_read_text(load, path))
			load_add_quadlets(load, folder, path, buf_str(&load->text), load->text.len);
	}
}

static const char *resolve(struct arena *arena, const char *path)
{
	char resolved[PATH_MAX];

	return realpath(path, resolved) ? arena_strdup(arena, resolved) : NULL;
}

/* As podman does it, by the bytes of the name: "users-old" counts as "users", too. */
static bool is_passed_over(const struct walk *walk, const char *resolved)
{
	size_t len = strlen(walk->users);

	if (walk->rule == UNIT_DIR_ALL || !str_starts(resolved, walk->users))
		return false;
	if (walk->rule == UNIT_DIR_NOT_USERS)
		return true;
	if (resolved[len] != '/')
		return false;

	size_t digits = strspn(resolved + len + 1, "0123456789");

	return resolved[len + 1 + digits] == '/' || !resolved[len + 1 + digits];
}

static void walk_entry(struct walk *walk, const struct load_folder *parent,
		       const struct load_entry *entry);

static int walk_folder(struct walk *walk, const char *path, const char *resolved, struct err *err)
{
	struct load *load = walk->load;
	struct load_folder *folder;
	struct load_entry *entries;
	size_t count;

	if (is_passed_over(walk, resolved))
		return 0;
	if (load->folders.count >= UNIT_MAX_FOLDERS)
		return err_set(err, ERR_LIMIT, "more than %d folders: this one is not searched",
			       UNIT_MAX_FOLDERS);
	if (walk->depth == UNIT_MAX_DEPTH)
		return err_set(err, ERR_LIMIT, "folders nest deeper than %d: not searched",
			       UNIT_MAX_DEPTH);
	if (!lookup_add(&load->folders, &load->scratch, resolved, 0))
		return 0;
	entries = load_list(load, path, &count, err);
	if (!entries)
		return -1;
	folder = arena_new(&load->scratch, struct load_folder);
	*folder = (struct load_folder){ .path = path, .resolved = resolved };
	for (size_t i = 0; i < count; i++)
		if (str_ends(entries[i].name, ".d"))
			load_note_drop_ins(load, entries[i].name,
					   below(load, path, entries[i].name));
	read_files(load, folder, entries, count);
	walk->depth++;
	for (size_t i = 0; i < count && !walk->is_flat; i++)
		walk_entry(walk, folder, &entries[i]);
	walk->depth--;
	return 0;
}

/* Follows a link to a folder; "NAME.d" is for drop-ins, by the name that the folder really has. */
static void walk_entry(struct walk *walk, const struct load_folder *parent,
		       const struct load_entry *entry)
{
	struct load *load = walk->load;
	struct arena *arena = &load->scratch;
	const char *path, *resolved;
	struct err err;
	struct stat st;

	if (entry->type != DT_DIR && entry->type != DT_LNK && entry->type != DT_UNKNOWN)
		return;
	if (entry->type == DT_DIR && str_ends(entry->name, ".d"))
		return;
	path = below(load, parent->path, entry->name);
	if (entry->type != DT_DIR && stat(path, &st) < 0) {
		const struct load_name *taken = load_taken(load, entry->name);

		/* A dangling link is nobody's folder; any other that leads nowhere is said, unless it was as a unit file. */
		if (errno != ENOENT && !(taken && str_eq(taken->path, path)))
			load_complain(load, path, 1, strerror(errno));
		return;
	}
	if (entry->type != DT_DIR && !S_ISDIR(st.st_mode))
		return;
	resolved = entry->type == DT_DIR ? below(load, parent->resolved, entry->name) :
					   resolve(arena, path);
	if (!resolved || str_ends(resolved, ".d"))
		return;
	if (walk_folder(walk, path, resolved, &err) < 0)
		load_complain(load, path, 1, err.msg);
}

int load_add_dir(struct load *load, const struct unit_dir *dir, bool is_flat, struct err *err)
{
	struct arena *arena = &load->scratch;
	struct walk walk = { .load = load, .rule = dir->rule, .users = "", .is_flat = is_flat };
	size_t len = strlen(dir->path);
	struct stat st;

	while (len > 1 && dir->path[len - 1] == '/')
		len--;

	const char *path = arena_strndup(arena, dir->path, len), *resolved = resolve(arena, path);

	if (!resolved || stat(path, &st) < 0)
		return err_sys(err, "%s", path);
	if (!S_ISDIR(st.st_mode))
		return err_set(err, ERR_INPUT, "%s: not a folder", path);
	/* podman takes even a folder that was named to it for one of drop-ins. */
	if (load->is_generator && str_ends(resolved, ".d"))
		return 0;
	if (dir->rule != UNIT_DIR_ALL) {
		walk.users = resolve(&load->scratch, dir->users);
		walk.users = walk.users ? walk.users : dir->users;
	}
	return walk_folder(&walk, path, resolved, err) < 0 ? err_wrap(err, "%s", path) : 0;
}

/* The folder of a file that was named by itself. Text in memory lies nowhere: nothing is resolved for it. */
static struct load_folder *folder_of(struct load *load, const char *path, bool is_real)
{
	struct arena *arena = &load->scratch;
	struct load_folder *folder = arena_new(&load->scratch, struct load_folder);
	const char *slash = strrchr(path, '/');
	char here[PATH_MAX] = "/", clean[PATH_MAX];

	folder->path = !slash	     ? "." :
		       slash == path ? "/" :
				       arena_strndup(arena, path, (size_t)(slash - path));
	if (is_real && (folder->resolved = resolve(arena, folder->path)) != NULL)
		return folder;
	if (folder->path[0] != '/' && !getcwd(here, sizeof(here)))
		here[0] = '\0';
	folder->resolved = "/";
	if (path_clean(folder->path[0] == '/' ?
			       folder->path :
			       arena_printf(&load->scratch, "%s/%s", here, folder->path),
		       clean, sizeof(clean)))
		folder->resolved = arena_strdup(arena, clean);
	return folder;
}

void load_add_text(struct load *load, const char *name, const char *path, const char *text,
		   size_t len)
{
	struct arena *arena = &load->scratch;
	const struct load_folder *folder = folder_of(load, path, false);
	size_t first_diag = load->set->diags.count;
	struct load_file *file;

	path = arena_strdup(arena, path);
	if (load_is_quadlets(name)) {
		load_add_quadlets(load, folder, path, text, len);
		return;
	}
	file = load_new_file(load, arena_strdup(arena, name), folder, path, 1);
	if (!file)
		return;
	syntax_read(&file->text, arena, &load->set->diags, path, text, len);
	if (file->text.error_count) {
		file->broken_path = path;
		file->first_error = load_first_error(load, first_diag);
	}
}

void load_add_path(struct load *load, const char *path)
{
	const char *slash = strrchr(path, '/');
	const char *name = arena_strdup(&load->scratch, slash ? slash + 1 : path);

	path = arena_strdup(&load->scratch, path);
	if (kind_of(name))
		add_unit_files(load, folder_of(load, path, true),
			       &(struct found_file){ .name = name, .path = path }, 1);
	else if (!load_is_quadlets(name))
		load_complain(
			load, path, 1,
			"not a unit file: its name ends in none of .container .volume .network .pod .image .build .kube .artifact .quadlets");
	else if (load_read_text(load, path))
		load_add_quadlets(load, folder_of(load, path, true), path, buf_str(&load->text),
				  load->text.len);
}

static int compare_files(const void *left, const void *right)
{
	return strcmp(((const struct load_file *)left)->name,
		      ((const struct load_file *)right)->name);
}

void load_sort(struct load *load)
{
	bool is_sorted = true;

	/* As those of one folder are. */
	for (size_t i = 1; i < load->file_count && is_sorted; i++)
		is_sorted = strcmp(load->files[i - 1].name, load->files[i].name) <= 0;
	if (!is_sorted)
		qsort(load->files, load->file_count, sizeof(load->files[0]), compare_files);
}

/* podman's generator drops a folder's units, and what refers to them, when one of its files cannot be read. */
static void leave_out(struct load *load)
{
	size_t kept = 0;

	for (size_t i = 0; i < load->file_count; i++) {
		if (load->files[i].folder->is_left_out)
			load_complain(
				load, load->files[i].text.path, 1,
				"left out, as podman does it: another file of its folder cannot be read");
		else if (kept++ != i)
			load->files[kept - 1] = load->files[i];
	}
	load->file_count = kept;
}

/* Nobody has the name: it is a unit that somebody meant to have, and is listed as one that cannot be read. */
static void add_dangling(struct load *load)
{
	for (size_t i = 0; i < load->dangling_count; i++) {
		const struct load_dangling *link = &load->dangling[i];
		struct load_file *file;

		if (load_taken(load, link->name))
			continue;
		file = load_new_file(load, link->name, link->folder, link->path, 1);
		if (!file)
			return;
		file->is_unreadable = true;
		file->broken_path = link->path;
		file->first_error = link->first_error;
		load_take(load, link->name, link->folder, link->path);
	}
}

void load_finish(struct load *load)
{
	if (load->is_generator)
		leave_out(load);
	else
		add_dangling(load);
	load_sort(load);
	load_sort_drop_ins(load);
	for (size_t i = 0; i < load->file_count; i++)
		load_merge_drop_ins(load, &load->files[i]);
}

void load_fini(struct load *load)
{
	split_end(&load->crew);
	for (size_t i = 0; i < SPLIT_MAX_WORKERS; i++) {
		arena_fini(&load->readers[i].arena);
		buf_fini(&load->readers[i].text);
	}
	/* which has lent them memory */
	arena_fini(&load->scratch);
	buf_fini(&load->text);
}
