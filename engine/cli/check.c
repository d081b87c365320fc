/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cleat check: every problem of unit files in one run, values of options included. Reads files, starts nothing, changes
 * nothing. Exit status 0: no errors, 1: errors, 2: it could not look.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/commands.h"
#include "cli/findings.h"
#include "cli/lint.h"
#include "spec/networks.h"
#include "spec/pod.h"
#include "spec/spec.h"
#include "spec/volume.h"
#include "supervise/choices.h"
#include "unit/appliance.h"
#include "unit/network_config.h"
#include "unit/unit.h"
#include "util/cleanup.h"
#include "util/file.h"
#include "util/places.h"
#include "util/secret.h"
#include "util/split.h"
#include "util/str.h"

#define CHECK_ERRORS 1
#define CHECK_UNREADABLE 2
#define CHECK_MAX_PATHS 1024
#define OPINION_EXPECTED_BYTES 512 /* of a unit */

static const char usage[] =
	"usage: cleat check [--json] [--lint] [--unknown-keys=refuse|warn] [--config DIR] [DIR|FILE]...\n"
	"       cleat check --lint-rules\n"
	"\n"
	"Prints every problem of the unit files as file:line:column. Without DIR or FILE: " CLEAT_UNIT_DIR
	"\n"
	"A FILE may name units that lie beside it; only its own problems are printed.\n"
	"  --config DIR         a copy of " CLEAT_CONFIG_DIR
	": its units are checked if none are named, its secrets are looked for\n"
	"  --json               for programs\n"
	"  --lint               advice on security and robustness, too; it never changes the exit status\n"
	"  --lint-rules         the rules of advice, as markdown\n"
	"  --unknown-keys=warn  unknown keys are warnings, as with the setting of the appliance\n"
	"Exit status: 0 no errors, 1 errors, 2 a path could not be read.\n";

/* A single file, and its folder as it was read for the names in it. */
struct beside {
	const char *file;   /* as given */
	const char *folder; /* as given, "." if nothing was */
	const char *path;   /* as the folder's reading calls it */
	bool is_done;
};

struct check {
	bool is_json, wants_advice;
	const char *config; /* --config; NULL */
	uint64_t stop_budget_usec;
	const char *dirs[CHECK_MAX_PATHS];
	struct beside files[CHECK_MAX_PATHS];
	size_t dir_count, file_count;
	struct unit_facts facts;
	struct arena arena;
	struct arena work; /* of one complaint's text, emptied after it */
	struct findings findings;
};

/* What the option table says to a set. Each unit's words go through it once: the units are judged together, too. */
struct opinion {
	struct diags diags; /* of one unit */
	bool is_fine;
	const struct net_container *container; /* NULL: it counts for no network */
};

/* Memory of one thread. */
struct seat {
	char apart[SPLIT_APART_BYTES];
	struct arena work;  /* of one unit, emptied after it */
	struct arena texts; /* of opinions */
};

struct opinions {
	const struct check *check;
	const struct unit_set *set;
	struct seat seats[SPLIT_MAX_WORKERS];
	struct opinion *of_units; /* by their index */
	struct check_stop *stops; /* the same */
	struct diags together;	  /* what the units say together of networks, and of their stop */
};

static struct beside find_beside(struct check *c, const char *file)
{
	const char *slash = strrchr(file, '/');
	size_t len = slash ? (size_t)(slash - file) : 0;
	struct beside b = { .file = file, .folder = slash ? "/" : "." };

	while (len > 1 && file[len - 1] == '/')
		len--;
	if (len)
		b.folder = arena_strndup(&c->arena, file, len);
	b.path = arena_printf(&c->arena, "%s/%s", b.folder, slash ? slash + 1 : file);
	return b;
}

static int add_path(struct check *c, const char *path)
{
	struct stat st;

	if (stat(path, &st) < 0) {
		struct err err;

		err_sys(&err, "%s", path);
		fprintf(stderr, "cleat check: %s\n", err.msg);
		return -1;
	}
	if (c->dir_count == CHECK_MAX_PATHS || c->file_count == CHECK_MAX_PATHS) {
		fprintf(stderr, "cleat check: more than %d paths\n", CHECK_MAX_PATHS);
		return -1;
	}
	if (S_ISDIR(st.st_mode))
		c->dirs[c->dir_count++] = path;
	else
		c->files[c->file_count++] = find_beside(c, path);
	return 0;
}

