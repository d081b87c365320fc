/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keys of [Container] whose words the table cannot say: references to other units, relative paths, keys that are
 * read together. Must never turn a reference to a missing unit into a name that podman would then invent.
 */
#include <errno.h>
#include <strings.h>
#include <sys/stat.h>

#include "unit/reading_internal.h"
#include "unit/words_internal.h"
#include "util/path.h"
#include "util/str.h"

static void push(struct reading *r, struct arg_list *words, const char *flag, const char *text,
		 const struct origin *origin)
{
	arg_push(r->arena, words, flag, origin);
	if (text)
		arg_push(r->arena, words, text, origin);
}

void convert_add(struct reading *r, const char *group, const char *key, const char *value)
{
	if (!r->is_podman)
		return;

	struct syntax_group *to = syntax_group_ensure(r->service, r->arena, group);
	struct syntax_entry *entry = arena_push(r->arena, to->entries, to->entry_count);

	entry->key = key;
	entry->value = value;
}

/* The unit that a value names, with the dependency on it; NULL after a complaint. */
static const struct unit_name *refer(struct reading *r, const char *file,
				     const struct origin *origin, const char *dependency)
{
	const struct unit_name *name = unit_name_find(r->names, file);

	if (!name) {
		reading_fail(r, origin, "there is no unit %s", file);
		return NULL;
	}
	if (!name->resource[0]) {
		reading_fail(r, origin, "what %s is called cannot be told before it runs", file);
		return NULL;
	}
	convert_add(r, "Unit", dependency, name->service);
	convert_add(r, "Unit", "After", name->service);
	reading_refuse(r, origin, "%s: references to other units are not supported yet", file);
	return name;
}

/* Systemd's specifiers begin with % but %% is a percent sign. */
static bool starts_with_specifier(const char *path)
{
	return path[0] == '%' && path[1] != '%';
}

static const char *absolute_path(struct reading *r, const char *path, const struct origin *origin)
{
	char clean[4096];

	if (path[0] == '/' || starts_with_specifier(path))
		return path;

	const char *joined = arena_printf(r->arena, "%s/%s", r->unit->folder, path);

	if (path_clean(joined, clean, sizeof(clean)))
		return arena_strdup(r->arena, clean);
	reading_fail(r, origin, "the path is longer than %zu bytes", sizeof(clean) - 1);
	return joined;
}

/* A mount's source as podman's command line has it. */
static const char *resolve_source(struct reading *r, const char *source,
				  const struct origin *origin, bool may_be_image)
{
	if (!source[0]) {
		reading_fail(r, origin, "the source is empty");
		return source;
	}
	if (source[0] == '.')
		source = absolute_path(r, source, origin);
	if (source[0] == '/') {
		auto_buf escaped = BUF_INIT(4 * UNIT_MAX_LINE_BYTES + 2);

		words_escape(&escaped, source);
		convert_add(r, "Unit", "RequiresMountsFor",
			    arena_strdup(r->arena, buf_str(&escaped)));
		return source;
	}
	if (!str_ends(source, ".volume") && !str_ends(source, ".artifact") &&
	    !(may_be_image && str_ends(source, ".image")))
		return source;

	const struct unit_name *name = refer(r, source, origin, "Requires");

	return name ? name->resource : source;
}

static void convert_volume(struct reading *r, struct arg_list *words)
{
	struct arg_list values = value_list(r, r->container, "Volume");

	for (size_t i = 0; i < values.count; i++) {
		const struct origin *origin = values.items[i].origin;
		const char *text = values.items[i].text, *colon = strchr(text, ':');

		if (colon == text) {
			text++; /* ":/data" is the anonymous volume "/data" */
			colon = strchr(text, ':');
			if (colon)
				text = arena_strndup(r->arena, text, (size_t)(colon - text));
		} else if (colon) {
			const char *source = arena_strndup(r->arena, text, (size_t)(colon - text));

			text = arena_printf(r->arena, "%s%s",
					    resolve_source(r, source, origin, false), colon);
		}
		push(r, words, "-v", text, origin);
	}
}

static void convert_network(struct reading *r, struct arg_list *words)
{
	struct arg_list values = value_list(r, r->container, "Network");

	for (size_t i = 0; i < values.count; i++) {
		const struct arg *value = &values.items[i];
		size_t len = strcspn(value->text, ":");
		const char *file = arena_strndup(r->arena, value->text, len),
			   *options = value->text + len;
		const char *text = value->text;
		bool is_container = str_ends(file, ".container");

		if (is_container || str_ends(file, ".network")) {
			const struct unit_name *name = refer(r, file, value->origin, "Requires");

			if (is_container && *options)
				reading_fail(r, value->origin,
					     "another container's network takes no options");
			if (name)
				text = arena_printf(r->arena, "%s%s%s",
						    is_container ? "container:" : "",
						    name->resource, options);
		}
		push(r, words, "--network", text, value->origin);
	}
}

