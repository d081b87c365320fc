/* SPDX-License-Identifier: Apache-2.0 */
/*
 * .volume units: "podman volume create". Which keys count depends on Driver=; podman passes over
 * the others in silence, the engine must not.
 */
#include "unit/oneshot_internal.h"
#include "unit/words_internal.h"
#include "util/str.h"

const char *resource_volume(struct reading *r)
{
	return oneshot_name(r, "VolumeName");
}

static bool is_image_driver(struct reading *r)
{
	struct arg driver;

	return value_string(r, r->own, "Driver", &driver) && str_eq(driver.text, "image");
}

static void push_option(struct reading *r, struct arg_list *words, const char *text,
			const struct origin *origin)
{
	struct arg option = { .text = text, .origin = origin };

	convert_push_pair(r, words, "--opt", &option);
}

static void push_image(struct reading *r, struct arg_list *words)
{
	struct arg image;

	if (!value_string(r, r->own, "Image", &image)) {
		reading_fail(r, syntax_last(r->own, "Driver")->origin,
			     "the key Image is mandatory when using the image driver");
		return;
	}
	if (str_ends(image.text, ".image") || str_ends(image.text, ".build")) {
		const struct unit_name *name =
			convert_refer(r, image.text, image.origin, SERVICE_DEP_REQUIRES);

		image.text = name ? name->resource : image.text;
	}
	push_option(r, words, arena_join(r->arena, "image=", image.text), image.origin);
}

static void push_copy(struct reading *r, struct arg_list *words)
{
	const struct syntax_entry *entry = syntax_last(r->own, "Copy");
	enum value_bool copy = value_bool(r, r->own, "Copy");

	if (copy != VALUE_UNSET)
		push_option(r, words, copy == VALUE_TRUE ? "copy" : "nocopy", entry->origin);
}

static void push_device(struct reading *r, struct arg_list *words)
{
	struct arg device, type;
	bool has_device = value_text(r, r->own, "Device", &device);

	if (has_device)
		push_option(r, words, arena_join(r->arena, "device=", device.text), device.origin);
	if (!value_text(r, r->own, "Type", &type))
		return;
	if (!has_device) {
		reading_fail(r, type.origin, "key Type can't be used without Device");
		return;
	}
	push_option(r, words, arena_join(r->arena, "type=", type.text), type.origin);
	if (str_eq(type.text, "bind")) {
		auto_buf escaped = BUF_INIT(4 * UNIT_MAX_LINE_BYTES + 2);

		words_escape(&escaped, device.text);
		convert_add(r, "Unit", "RequiresMountsFor",
			    arena_strdup(r->arena, buf_str(&escaped)));
	}
}

/* uid= and gid= are numbers: podman reads anything else, and nothing, as 0. */
static void add_id(struct reading *r, struct buf *options, const char *key, const char *name,
		   const struct origin **origin)
{
	const struct syntax_entry *entry = syntax_last(r->own, key);
	struct arg value;

	if (!entry || (!r->is_podman && !value_text(r, r->own, key, &value)))
		return;
	buf_printf(options, "%c%s=%u", options->len ? ',' : '=', name,
		   value_number(r, r->own, key, 0));
	*origin = *origin ? *origin : entry->origin;
}

/* The mount options are one word: "o=uid=1,gid=2,nodev". */
static void push_mount_options(struct reading *r, struct arg_list *words)
{
	auto_buf options = BUF_INIT(2 * UNIT_MAX_LINE_BYTES);
	const struct origin *origin = NULL;
	struct arg given, device;

	add_id(r, &options, "User", "uid", &origin);
	add_id(r, &options, "Group", "gid", &origin);
	if (value_text(r, r->own, "Options", &given)) {
		if (!value_text(r, r->own, "Device", &device))
			reading_fail(r, given.origin, "key Options can't be used without Device");
		buf_printf(&options, "%c%s", options.len ? ',' : '=', given.text);
		origin = origin ? origin : given.origin;
	}
	if (options.len)
		push_option(r, words, arena_join(r->arena, "o", buf_str(&options)), origin);
}

struct arg_list convert_volume_unit(struct reading *r, size_t *image_index)
{
	struct arg_list words = { 0 };

	(void)image_index;
	if (r->is_podman)
		convert_push(r, &words, "--ignore");
	oneshot_push_set(r, &words, "UID", "--uid");
	oneshot_push_set(r, &words, "GID", "--gid");
	oneshot_push_set(r, &words, "Driver", "--driver");
	if (is_image_driver(r)) {
		push_image(r, &words);
	} else {
		push_copy(r, &words);
		push_device(r, &words);
		push_mount_options(r, &words);
	}
	convert_keys(r, &words);
	oneshot_push_name(r, &words, "VolumeName");
	return words;
}

void service_volume(struct reading *r, const struct arg_list *words)
{
	oneshot_service(r, (const char *const[]){ "volume", "create", NULL }, words, true);
}

static void judge_id(struct reading *r, const char *key)
{
	struct arg value;
	uint64_t id;

	if (value_text(r, r->own, key, &value) && !oneshot_is_open(value.text) &&
	    !str_to_u64(value.text, UINT32_MAX, &id))
		reading_refuse(r, value.origin, "'%s' is no number from 0 to %u", value.text,
			       UINT32_MAX);
}

/* What podman would leave out because of the driver. */
static void judge_unused(struct reading *r)
{
	static const char *const local[] = { "User", "Group", "Copy", "Device", "Type", "Options" };
	const struct syntax_entry *image = syntax_last(r->own, "Image");

	if (!is_image_driver(r)) {
		if (image && image->value[0])
			reading_refuse(r, image->origin, "an image needs Driver=image");
		return;
	}
	if (image && !image->value[0])
		reading_refuse(r, image->origin, "Driver=image needs the name of an image");
	for (size_t i = 0; i < sizeof(local) / sizeof(local[0]); i++) {
		const struct syntax_entry *entry = syntax_last(r->own, local[i]);

		if (entry && entry->value[0])
			reading_refuse(r, entry->origin, "means nothing with Driver=image");
	}
}

void judge_volume(struct reading *r)
{
	struct arg image;

	oneshot_judge_name(r, "VolumeName");
	oneshot_judge_choice(r, "Driver", (const char *const[]){ "local", "image", NULL });
	judge_id(r, "UID");
	judge_id(r, "GID");
	judge_unused(r);
	if (value_text(r, r->own, "Image", &image))
		oneshot_judge_reference(r, &image);
}