/* Where a unit's secrets lie can be known of the appliance's own units, and of a copy of its configuration; but not what the
 * appliance that gets the copy has been given by "cleat secret create". */
static bool find_secret_places(const struct check *c, const struct unit *unit, struct arena *arena,
			       struct secret_places *out)
{
	if (c->config) {
		*out = (struct secret_places){ arena_printf(arena, "%s/secrets", c->config), "" };
		return true;
	}
	*out = secret_places;
	return str_starts(unit->path, CLEAT_UNIT_DIR "/");
}

static void check_secrets(const struct check *c, const struct unit *unit, struct arena *work,
			  const struct container_spec *spec, struct diags *diags)
{
	struct secret_places places;

	if (!find_secret_places(c, unit, work, &places))
		return;
	for (size_t i = 0; i < spec->secret_count; i++) {
		const struct spec_secret *s = &spec->secrets[i];
		const struct origin *o = s->origin;
		struct secret_file file;
		struct err err;

		if (secret_open(&places, s->name, &file, &err) == 0) {
			close_fd(&file.fd);
		} else if (err.code == ERR_NOT_FOUND && c->config) {
			diag_add(diags, DIAG_WARNING, o->file, o->line, o->column, o->key,
				 "secret %s is not in %s: \"cleat secret create\" has to make it",
				 s->name, places.config_dir);
		} else {
			/* ERR_SYS: whoever may not look there cannot say */
			diag_add(diags, err.code == ERR_SYS ? DIAG_WARNING : DIAG_ERROR, o->file,
				 o->line, o->column, o->key, "%s", err.msg);
		}
	}
}

/* Files beside the unit: they go where it goes. */
static void check_env_files(const struct unit *unit, const struct container_spec *spec,
			    struct diags *diags)
{
	size_t len = strlen(unit->folder);

	for (size_t i = 0; i < spec->env_file_count; i++) {
		const struct spec_env_file *file = &spec->env_files[i];
		const struct origin *o = file->origin;

		if (strncmp(file->path, unit->folder, len) == 0 && file->path[len] == '/' &&
		    access(file->path, F_OK) < 0 && errno == ENOENT)
			diag_add(diags, DIAG_WARNING, o->file, o->line, o->column, o->key,
				 "there is no file %s: the container does not start without it",
				 file->path);
	}
}

/* Returns whether the option table takes the words of a container. */
static bool read_container(const struct check *c, const struct unit *unit, struct seat *seat,
			   struct check_stop *stop, struct opinion *opinion)
{
	struct diags *diags = &opinion->diags;
	struct container_spec spec;

	if (unit->image_index >= unit->spec_args.count ||
	    spec_from_args(&spec, &seat->work, &unit->spec_args, diags) < 0)
		return false;
	opinion->container = check_networks_container(&seat->texts, unit, &spec);
	stop->stop_timeout_usec = spec.stop_timeout_usec;
	if (!diags->error_count) {
		check_secrets(c, unit, &seat->work, &spec, diags);
		check_env_files(unit, &spec, diags);
	}
	return !diags->error_count;
}

/* The words of a unit of any other kind. */
static bool read_other(const struct unit *unit, struct seat *seat, struct opinion *opinion)
{
	struct diags *diags = &opinion->diags;
	struct arena *work = &seat->work;
	struct container_spec spec;
	struct volume_spec volume;
	struct net_network network;

	if (unit->kind == UNIT_POD) {
		if (spec_pod_from_args(&spec, work, &unit->spec_args, diags) < 0)
			return false;
		opinion->container = check_networks_container(&seat->texts, unit, &spec);
		return true;
	}
	if (unit->kind == UNIT_IMAGE)
		return spec_image_from_args(&spec, work, &unit->spec_args, diags) == 0;
	if (unit->kind == UNIT_VOLUME)
		return volume_from_args(&volume, work, &unit->spec_args, diags) == 0;
	return unit->kind != UNIT_NETWORK ||
	       spec_network_from_args(&network, work, &unit->spec_args, unit->name, diags) == 0;
}