static void convert_notify(struct reading *r, struct arg_list *words)
{
	static const struct origin nobody = { .file = "", .key = "" };
	struct arg value = { .text = "", .origin = &nobody }, type;
	const struct syntax_group *service = syntax_group(r->file, "Service");

	if (value_string(r, service, "Type", &type) && str_eq(type.text, "oneshot"))
		return;

	bool is_set = value_string(r, r->container, "Notify", &value);

	if (is_set && strcasecmp(value.text, "healthy") == 0)
		arg_push(r->arena, words, "--sdnotify=healthy", value.origin);
	else if (value_bool(r, r->container, "Notify") == VALUE_TRUE)
		arg_push(r->arena, words, "--sdnotify=container", value.origin);
	else if (r->is_podman)
		arg_push(r->arena, words, "--sdnotify=conmon", value.origin);
	if (r->is_podman)
		arg_push(r->arena, words, "-d", &nobody);
}

static void convert_device(struct reading *r, struct arg_list *words)
{
	struct arg_list values = value_words(r, r->container, "AddDevice");

	for (size_t i = 0; i < values.count; i++) {
		const char *device = values.items[i].text;

		if (device[0] == '-') {
			const char *path =
				arena_strndup(r->arena, device + 1, strcspn(device + 1, ":"));
			struct stat st;

			device++;
			if (stat(path, &st) < 0 && errno == ENOENT)
				continue;
		}
		push(r, words, "--device", device, values.items[i].origin);
	}
}

static void convert_volatile_tmp(struct reading *r, struct arg_list *words)
{
	const struct syntax_entry *entry = syntax_last(r->container, "VolatileTmp");

	if (value_bool(r, r->container, "VolatileTmp") == VALUE_TRUE &&
	    value_bool(r, r->container, "ReadOnly") != VALUE_TRUE)
		push(r, words, "--tmpfs", "/tmp:rw,size=512M,mode=1777", entry->origin);
}

static void convert_user(struct reading *r, struct arg_list *words)
{
	struct arg user, group;
	bool has_user = value_text(r, r->container, "User", &user);
	bool has_group = value_text(r, r->container, "Group", &group);

	if (has_group && !has_user)
		reading_fail(r, group.origin, "Group without User");
	if (!has_user)
		return;
	if (has_group)
		user.text = arena_printf(r->arena, "%s:%s", user.text, group.text);
	push(r, words, "--user", user.text, user.origin);
}

static void convert_auto_update(struct reading *r, struct arg_list *words)
{
	struct arg value;

	if (value_text(r, r->container, "AutoUpdate", &value))
		push(r, words, "--label",
		     arena_printf(r->arena, "io.containers.autoupdate=%s", value.text),
		     value.origin);
}

static bool is_port_range(const char *text)
{
	size_t len = strlen(text);

	if (str_ends(text, "/tcp") || str_ends(text, "/udp"))
		len -= 4;
	return len && text[len - 1] >= '0' && text[len - 1] <= '9';
}

static void convert_expose(struct reading *r, struct arg_list *words)
{
	struct arg_list values = value_list(r, r->container, "ExposeHostPort");

	for (size_t i = 0; i < values.count; i++) {
		if (!is_port_range(values.items[i].text))
			reading_fail(r, values.items[i].origin,
				     "'%s' is not PORT[-PORT][/tcp|/udp]", values.items[i].text);
		push(r, words, "--expose", values.items[i].text, values.items[i].origin);
	}
}

static void convert_cgroups(struct reading *r, struct arg_list *words)
{
	static const struct origin nobody = { .file = "", .key = "" };
	struct arg value;

	if (value_text(r, r->container, "CgroupsMode", &value))
		push(r, words, "--cgroups", value.text, value.origin);
	else if (r->is_podman)
		push(r, words, "--cgroups=split", NULL, &nobody);
}

static void convert_env_file(struct reading *r, struct arg_list *words)
{
	struct arg_list values = value_args(r, r->container, "EnvironmentFile");

	for (size_t i = 0; i < values.count; i++)
		push(r, words, "--env-file",
		     absolute_path(r, values.items[i].text, values.items[i].origin),
		     values.items[i].origin);
}

static void convert_pod(struct reading *r, struct arg_list *words)
{
	struct arg value;

	if (!value_text(r, r->container, "Pod", &value))
		return;

	const char *file = value.text, *at = strstr(file, "%N");

	if (at)
		file = arena_printf(r->arena, "%.*s%.*s%s", (int)(at - file), file,
				    (int)(strlen(r->unit->service_name) - strlen(".service")),
				    r->unit->service_name, at + 2);
	if (!str_ends(file, ".pod")) {
		reading_fail(r, value.origin, "%s is no .pod unit", file);
		return;
	}

	const struct unit_name *name = refer(r, file, value.origin, "BindsTo");

	if (name)
		push(r, words, "--pod", name->resource, value.origin);
}

/* One field of a comma separated line; *at moves behind it. Quotes as in CSV: "a,b" and "" inside. */
static const char *csv_field(struct reading *r, const char **at)
{
	const char *p = *at;
	char *field = arena_alloc(r->arena, strlen(p) + 1), *out = field;

	if (*p != '"') {
		size_t len = strcspn(p, ",");

		*at = p + len;
		return arena_strndup(r->arena, p, len);
	}
	for (p++; *p; p++) {
		if (*p == '"' && p[1] != '"')
			break;
		p += *p == '"';
		*out++ = *p;
	}
	if (*p != '"' || (p[1] && p[1] != ','))
		return NULL;
	*at = p + 1;
	return field;
}

