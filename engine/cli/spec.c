/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cleat spec: what a unit means, as the engine understands it; with --oci as the config.json that
 * would be executed. Reads units and the store, starts nothing, changes nothing.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/commands.h"
#include "image/store.h"
#include "spec/pod.h"
#include "spec/spec.h"
#include "spec/volume.h"
#include "unit/unit.h"
#include "util/cgroup.h"
#include "util/cleanup.h"
#include "util/file.h"
#include "util/places.h"
#include "util/str.h"

#define EXIT_INVALID 1
#define EXIT_USAGE 2
#define OUTPUT_MAX_BYTES (4 * 1024 * 1024)
#define ENV_FILE_MAX_BYTES (256 * 1024)

static const char usage[] =
	"usage: cleat spec [--oci] [--dir DIR] [--store DIR] UNIT|FILE\n"
	"       cleat spec --options | --fuzz-dictionary\n"
	"\n"
	"Prints what a unit means. UNIT is a name in the unit directory (" CLEAT_UNIT_DIR
	"), FILE a path with a slash.\n"
	"  --oci              the config.json that would be executed here, if its image is in the store\n"
	"  --dir DIR          another unit directory\n"
	"  --store DIR        another image store (" CLEAT_STORE_DIR ")\n"
	"  --options          the options of \"podman run\" and what becomes of each, as markdown\n"
	"  --fuzz-dictionary  the same words for a fuzzer\n";

struct request {
	const char *unit, *dir, *store;
	bool oci, options, dictionary;
};

static bool take_value(int argc, char **argv, int *i, const char *option, const char **out)
{
	size_t len = strlen(option);

	if (strncmp(argv[*i], option, len) != 0)
		return false;
	if (argv[*i][len] == '=') {
		*out = argv[*i] + len + 1;
		return true;
	}
	if (argv[*i][len] || *i + 1 >= argc)
		return false;
	*out = argv[++*i];
	return true;
}

static bool parse_request(int argc, char **argv, struct request *r)
{
	for (int i = 1; i < argc; i++) {
		if (str_eq(argv[i], "--oci"))
			r->oci = true;
		else if (str_eq(argv[i], "--options"))
			r->options = true;
		else if (str_eq(argv[i], "--fuzz-dictionary"))
			r->dictionary = true;
		else if (take_value(argc, argv, &i, "--dir", &r->dir) ||
			 take_value(argc, argv, &i, "--store", &r->store))
			continue;
		else if (argv[i][0] == '-' || r->unit)
			return false;
		else
			r->unit = argv[i];
	}
	return r->options || r->dictionary ? !r->unit && r->options != r->dictionary :
					     r->unit != NULL;
}

static int print(const struct buf *text, const char *what)
{
	struct err err;

	if (buf_check(text, what, &err) < 0 ||
	    file_write_all(STDOUT_FILENO, text->data, text->len, &err) < 0) {
		fprintf(stderr, "cleat spec: %s\n", err.msg);
		return EXIT_INVALID;
	}
	return 0;
}

/* Of one file, or of all when file is NULL. */
static void print_diags(const struct diags *diags, const char *file, enum diag_severity least)
{
	for (size_t i = 0; i < diags->count; i++) {
		auto_buf line = BUF_INIT(64 * 1024);

		if (diags->items[i].severity < least ||
		    (file && !str_eq(diags->items[i].file, file)))
			continue;
		diag_format(&diags->items[i], &line);
		fprintf(stderr, "%s\n", buf_str(&line));
	}
}

static int load_file(const char *path, struct unit_set *set, const struct unit_facts *facts,
		     struct err *err)
{
	const char *slash = strrchr(path, '/');
	auto_buf text = BUF_INIT(UNIT_MAX_FILE_BYTES);

	if (file_read_at(AT_FDCWD, path, UNIT_MAX_FILE_BYTES, &text, err) < 0)
		return -1;
	return unit_set_load_text(set, slash ? slash + 1 : path, path, buf_str(&text), text.len,
				  facts, err);
}

/* "web", "web.container" or "web.service". */
static const struct unit *find_unit(const struct unit_set *set, const char *name)
{
	size_t len = strlen(name);

	for (size_t i = 0; i < set->count; i++) {
		const struct unit *u = &set->units[i];

		if (str_eq(u->name, name) || (u->service_name && str_eq(u->service_name, name)))
			return u;
		if (strncmp(u->name, name, len) == 0 && str_eq(u->name + len, ".container"))
			return u;
	}
	return NULL;
}

static struct strv words_of(const char **items)
{
	struct strv v = { .items = items };

	while (items && items[v.count])
		v.count++;
	return v;
}

static uint64_t hard_limit(int resource)
{
	struct rlimit limit;

	if (getrlimit(resource, &limit) < 0 || limit.rlim_max == RLIM_INFINITY)
		return UINT64_MAX;
	return limit.rlim_max;
}

/*
 * What the engine would find here; controllers are taken from what the tree offers, nothing is
 * switched on.
 */