/* A template's words still hold the instance's place. */
static void read_words(void *context, unsigned worker, size_t index)
{
	struct opinions *o = context;
	const struct unit *unit = &o->set->units[index];
	struct opinion *opinion = &o->of_units[index];
	struct seat *seat = &o->seats[worker];

	opinion->is_fine = true;
	opinion->diags.lender = &seat->texts;
	if (unit->is_template)
		return;
	opinion->is_fine = spec_check_global_args(&unit->global_args, &opinion->diags) == 0;
	opinion->is_fine &=
		unit->kind == UNIT_CONTAINER ?
			read_container(o->check, unit, seat, &o->stops[index], opinion) :
			read_other(unit, seat, opinion);
	arena_reset(&seat->work);
}

static void judge_together(struct opinions *o)
{
	const struct unit_set *set = o->set;
	struct check_networks networks;

	check_networks_init(&networks);
	for (size_t i = 0; i < set->count; i++) {
		if (set->units[i].kind == UNIT_NETWORK && !set->units[i].is_template)
			check_networks_add(&networks, &set->units[i]);
		check_networks_add_container(&networks, o->of_units[i].container);
	}
	check_networks_judge(&networks, &o->together);
	check_stop_judge(set, o->stops, o->check->stop_budget_usec, &o->together);
	check_networks_fini(&networks);
}

static void opinions_init(struct opinions *o, const struct check *c, const struct unit_set *set)
{
	struct arena *arena = &o->seats[0].texts;
	unsigned workers = split_workers(set->count);
	struct split_crew crew;

	*o = (struct opinions){ .check = c, .set = set };
	for (size_t i = 0; i < SPLIT_MAX_WORKERS; i++) {
		o->seats[i].texts.is_brief = true;
		if (i < workers)
			arena_expect(&o->seats[i].texts, set->count * OPINION_EXPECTED_BYTES);
	}
	o->stops = arena_alloc(arena, (set->count + 1) * sizeof(o->stops[0]));
	o->of_units = arena_alloc(arena, (set->count + 1) * sizeof(o->of_units[0]));
	spec_prepare();
	split_begin(&crew, workers);
	split_run(&crew, set->count, read_words, o);
	split_end(&crew);
	judge_together(o);
}

static void opinions_fini(struct opinions *o, const struct unit_set *set)
{
	for (size_t i = 0; i < set->count; i++)
		diags_fini(&o->of_units[i].diags);
	diags_fini(&o->together);
	for (size_t i = 0; i < SPLIT_MAX_WORKERS; i++) {
		arena_fini(&o->seats[i].work);
		arena_fini(&o->seats[i].texts);
	}
}

/* The option table's opinion, at the lines that the words came from. Of a unit that is refused already, what has no line is
 * not said; nor is what may be among the complaints of the set that were not kept. */
static void say_opinion(struct check *c, const struct unit_set *set, const struct unit *unit,
			const struct diags *diags)
{
	for (size_t i = 0; i < diags->count; i++) {
		struct diag d = diags->items[i];
		bool may_be_said = set->diags.severity_count[d.severity] > DIAG_MAX &&
				   (d.severity != DIAG_ERROR || !unit->is_valid);

		if ((!unit->is_valid && !d.line) || may_be_said)
			continue;
		if (!d.file[0])
			d.file = unit->path;
		d.text = unit_shown_text(unit, &diags->items[i], &c->work);
		findings_add_opinion(&c->findings, &d);
	}
	if (diags->count)
		arena_reset(&c->work);
}

static void advise(struct findings *f, const struct unit *unit)
{
	struct diags diags = { 0 };

	lint_unit(unit, &diags);
	for (size_t i = 0; i < diags.count; i++)
		findings_add(f, &diags.items[i]);
	findings_add_unseen(f, &diags);
	diags_fini(&diags);
}

/* Of this unit alone or with others. */
static bool is_well_together(const struct diags *together, const struct unit *unit)
{
	for (size_t i = 0; i < together->count; i++)
		if (together->items[i].severity == DIAG_ERROR &&
		    str_eq(together->items[i].file, unit->path))
			return false;
	return true;
}

