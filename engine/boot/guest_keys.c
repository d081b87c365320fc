/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the keys of a container say, as files. Must never let a value become more than the file or the line that its key stands for.
 */
#include <ctype.h>
#include <string.h>
#include <yyjson.h>

#include "boot/guest.h"
#include "boot/guest_http.h"
#include "util/str.h"

#define CONFIG_PATH "/1.0/config/"
#define UNIT_PREFIX "user.quadlet."
#define INI_PREFIX "user.cleat."
#define MAX_NAME_BYTES 512
#define MAX_INI_BYTES (64u * 1024)

/* The second one is what cloud-init reads; the first its older name. */
static const char *const network_keys[] = { "user.network-config", "cloud-init.network-config" };

static bool is_network_key(const char *name)
{
	return str_eq(name, network_keys[0]) || str_eq(name, network_keys[1]);
}

static bool is_wanted(const char *name)
{
	return str_starts(name, UNIT_PREFIX) || str_starts(name, INI_PREFIX) ||
	       is_network_key(name);
}

static void free_doc(yyjson_doc **doc)
{
	yyjson_doc_free(*doc);
}

int guest_keys_parse(const char *json, size_t len, struct arena *arena, struct guest_key **keys,
		     size_t *count, struct err *err)
{
	__attribute__((cleanup(free_doc)))
	yyjson_doc *doc = yyjson_read(json, len, YYJSON_READ_NOFLAG);
	yyjson_val *root = doc ? yyjson_doc_get_root(doc) : NULL, *item;
	size_t index, max;

	*keys = NULL;
	*count = 0;
	if (!yyjson_is_arr(root))
		return err_set(err, ERR_INPUT, "%s: no list of keys", CONFIG_PATH);
	yyjson_arr_foreach(root, index, max, item)
	{
		const char *path = yyjson_get_str(item);
		size_t bytes = yyjson_get_len(item);

		if (!path || strlen(path) != bytes || bytes > MAX_NAME_BYTES ||
		    !str_starts(path, CONFIG_PATH) || !is_wanted(path + strlen(CONFIG_PATH)))
			continue;
		if (*count == GUEST_MAX_KEYS)
			return err_set(err, ERR_LIMIT, "more than %u keys", GUEST_MAX_KEYS);
		*arena_push(arena, *keys, *count) =
			(struct guest_key){ .name = arena_strdup(arena, path + strlen(CONFIG_PATH)),
					    .value = "" };
	}
	return 0;
}

/* --- appliance.ini -------------------------------------------------------------------------------------------------------------- */

static bool is_word(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (!isalnum((unsigned char)text[i]))
			return false;
	return len > 0;
}

/* "System.Hostname", "Link.eth0.100.Address": section, what it is about (may have dots), key. */
struct ini_name {
	const char *section, *about, *key;
	size_t section_len, about_len;
};

static bool split_name(const char *name, struct ini_name *out)
{
	const char *first = strchr(name, '.'), *last = strrchr(name, '.');

	if (!first)
		return false;
	*out = (struct ini_name){ .section = name,
				  .section_len = (size_t)(first - name),
				  .key = last + 1 };
	if (last != first) {
		out->about = first + 1;
		out->about_len = (size_t)(last - first) - 1;
	}
	if (!is_word(out->section, out->section_len) || !is_word(out->key, strlen(out->key)) ||
	    (out->about && !out->about_len))
		return false;
	for (size_t i = 0; i < out->about_len; i++)
		if (out->about[i] <= ' ' || out->about[i] >= 0x7f || strchr("[]", out->about[i]))
			return false;
	return true;
}

static const char *problem_of(const struct guest_key *key, struct ini_name *name)
{
	if (!split_name(key->name + strlen(INI_PREFIX), name))
		return "user.cleat.SECTION.KEY is expected";
	for (size_t i = 0; i < key->len; i++)
		if ((unsigned char)key->value[i] < 0x20 && key->value[i] != '\t' &&
		    key->value[i] != '\n')
			return "a control character in its value";
	/* it would go on in the next line, which is another key's */
	if (memmem(key->value, key->len, "\\\n", 2) ||
	    (key->len && key->value[key->len - 1] == '\\'))
		return "a line of its value ends in a backslash";
	return NULL;
}

static void add_lines(struct buf *out, const struct guest_key *key, const struct ini_name *name)
{
	const char *at = key->value, *end = key->value + key->len;

	buf_printf(out, "# %s\n", key->name);
	while (at < end) {
		const char *stop = memchr(at, '\n', (size_t)(end - at));
		size_t len = (size_t)((stop ? stop : end) - at);

		if (len)
			buf_printf(out, "%s=%.*s\n", name->key, (int)len, at);
		at += len + 1;
	}
}

/* A section that stands there several times is one. */
void guest_keys_appliance(const struct guest_key *keys, size_t count, struct buf *out,
			  struct config_problems *problems)
{
	for (size_t i = 0; i < count; i++) {
		struct ini_name name;
		const char *problem;
		struct err err;

		if (!str_starts(keys[i].name, INI_PREFIX))
			continue;
		problem = problem_of(&keys[i], &name);
		if (problem) {
			err_set(&err, ERR_INPUT, "%s", problem);
			config_problems_add(problems, keys[i].name, &err);
			continue;
		}
		buf_printf(out, "[%.*s%s%.*s]\n", (int)name.section_len, name.section,
			   name.about_len ? " " : "", (int)name.about_len,
			   name.about_len ? name.about : "");
		add_lines(out, &keys[i], &name);
	}
}

void guest_keys_fill(struct config_tree *t, const struct guest_key *keys, size_t count,
		     struct config_problems *problems)
{
	auto_buf ini = BUF_INIT(MAX_INI_BYTES);
	const struct guest_key *network = NULL;
	struct err err;

	for (size_t i = 0; i < count; i++) {
		auto_buf rel = BUF_INIT(MAX_NAME_BYTES + 16);

		if (is_network_key(keys[i].name) && keys[i].len)
			network = network && str_eq(network->name, network_keys[1]) ? network :
										      &keys[i];
		if (!str_starts(keys[i].name, UNIT_PREFIX))
			continue;
		buf_printf(&rel, "units/%s", keys[i].name + strlen(UNIT_PREFIX));
		if (config_tree_put(t, buf_str(&rel), keys[i].value, keys[i].len, &err) < 0)
			config_problems_add(problems, keys[i].name, &err);
	}
	guest_keys_appliance(keys, count, &ini, problems);
	if (ini.len && (buf_check(&ini, "user.cleat.*", &err) < 0 ||
			config_tree_put(t, "appliance.ini", ini.data, ini.len, &err) < 0))
		config_problems_add(problems, "", &err);
	if (network && config_tree_put(t, "network-config", network->value, network->len, &err) < 0)
		config_problems_add(problems, network->name, &err);
}