static void find_controllers(struct host_facts *host)
{
	auto_buf text = BUF_INIT(4096);
	auto_fd int root = -1;
	struct err err;

	if (!host->cgroup_mount[0])
		return;
	root = cgroup_open(host->cgroup_mount, "", false, &err);
	if (root < 0 || file_read_at(root, "cgroup.controllers", 4096, &text, &err) < 0)
		return;
	for (const char *word = buf_str(&text); *(word += strspn(word, " \n"));) {
		size_t len = strcspn(word, " \n");

		host->has_memory_controller |= len == 6 && strncmp(word, "memory", len) == 0;
		host->has_cpu_controller |= len == 3 && strncmp(word, "cpu", len) == 0;
		host->has_pids_controller |= len == 4 && strncmp(word, "pids", len) == 0;
		host->has_io_controller |= len == 2 && strncmp(word, "io", len) == 0;
		host->has_cpuset_controller |= len == 6 && strncmp(word, "cpuset", len) == 0;
		word += len;
	}
}

static void find_host(struct host_facts *host, char *mount, size_t mount_size)
{
	struct stat st;
	struct err err;

	if (cgroup_find_mount(mount, mount_size, &err) < 0)
		mount[0] = '\0';
	*host = (struct host_facts){ .memory_bytes = cgroup_memory_limit(mount),
				     .nofile_hard = hard_limit(RLIMIT_NOFILE),
				     .nproc_hard = hard_limit(RLIMIT_NPROC),
				     .cgroup_mount = mount,
				     .home_uid = 1000,
				     .home_gid = 1000,
				     .can_make_data = access(CLEAT_DATA_DIR, W_OK) == 0,
				     .resolv_conf = access("/etc/resolv.conf", R_OK) == 0 ?
							    "/etc/resolv.conf" :
							    "" };
	find_controllers(host);
	if (stat(CLEAT_HOME_DIR, &st) == 0 && st.st_uid != 0) {
		host->home_uid = st.st_uid;
		host->home_gid = st.st_gid;
	}
}

static int find_image(const struct request *r, const struct container_spec *spec,
		      struct arena *arena, struct store_image *image, struct err *err)
{
	struct image_ref ref;
	struct store *store;
	struct stat st;
	bool read_only;
	int status;

	if (stat(r->store, &st) < 0)
		return err_sys(err, "image store %s", r->store);
	if (ref_parse(spec->image, &ref, err) < 0)
		return -1;
	store = store_open(r->store, &read_only, err);
	if (!store)
		return -1;
	status = store_find(store, &ref, arena, image, NULL, err);
	store_close(store);
	return status;
}

static int read_text(struct arena *arena, const char *path, size_t max, const char **out,
		     struct err *err)
{
	auto_buf text = BUF_INIT(max);

	if (file_read_at(AT_FDCWD, path, max, &text, err) < 0)
		return -1;
	*out = arena_strndup(arena, buf_str(&text), text.len);
	return 0;
}

static int read_env_files(const struct container_spec *spec, struct arena *arena, struct strv *out,
			  struct err *err)
{
	out->items = arena_alloc(arena, (spec->env_file_count + 1) * sizeof(*out->items));
	for (; out->count < spec->env_file_count; out->count++)
		if (read_text(arena, spec->env_files[out->count].path, ENV_FILE_MAX_BYTES,
			      &out->items[out->count], err) < 0)
			return err_wrap(err, "environment file");
	return 0;
}

static int make_pod_oci(const struct container_spec *pod, struct arena *arena, struct buf *out,
			struct err *err)
{
	struct host_facts host;
	char mount[256];

	find_host(&host, mount, sizeof(mount));
	if (spec_pod_to_oci(pod, &host, "000000000000", NULL, arena, out, err) < 0)
		return -1;
	buf_putc(out, '\n');
	return 0;
}

static int make_oci(const struct request *r, const struct unit_set *set,
		    const struct container_spec *spec, struct arena *arena, struct buf *out,
		    struct err *err)
{
	struct store_image found = { 0 };
	struct spec_remarks remarks = { 0 };
	struct strv env_files = { 0 };
	struct volume_spec *volumes = NULL;
	struct host_facts host;
	char mount[256];

	if (spec->is_pod)
		return make_pod_oci(spec, arena, out, err);
	if (find_image(r, spec, arena, &found, err) < 0)
		return err_wrap(err, "image %s", spec->image);

	const struct image_facts image = { .digest = found.digest,
					   .user = found.user,
					   .workdir = found.workdir,
					   .stop_signal = found.stop_signal,
					   .env = words_of(found.env),
					   .entrypoint = words_of(found.entrypoint),
					   .command = words_of(found.command),
					   .volumes = words_of(found.volumes),
					   .layers = words_of(found.layers) };