/* What counts for more than the [Install] of the appliance's own units. */
static void say_choice(struct check *c, const struct unit *unit)
{
	static struct choices choices;
	static bool is_loaded;
	const struct choice *choice;
	struct diags diags = { 0 };
	struct err err;

	if (!str_starts(unit->path, CLEAT_UNIT_DIR "/"))
		return;
	if (!is_loaded && choices_load(&choices, CLEAT_CHOICES, &err) < 0)
		choices.count = 0;
	is_loaded = true;
	choice = choices_find(&choices, unit->name);
	if (!choice)
		return;
	diag_add(&diags, DIAG_NOTE, unit->path, 0, 0, "", "%s",
		 choice->is_masked  ? "masked: never started (\"cleat mask\")" :
		 choice->is_enabled ? "enabled: started at boot, whatever [Install] says" :
				      "disabled: not started at boot, whatever [Install] says");
	findings_add(&c->findings, &diags.items[0]);
	diags_fini(&diags);
}

static void check_unit(struct check *c, const struct unit_set *set, const struct opinions *opinions,
		       const struct unit *unit)
{
	const struct opinion *opinion = &opinions->of_units[unit - set->units];
	bool is_fine = unit->is_valid && opinion->is_fine &&
		       is_well_together(&opinions->together, unit);

	say_opinion(c, set, unit, &opinion->diags);
	say_choice(c, unit);
	if (c->wants_advice)
		advise(&c->findings, unit);
	findings_add_unit(&c->findings, unit, is_fine);
}

static void check_set(struct check *c, const struct unit_set *set)
{
	struct opinions opinions;

	opinions_init(&opinions, c, set);
	for (size_t i = 0; i < set->diags.count; i++)
		findings_add(&c->findings, &set->diags.items[i]);
	findings_add_unseen(&c->findings, &set->diags);
	for (size_t i = 0; i < opinions.together.count; i++)
		findings_add_opinion(&c->findings, &opinions.together.items[i]);
	for (size_t i = 0; i < set->count; i++)
		check_unit(c, set, &opinions, &set->units[i]);
	opinions_fini(&opinions, set);
}

static int check_dir(struct check *c, const char *dir)
{
	struct unit_set set = { 0 };
	struct err err;
	int rc = unit_set_load(&set, dir, &c->facts, &err);

	if (rc == 0)
		check_set(c, &set);
	else
		fprintf(stderr, "cleat check: %s\n", err.msg);
	unit_set_fini(&set);
	return rc;
}

/* "web.container.d", "web-.container.d", "container.d": a drop-in folder of this unit file. */
static bool is_drop_in_of(const char *folder, size_t len, const char *name)
{
	const char *suffix = strrchr(name, '.');
	size_t suffix_len = suffix ? strlen(suffix) : 0;

	if (len < 2 || strncmp(folder + len - 2, ".d", 2) != 0 || !suffix)
		return false;
	len -= 2;
	if (len == suffix_len - 1)
		return strncmp(folder, suffix + 1, len) == 0;
	if (len < suffix_len || strncmp(folder + len - suffix_len, suffix, suffix_len) != 0)
		return false;
	len -= suffix_len;
	if (strncmp(folder, name, len) == 0 && name + len == suffix)
		return true;
	if (len && folder[len - 1] == '@')
		return strncmp(folder, name, len) == 0 ||
		       (len > 1 && folder[len - 2] == '-' && strncmp(folder, name, len - 1) == 0);
	return len && folder[len - 1] == '-' && strncmp(folder, name, len) == 0;
}

/* What is said of the file itself or of a drop-in that it has. */
static bool is_about(const struct diag *d, const struct beside *b)
{
	size_t folder_len = strlen(b->folder);
	const char *rest, *slash;

	if (str_eq(d->file, b->path))
		return true;
	if (strncmp(d->file, b->folder, folder_len) != 0 || d->file[folder_len] != '/')
		return false;
	rest = d->file + folder_len + 1;
	slash = strchr(rest, '/');
	return slash && is_drop_in_of(rest, (size_t)(slash - rest), b->path + folder_len + 1);
}