static void csv_write(struct buf *out, const char *field)
{
	if (out->len)
		buf_putc(out, ',');
	if (field[0] != ' ' && field[0] != '\t' && !field[strcspn(field, ",\"\r\n")]) {
		buf_puts(out, field);
		return;
	}
	buf_putc(out, '"');
	for (; *field; field++) {
		if (*field == '"')
			buf_putc(out, '"');
		buf_putc(out, *field);
	}
	buf_putc(out, '"');
}

/* The fields of a Mount= word without its type=, which goes to *type. */
static bool split_mount(struct reading *r, const struct arg *mount, struct arg_list *fields,
			const char **type)
{
	const char *at = mount->text;

	*type = NULL;
	for (;;) {
		const char *field = csv_field(r, &at);

		if (!field) {
			reading_fail(r, mount->origin,
				     "a quote that is not closed, or stands inside a field");
			return false;
		}
		if (!*type && str_starts(field, "type=") && !strchr(field + 5, '='))
			*type = field + 5;
		else
			arg_push(r->arena, fields, field, mount->origin);
		if (*at != ',')
			return true;
		at++;
	}
}

static const char *convert_mount_word(struct reading *r, const struct arg *mount)
{
	static const char *const with_source[] = { "volume", "bind", "glob", "image", "artifact" };
	struct arg_list fields = { 0 };
	const char *type, *source = NULL;
	bool needs_source = false;
	size_t place = 0;

	if (!split_mount(r, mount, &fields, &type))
		return mount->text;
	type = type ? type : "volume";
	for (size_t i = 0; i < sizeof(with_source) / sizeof(with_source[0]); i++)
		needs_source |= str_eq(type, with_source[i]);
	if (!needs_source)
		return mount->text;
	for (size_t i = 0; i < fields.count; i++) {
		const char *text = fields.items[i].text;
		const char *value = str_starts(text, "source=") ? text + 7 :
				    str_starts(text, "src=")	? text + 4 :
								  NULL;

		if (value) {
			source = value;
			place = i;
		} else if (str_eq(text, "source") || str_eq(text, "src")) {
			reading_fail(r, mount->origin, "%s without a value", text);
			return mount->text;
		}
	}
	if (source && *source)
		fields.items[place].text = arena_printf(
			r->arena, "source=%s", resolve_source(r, source, mount->origin, true));
	else if (!str_eq(type, "volume"))
		reading_fail(r, mount->origin, "a mount of type %s needs source=", type);

	auto_buf out = BUF_INIT(4 * UNIT_MAX_LINE_BYTES);

	csv_write(&out, arena_printf(r->arena, "type=%s", type));
	for (size_t i = 0; i < fields.count; i++)
		csv_write(&out, fields.items[i].text);
	return arena_strdup(r->arena, buf_str(&out));
}

static void convert_mount(struct reading *r, struct arg_list *words)
{
	struct arg_list values = value_args(r, r->container, "Mount");

	for (size_t i = 0; i < values.count; i++)
		push(r, words, "--mount", convert_mount_word(r, &values.items[i]),
		     values.items[i].origin);
}

void convert_image(struct reading *r, struct arg_list *words)
{
	struct arg image, rootfs;
	bool has_image = value_text(r, r->container, "Image", &image);
	bool has_rootfs = value_text(r, r->container, "Rootfs", &rootfs);

	if (!has_image && !has_rootfs)
		reading_fail(r, reading_place(r, "Container.Image"),
			     "no image named: write Image=");
	if (has_image && has_rootfs)
		reading_fail(r, rootfs.origin, "Image and Rootfs exclude each other");
	if (has_image) {
		if (str_ends(image.text, ".image") || str_ends(image.text, ".build")) {
			const struct unit_name *name =
				refer(r, image.text, image.origin, "Requires");

			image.text = name ? name->resource : image.text;
		}
		arg_push(r->arena, words, image.text, image.origin);
	} else if (has_rootfs) {
		push(r, words, "--rootfs", rootfs.text, rootfs.origin);
	}
}

void convert_special(struct reading *r, const struct key *key, struct arg_list *words)
{
	static const struct {
		const char *name;
		void (*convert)(struct reading *r, struct arg_list *words);
	} rules[] = {
		{ "AddDevice", convert_device },
		{ "AutoUpdate", convert_auto_update },
		{ "CgroupsMode", convert_cgroups },
		{ "EnvironmentFile", convert_env_file },
		{ "ExposeHostPort", convert_expose },
		{ "Mount", convert_mount },
		{ "Network", convert_network },
		{ "Notify", convert_notify },
		{ "Pod", convert_pod },
		{ "RemapUsers", convert_user_mapping },
		{ "User", convert_user },
		{ "VolatileTmp", convert_volatile_tmp },
		{ "Volume", convert_volume },
	};

	for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++)
		if (str_eq(rules[i].name, key->name))
			rules[i].convert(r, words);
}