	find_host(&host, mount, sizeof(mount));
	volumes_of_units(set, arena, &volumes, &host.volume_count);
	host.volumes = volumes;
	if (spec->pod) {
		host.pod_pid = 1;
		fprintf(stderr, "note: process 1 stands for the one that holds pod %s\n",
			spec->pod);
	}
	if (spec->timezone && !str_eq(spec->timezone, "local"))
		fprintf(stderr,
			"note: the file of time zone %s is made at each start: it is left out here\n",
			spec->timezone);
	if (read_env_files(spec, arena, &env_files, err) < 0)
		return -1;
	if (spec->seccomp && !str_eq(spec->seccomp, "unconfined") &&
	    read_text(arena, spec->seccomp, SPEC_SECCOMP_MAX_BYTES, &host.seccomp_text, err) < 0)
		return err_wrap(err, "seccomp profile");
	if (spec_to_oci(spec, &image, &host, "000000000000", &env_files, &remarks, arena, out,
			err) < 0)
		return -1;
	for (size_t i = 0; i < remarks.count; i++)
		fprintf(stderr, "note: %s\n", remarks.items[i]);
	buf_putc(out, '\n');
	return 0;
}

/* What is wrong with a pod is said where its unit is checked. */
static int read_spec(const struct unit_set *set, const struct unit *unit,
		     struct container_spec *spec, struct arena *arena, struct diags *diags)
{
	if (unit->kind == UNIT_POD)
		return spec_pod_from_args(spec, arena, &unit->spec_args, diags);
	if (spec_from_args(spec, arena, &unit->spec_args, diags) < 0)
		return -1;
	if (spec->pod && spec_join_pod_of(set, spec, arena) < 0)
		arg_diag(diags, DIAG_WARNING,
			 &(const struct arg){ .text = spec->pod, .origin = spec->pod_origin },
			 "the unit of pod %s has errors: what is the pod's is not shown",
			 spec->pod);
	return 0;
}

static int show_unit(const struct request *r, const struct unit_set *set, const struct unit *unit)
{
	auto_buf out = BUF_INIT(OUTPUT_MAX_BYTES);
	auto_arena arena = { 0 };
	struct diags diags = { 0 };
	struct container_spec spec;
	struct err err;
	int status = EXIT_INVALID;

	/* The notes are told again, and more exactly, by the words that the keys became. */
	print_diags(&set->diags, unit->path, DIAG_WARNING);
	if (unit->is_valid && read_spec(set, unit, &spec, &arena, &diags) == 0 &&
	    spec_check_global_args(&unit->global_args, &diags) == 0) {
		if (!r->oci) {
			spec_to_json(&spec, &out);
			buf_putc(&out, '\n');
			status = print(&out, "spec");
		} else if (make_oci(r, set, &spec, &arena, &out, &err) == 0) {
			status = print(&out, "config.json");
		} else {
			fprintf(stderr, "cleat spec: %s: %s\n", unit->name, err.msg);
		}
	}
	print_diags(&diags, NULL, DIAG_NOTE);
	diags_fini(&diags);
	return status;
}

static int show(const struct request *r)
{
	bool is_file = strchr(r->unit, '/') != NULL;
	struct unit_set set = { 0 };
	struct unit_facts facts;
	auto_arena arena = { 0 };
	const struct unit *unit;
	struct err err;
	int status;

	unit_facts_init(&facts, &arena, NULL);
	if ((is_file ? load_file(r->unit, &set, &facts, &err) :
		       unit_set_load(&set, r->dir, &facts, &err)) < 0) {
		fprintf(stderr, "cleat spec: %s\n", err.msg);
		unit_set_fini(&set);
		return EXIT_USAGE;
	}
	unit = is_file ? (set.count ? &set.units[0] : NULL) : find_unit(&set, r->unit);
	if (unit && unit->kind != UNIT_CONTAINER && unit->kind != UNIT_POD) {
		fprintf(stderr,
			"cleat spec: %s: only containers and pods have a spec: write \"cleat explain %s\"\n",
			unit->name, unit->name);
		status = EXIT_USAGE;
	} else if (unit) {
		status = show_unit(r, &set, unit);
	} else {
		print_diags(&set.diags, is_file ? r->unit : NULL, DIAG_WARNING);
		fprintf(stderr, "cleat spec: no unit %s%s%s\n", r->unit, is_file ? "" : " in ",
			is_file ? "" : r->dir);
		status = EXIT_USAGE;
	}
	unit_set_fini(&set);
	return status;
}

int cmd_spec(int argc, char **argv)
{
	struct request r = { .dir = CLEAT_UNIT_DIR, .store = CLEAT_STORE_DIR };
	auto_buf out = BUF_INIT(OUTPUT_MAX_BYTES);

	if (argc == 2 && str_eq(argv[1], "--help")) {
		fputs(usage, stdout);
		return 0;
	}
	if (!parse_request(argc, argv, &r)) {
		fputs(usage, stderr);
		return EXIT_USAGE;
	}
	if (!r.options && !r.dictionary)
		return show(&r);
	if (r.options)
		spec_options_markdown(&out);
	else
		spec_options_dictionary(&out);
	return print(&out, "options");
}