/* False: nothing is known of such a file. */
static bool check_file_in(struct check *c, const struct unit_set *set,
			  const struct opinions *opinions, const struct beside *b)
{
	bool is_known = false, is_refused = false, has_reason = false;

	for (size_t i = 0; i < set->diags.count; i++) {
		const struct diag *d = &set->diags.items[i];

		if (!is_about(d, b))
			continue;
		is_known = true;
		has_reason |= d->severity == DIAG_ERROR;
		findings_add(&c->findings, d);
	}
	for (size_t i = 0; i < opinions->together.count; i++)
		if (is_about(&opinions->together.items[i], b))
			findings_add_opinion(&c->findings, &opinions->together.items[i]);
	for (size_t i = 0; i < set->count; i++) {
		const struct unit *unit = &set->units[i];

		if (!str_eq(unit->path, b->path))
			continue;
		is_known = true;
		is_refused |= !unit->is_valid;
		check_unit(c, set, opinions, unit);
	}
	if (is_refused && !has_reason)
		findings_add_hidden_error(&c->findings);
	return is_known;
}

static void check_alone(struct check *c, const char *file)
{
	struct unit_set set = { 0 };

	unit_set_load_files(&set, &file, 1, &c->facts);
	check_set(c, &set);
	unit_set_fini(&set);
}

/* Are all problems of the folder those of the files that were named? */
static bool is_about_named(const struct check *c, const struct unit_set *set, const char *folder)
{
	for (size_t i = 0; i < set->diags.count; i++) {
		bool is_found = false;

		for (size_t k = 0; k < c->file_count && !is_found; k++)
			is_found = str_eq(c->files[k].folder, folder) &&
				   is_about(&set->diags.items[i], &c->files[k]);
		if (!is_found)
			return false;
	}
	return true;
}

/* The files of one folder, which is read once. */
static int check_folder(struct check *c, const char *folder)
{
	struct unit_set set = { 0 };
	struct opinions opinions = { .of_units = NULL };
	struct err err;
	int rc = unit_set_load_folder(&set, folder, &c->facts, &err);

	if (rc < 0)
		fprintf(stderr, "cleat check: %s\n", err.msg);
	if (rc == 0)
		opinions_init(&opinions, c, &set);
	for (size_t i = 0; rc == 0 && i < c->file_count; i++) {
		struct beside *b = &c->files[i];

		if (b->is_done || !str_eq(b->folder, folder))
			continue;
		b->is_done = true;
		c->findings.is_here = b->file[0] != '.' && str_eq(folder, ".");
		/* No unit file by its name, or one that only hides others. */
		if (!check_file_in(c, &set, &opinions, b))
			check_alone(c, b->file);
	}
	opinions_fini(&opinions, &set);
	if (set.diags.dropped && is_about_named(c, &set, folder))
		findings_add_unseen(&c->findings, &set.diags);
	else
		c->findings.may_lack |= set.diags.dropped > 0;
	unit_set_fini(&set);
	return rc;
}

/* Of a copy of /config, or of the appliance's own when its units are checked. */
static int check_appliance(struct check *c, bool is_own)
{
	const char *path = c->config ? arena_printf(&c->arena, "%s/appliance.ini", c->config) :
				       CLEAT_APPLIANCE_INI;
	struct appliance appliance;
	struct diags diags = { 0 };
	struct err err;
	int rc = 0;

	if (c->config || is_own)
		rc = appliance_load(&appliance, &c->arena, &diags, path, &err);
	if (rc < 0) {
		fprintf(stderr, "cleat check: %s\n", err.msg);
		return -1;
	}
	for (size_t i = 0; i < diags.count; i++)
		findings_add(&c->findings, &diags.items[i]);
	c->stop_budget_usec = APPLIANCE_STOP_BUDGET_USEC;
	if (c->config || is_own) {
		c->facts.unknown_keys_are_warnings |= appliance.unknown_keys_are_warnings;
		if (appliance.stop_budget_usec)
			c->stop_budget_usec = appliance.stop_budget_usec;
	}
	diags_fini(&diags);
	return 0;
}

/* NoCloud's, beside it. */
static int check_network_config(struct check *c, bool is_own)
{
	const char *path = c->config ? arena_printf(&c->arena, "%s/network-config", c->config) :
				       CLEAT_NETWORK_CONFIG;
	struct network_config network;
	struct diags diags = { 0 };
	struct err err;
	int rc = 0;

	if (c->config || is_own)
		rc = network_config_load(&network, &c->arena, &diags, path, &err);
	if (rc < 0)
		fprintf(stderr, "cleat check: %s\n", err.msg);
	for (size_t i = 0; i < diags.count; i++)
		findings_add(&c->findings, &diags.items[i]);
	diags_fini(&diags);
	return rc;
}

static int check_all(struct check *c)
{
	struct err err;

	for (size_t i = 0; i < c->dir_count; i++)
		if (check_dir(c, c->dirs[i]) < 0)
			return CHECK_UNREADABLE;
	for (size_t i = 0; i < c->file_count; i++)
		if (!c->files[i].is_done && check_folder(c, c->files[i].folder) < 0)
			return CHECK_UNREADABLE;
	if (findings_write(&c->findings, c->is_json, &err) < 0) {
		fprintf(stderr, "cleat check: %s\n", err.msg);
		return CHECK_UNREADABLE;
	}
	return c->findings.diags.error_count ? CHECK_ERRORS : 0;
}

static int take_unknown_keys(struct check *c, const char *value)
{
	if (value && !str_eq(value, "warn") && !str_eq(value, "refuse")) {
		fprintf(stderr, "cleat check: --unknown-keys: '%s' is neither refuse nor warn\n",
			value);
		return -1;
	}
	c->facts.unknown_keys_are_warnings = value && str_eq(value, "warn");
	return 0;
}

static int print_rules(void)
{
	auto_buf out = BUF_INIT(64 * 1024);
	struct err err;

	lint_write_rules(&out);
	if (buf_check(&out, "rules", &err) == 0 &&
	    file_write_all(STDOUT_FILENO, out.data, out.len, &err) == 0)
		return 0;
	fprintf(stderr, "cleat check: %s\n", err.msg);
	return CHECK_UNREADABLE;
}

static int run(struct check *c, int argc, char **argv)
{
	bool wants_help = false, wants_rules = false;
	const char *unknown_keys = NULL;
	const struct cli_option options[] = {
		{ NULL, "--json", &c->is_json, NULL },
		{ NULL, "--lint", &c->wants_advice, NULL },
		{ NULL, "--lint-rules", &wants_rules, NULL },
		{ NULL, "--config", NULL, &c->config },
		{ NULL, "--unknown-keys", NULL, &unknown_keys },
		{ "-h", "--help", &wants_help, NULL },
	};
	int names = cli_options(argc, argv, options, sizeof(options) / sizeof(options[0]));

	if (names < 0)
		return CHECK_UNREADABLE;
	if (wants_help) {
		fputs(usage, stdout);
		return 0;
	}
	if (wants_rules)
		return print_rules();
	c->findings.wants_units = c->is_json;
	unit_facts_init(&c->facts, &c->arena, NULL);
	c->facts.wants_service_text = c->wants_advice;
	c->facts.lacks_digests = true;
	c->facts.keeps_graph = true;
	c->facts.is_brief = true;
	if (take_unknown_keys(c, unknown_keys) < 0 || check_appliance(c, !names) < 0 ||
	    check_network_config(c, !names) < 0)
		return CHECK_UNREADABLE;
	for (int i = 1; i <= names; i++)
		if (add_path(c, argv[i]) < 0)
			return CHECK_UNREADABLE;
	if (!names && add_path(c, c->config ? arena_printf(&c->arena, "%s/units", c->config) :
					      CLEAT_UNIT_DIR) < 0)
		return CHECK_UNREADABLE;
	return check_all(c);
}

int cmd_check(int argc, char **argv)
{
	struct check *c = calloc(1, sizeof(*c));
	int rc;

	if (!c) {
		fprintf(stderr, "cleat check: no memory\n");
		return CHECK_UNREADABLE;
	}
	findings_init(&c->findings);
	rc = run(c, argc, argv);
	findings_fini(&c->findings);
	arena_fini(&c->work);
	arena_fini(&c->arena);
	free(c);
	return rc;
}
