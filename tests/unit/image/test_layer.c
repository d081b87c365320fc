/* SPDX-License-Identifier: Apache-2.0 */
/* Layers onto disk: what arrives is what was packed, whiteouts are overlayfs's, and no member leaves its folder. */
#include "image_test.h"

#include <sys/sysmacros.h>
#include <sys/xattr.h>

#include "image/layer.h"

struct fixture {
	struct scratch outer;
	int root;
	struct layer_counts counts;
	struct layer_options options;
	struct err err;
};

/* The root is a folder inside the scratch folder, so that there is something to escape to. */
static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	scratch_open(&f->outer);
	assert_int_equal(mkdirat(f->outer.fd, "root", 0755), 0);
	assert_int_equal(mkdirat(f->outer.fd, "outside", 0755), 0);
	f->root = openat(f->outer.fd, "root", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	f->options = (struct layer_options){ .max_entries = 1000, .set_owner = true };
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	close(f->root);
	scratch_close(&f->outer);
	free(f);
	return 0;
}

static int unpack_bytes(struct fixture *f, const void *data, size_t len)
{
	int fd = fd_of(data, len);
	struct inflate *in = inflate_open(fd, TAR_MAX_BYTES, &f->err);
	int rc;

	assert_non_null(in);
	rc = layer_unpack(f->root, in, &f->options, &f->counts, &f->err);
	inflate_close(in);
	close(fd);
	return rc;
}

static int unpack(struct fixture *f, const struct member *members)
{
	struct tar tar;
	int rc;

	tar_of(&tar, members);
	rc = unpack_bytes(f, tar.out.data, tar.out.len);
	buf_fini(&tar.out);
	return rc;
}

static void must_unpack(struct fixture *f, const struct member *members)
{
	if (unpack(f, members) < 0)
		fail_msg("%s", f->err.msg);
}

static void must_refuse(struct fixture *f, const struct member *members, enum err_code code,
			const char *part)
{
	assert_int_equal(unpack(f, members), -1);
	assert_says(&f->err, code, part);
}

static struct stat stat_of(struct fixture *f, const char *path)
{
	struct stat st;

	if (fstatat(f->root, path, &st, AT_SYMLINK_NOFOLLOW) < 0)
		fail_msg("%s is not there", path);
	return st;
}

static bool exists(int dir, const char *path)
{
	struct stat st;

	return fstatat(dir, path, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

static void assert_content(struct fixture *f, const char *path, const char *text)
{
	char found[256] = "";
	int fd = openat(f->root, path, O_RDONLY | O_NOFOLLOW);

	if (fd < 0)
		fail_msg("%s is not there", path);
	assert_true(read(fd, found, sizeof(found) - 1) >= 0);
	assert_string_equal(found, text);
	close(fd);
}

static ssize_t get_xattr(struct fixture *f, const char *path, const char *name, char *value,
			 size_t size)
{
	int fd = openat(f->root, path, O_RDONLY);
	ssize_t n;

	assert_true(fd >= 0);
	n = fgetxattr(fd, name, value, size);
	close(fd);
	return n;
}

static bool is_whiteout(struct fixture *f, const char *path)
{
	struct stat st = stat_of(f, path);

	return S_ISCHR(st.st_mode) && st.st_rdev == makedev(0, 0);
}

static bool is_opaque(struct fixture *f, const char *path)
{
	char value[8];

	return get_xattr(f, path, "user.overlay.opaque", value, sizeof(value)) == 1 &&
	       value[0] == 'y';
}

static void owners_modes_times_and_kinds_are_kept(void **state)
{
	struct fixture *f = *state;
	struct stat st;
	char link[32] = "";

	must_unpack(f, (struct member[]){
			       { "etc", AE_IFDIR, .mode = 0750, .uid = 5, .gid = 6, .mtime = 77 },
			       { "etc/file", .data = "content", .mode = 0640, .uid = 1001,
				 .gid = 1002, .mtime = 88 },
			       { "etc/su", .data = "x", .mode = 06755, .uid = 3 },
			       { "etc/link", AE_IFLNK, .link = "/nowhere/at/all", .uid = 7,
				 .mtime = 99 },
			       { "etc/pipe", AE_IFIFO, .mode = 0622, .uid = 8 },
			       { "etc/hard", .hardlink = "etc/file" },
			       { "etc/top", .data = "x", .uid = 65535, .gid = 65024 },
			       { 0 } });
	st = stat_of(f, "etc");
	assert_int_equal(st.st_mode & 07777, 0750);
	assert_int_equal(st.st_uid, 5);
	assert_int_equal(st.st_gid, 6);
	assert_int_equal(st.st_mtime, 77); /* although files came after it */
	st = stat_of(f, "etc/file");
	assert_int_equal(st.st_mode & 07777, 0640);
	assert_int_equal(st.st_uid, 1001);
	assert_int_equal(st.st_gid, 1002);
	assert_int_equal(st.st_mtime, 88);
	assert_int_equal(st.st_nlink, 2);
	assert_int_equal(stat_of(f, "etc/hard").st_ino, st.st_ino);
	assert_content(f, "etc/hard", "content");
	st = stat_of(f, "etc/su");
	assert_int_equal(st.st_mode & 07777, 06755); /* chown comes first */
	st = stat_of(f, "etc/link");
	assert_true(S_ISLNK(st.st_mode));
	assert_int_equal(st.st_uid, 7);
	assert_int_equal(st.st_mtime, 99);
	assert_true(readlinkat(f->root, "etc/link", link, sizeof(link) - 1) > 0);
	assert_string_equal(link, "/nowhere/at/all");
	st = stat_of(f, "etc/pipe");
	assert_true(S_ISFIFO(st.st_mode));
	assert_int_equal(st.st_mode & 07777, 0622);
	assert_int_equal(st.st_uid, 8);
	assert_int_equal(stat_of(f, "etc/top").st_uid, 65535);
	assert_int_equal(f->counts.entries, 7);
}

static void absolute_and_dotted_names_are_relative_to_the_root(void **state)
{
	struct fixture *f = *state;

	must_unpack(f, (struct member[]){ { "./", AE_IFDIR, .mode = 0711, .mtime = 55 },
					  { "/", AE_IFDIR, .mode = 0701, .mtime = 55 },
					  { "/usr/", .type = AE_IFDIR },
					  { "/usr//bin/./tool", .data = "t" },
					  { "./etc/conf", .data = "c" },
					  { "usr/bin/again", .hardlink = "/usr/bin/tool" },
					  { 0 } });
	assert_content(f, "usr/bin/tool", "t");
	assert_content(f, "usr/bin/again", "t");
	assert_content(f, "etc/conf", "c");
	assert_int_equal(stat_of(f, ".").st_mode & 07777, 0701);
	assert_int_equal(stat_of(f, ".").st_mtime, 55);
	assert_int_equal(stat_of(f, "etc").st_mode & 07777, 0755); /* implied parent */
}

static void names_are_kept_byte_by_byte(void **state)
{
	struct fixture *f = *state;
	char name[200];

	/* e and a combining accent: normalisation would make one letter of it; then bytes that are no UTF-8 */
	must_unpack(f, (struct member[]){ { "e\xcc\x81", .data = "nfd" },
					  { "\xff\xfe", .data = "raw" },
					  { 0 } });
	assert_content(f, "e\xcc\x81", "nfd");
	assert_content(f, "\xff\xfe", "raw");
	memset(name, 'n', 150);
	memcpy(name + 150, "e\xcc\x81", 4);
	must_unpack(f, (struct member[]){ { name, .data = "long" }, { 0 } });
	assert_content(f, name, "long");
}

/* Checksum and the fields that libarchive looks at; size below 8^11. */
static void put_raw_header(struct buf *out, const char *name, char type, unsigned size,
			   const char *link)
{
	char block[512] = "";
	unsigned sum = 8 * ' ';

	snprintf(block, 100, "%s", name);
	memcpy(block + 100,
	       "0000644\0"
	       "0000000\0"
	       "0000000\0",
	       24);
	snprintf(block + 124, 12, "%011o", size);
	memcpy(block + 136, "00000000000", 11);
	block[156] = type;
	snprintf(block + 157, 100, "%s", link);
	memcpy(block + 257,
	       "ustar\0"
	       "00",
	       8);
	for (size_t i = 0; i < sizeof(block); i++)
		sum += (unsigned char)block[i];
	snprintf(block + 148, 8, "%06o", sum);
	block[155] = ' ';
	buf_add(out, block, sizeof(block));
}

static void put_raw_block(struct buf *out, const char *text, size_t len)
{
	char block[512] = "";

	memcpy(block, text, len);
	buf_add(out, block, sizeof(block));
}

static void names_in_pax_headers_are_kept_byte_by_byte_too(void **state)
{
	/* what Go's writer makes of a name that is not ASCII: no hdrcharset, so the reader would convert it */
	static const char path[] = "16 path=e\xcc\x81/f\xc3\xa9\n";
	static const char link[] = "18 linkpath=\xcc\x81\xff\xfex\n";
	auto_buf tar = BUF_INIT(TAR_MAX_BYTES);
	struct fixture *f = *state;
	char target[16] = "";

	assert_int_equal(strlen(path), 16);
	put_raw_header(&tar, "pax", 'x', sizeof(path) - 1, "");
	put_raw_block(&tar, path, sizeof(path) - 1);
	put_raw_header(&tar, "short", '0', 3, "");
	put_raw_block(&tar, "nfd", 3);
	assert_int_equal(strlen(link), 18);
	put_raw_header(&tar, "pax", 'x', sizeof(link) - 1, "");
	put_raw_block(&tar, link, sizeof(link) - 1);
	put_raw_header(&tar, "link", '2', 0, "x"); /* Go leaves the ASCII part there */
	put_raw_block(&tar, "", 0);
	put_raw_block(&tar, "", 0);
	if (unpack_bytes(f, tar.data, tar.len) < 0)
		fail_msg("%s", f->err.msg);
	assert_content(f, "e\xcc\x81/f\xc3\xa9", "nfd");
	assert_true(readlinkat(f->root, "link", target, sizeof(target) - 1) > 0);
	assert_string_equal(target, "\xcc\x81\xff\xfex");
}

static void dot_dot_is_refused_everywhere(void **state)
{
	static const char *const names[] = {
		"..", "../outside/x", "a/../b", "/..", "a/..", "./../x"
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		must_refuse(f, (struct member[]){ { names[i], .data = "evil" }, { 0 } }, ERR_INPUT,
			    "climbs out of its root");
	must_refuse(f,
		    (struct member[]){
			    { "in", .data = "x" }, { "l", .hardlink = "../outside/x" }, { 0 } },
		    ERR_INPUT, "climbs out of its root");
	assert_false(exists(f->outer.fd, "outside/x"));
	assert_false(exists(f->outer.fd, "x"));
}

static void links_as_parents_stay_inside(void **state)
{
	struct fixture *f = *state;

	/* the classical layouts of merged /usr, and the classical attacks */
	must_unpack(f, (struct member[]){ { "usr/lib", .type = AE_IFDIR },
					  { "lib", AE_IFLNK, .link = "usr/lib" },
					  { "lib/inside", .data = "1" },
					  { "abs", AE_IFLNK, .link = "/usr" },
					  { "abs/lib/absolute", .data = "2" },
					  { "usr/up", AE_IFLNK, .link = "../../../../usr/lib" },
					  { "usr/up/climbed", .data = "3" },
					  { "out", AE_IFLNK, .link = "../outside" },
					  { "outside", .type = AE_IFDIR },
					  { "out/caught", .data = "4" },
					  { 0 } });
	assert_content(f, "usr/lib/inside", "1");
	assert_content(f, "usr/lib/absolute", "2");
	assert_content(f, "usr/lib/climbed", "3");
	assert_content(f, "outside/caught", "4");
	assert_false(exists(f->outer.fd, "outside/caught"));
}

static void a_parent_that_is_no_folder_is_an_error(void **state)
{
	struct fixture *f = *state;

	must_refuse(
		f,
		(struct member[]){ { "file", .data = "x" }, { "file/below", .data = "y" }, { 0 } },
		ERR_SYS, "member file/below: parent");
	must_refuse(f,
		    (struct member[]){ { "gone", AE_IFLNK, .link = "no/where" },
				       { "gone/x", .data = "y" },
				       { 0 } },
		    ERR_NOT_FOUND, "member gone/x: parent is a link");
	must_refuse(f,
		    (struct member[]){ { "loop", AE_IFLNK, .link = "loop" },
				       { "loop/x", .data = "y" },
				       { 0 } },
		    ERR_SYS, "member loop/x: parent is a link");
}

static void the_last_part_of_a_name_is_never_followed(void **state)
{
	struct fixture *f = *state;
	int fd = openat(f->outer.fd, "outside/victim", O_WRONLY | O_CREAT, 0600);

	assert_int_equal(write(fd, "safe", 4), 4);
	close(fd);
	must_unpack(f, (struct member[]){ { "in/target", .data = "inside" },
					  { "swap", AE_IFLNK, .link = "../outside/victim" },
					  { "swap", .data = "evil" },
					  { "swap2", AE_IFLNK, .link = "in" },
					  { "swap2", AE_IFDIR, .mode = 0700 },
					  { "swap2/new", .data = "here" },
					  { "swap3", AE_IFLNK, .link = "in/target" },
					  { "copy", .hardlink = "swap3" },
					  { 0 } });
	assert_content(f, "swap", "evil");
	assert_content(f, "swap2/new", "here");
	assert_false(exists(f->root, "in/new"));
	assert_true(S_ISLNK(stat_of(f, "copy").st_mode)); /* of the link itself */
	assert_int_equal(fstatat(f->outer.fd, "outside/victim", &(struct stat){ 0 }, 0), 0);
	fd = openat(f->outer.fd, "outside/victim", O_RDONLY);
	char found[8] = "";
	assert_int_equal(read(fd, found, 7), 4);
	assert_string_equal(found, "safe");
	close(fd);
}

static void the_last_of_two_members_wins(void **state)
{
	struct fixture *f = *state;

	must_unpack(f, (struct member[]){ { "a", .data = "first, and longer" },
					  { "b", .hardlink = "a" },
					  { "a", .data = "second" },
					  { "d", AE_IFDIR, .mode = 0700, .mtime = 5 },
					  { "d/x", .data = "kept" },
					  { "d", AE_IFDIR, .mode = 0711, .mtime = 6 },
					  { "e/deep/er", .data = "gone" },
					  { "e", .data = "file" },
					  { "g", .data = "file" },
					  { "g", .type = AE_IFDIR },
					  { 0 } });
	assert_content(f, "a", "second");
	assert_content(f, "b", "first, and longer"); /* not written through the link */
	assert_content(f, "d/x", "kept");
	assert_int_equal(stat_of(f, "d").st_mode & 07777, 0711);
	assert_int_equal(stat_of(f, "d").st_mtime, 6);
	assert_content(f, "e", "file");
	assert_true(S_ISDIR(stat_of(f, "g").st_mode));
}

static void a_replaced_name_means_the_new_thing_for_later_members(void **state)
{
	struct fixture *f = *state;

	must_unpack(f,
		    (struct member[]){ { "l", AE_IFLNK, .link = "." },
				       { "l/one", .data = "1" },
				       { "l/l", .type = AE_IFDIR }, /* replaces the link itself */
				       { "l/two", .data = "2" },
				       { 0 } });
	assert_content(f, "one", "1");
	assert_content(f, "l/two", "2");
	assert_false(exists(f->root, "two"));
}

static void hard_links_need_a_member_of_the_same_layer(void **state)
{
	struct fixture *f = *state;

	must_refuse(f, (struct member[]){ { "l", .hardlink = "missing" }, { 0 } }, ERR_INPUT,
		    "hard link to missing, which is not in this layer");
	must_refuse(f, (struct member[]){ { "l", .hardlink = "no/such/folder" }, { 0 } },
		    ERR_NOT_FOUND, "hard link to no/such/folder");
	must_refuse(f,
		    (struct member[]){ { "d", .type = AE_IFDIR }, { "l", .hardlink = "d" }, { 0 } },
		    ERR_INPUT, "which is a folder");
	must_refuse(f, (struct member[]){ { "l", .hardlink = "/" }, { 0 } }, ERR_INPUT,
		    "not in this layer");
	must_refuse(f,
		    (struct member[]){ { ".wh.w", .data = "" }, { "l", .hardlink = "w" }, { 0 } },
		    ERR_INPUT, "not in this layer");
	must_unpack(f, (struct member[]){
			       { "self", .data = "x" }, { "self", .hardlink = "self" }, { 0 } });
	assert_content(f, "self", "x");
}

static void whiteouts_become_what_overlayfs_reads(void **state)
{
	struct fixture *f = *state;

	must_unpack(f, (struct member[]){ { "etc", .type = AE_IFDIR },
					  { "etc/.wh.passwd", .data = "" },
					  { ".wh.top", .data = "" },
					  { "var/lib/.wh..wh..opq", .data = "" },
					  { ".wh..wh.plnk", .type = AE_IFDIR },
					  { ".wh..wh.plnk/12.34", .data = "aufs" },
					  { "etc/.wh..wh.aufs", .data = "" },
					  { 0 } });
	assert_true(is_whiteout(f, "etc/passwd"));
	assert_true(is_whiteout(f, "top"));
	assert_true(is_opaque(f, "var/lib"));
	assert_false(is_opaque(f, "etc"));
	assert_false(exists(f->root, ".wh..wh.plnk"));
	assert_false(exists(f->root, "etc/.wh.passwd"));
	assert_int_equal(f->counts.whiteouts, 3);
	assert_int_equal(f->counts.aufs_left_out, 3);
}

static void a_whiteout_spares_its_own_layer(void **state)
{
	struct fixture *f = *state;

	must_unpack(f, (struct member[]){ /* whiteout first, then made anew */
					  { ".wh.a", .data = "" },
					  { "a", .data = "new" },
					  { ".wh.b", .data = "" },
					  { "b", .type = AE_IFDIR },
					  { ".wh.c", .data = "" },
					  { "c/d/e", .data = "implied" },
					  /* the other way round */
					  { "f", .data = "kept" },
					  { ".wh.f", .data = "" },
					  { "g/h", .data = "kept" },
					  { ".wh.g", .data = "" },
					  { 0 } });
	assert_content(f, "a", "new");
	assert_true(is_opaque(f, "b")); /* or the lower folder would shine through */
	assert_true(is_opaque(f, "c"));
	assert_content(f, "c/d/e", "implied");
	assert_content(f, "f", "kept");
	assert_content(f, "g/h", "kept");
	assert_true(is_opaque(f, "g"));
}

static void whiteouts_of_nothing_and_of_folders_in_between_are_refused(void **state)
{
	struct fixture *f = *state;

	must_refuse(f, (struct member[]){ { ".wh.", .data = "" }, { 0 } }, ERR_INPUT,
		    "whiteout of \"\"");
	must_refuse(f, (struct member[]){ { "a/.wh..", .data = "" }, { 0 } }, ERR_INPUT,
		    "whiteout of \".\"");
	must_refuse(f, (struct member[]){ { "a/.wh...", .data = "" }, { 0 } }, ERR_INPUT,
		    "whiteout of \"..\"");
	must_refuse(f, (struct member[]){ { ".wh.a/b", .data = "" }, { 0 } }, ERR_INPUT,
		    "used as a folder");
	must_refuse(f, (struct member[]){ { "x/.wh.a/b", .data = "" }, { 0 } }, ERR_INPUT,
		    "used as a folder");
}

static void devices_are_left_out_also_one_that_looks_like_a_whiteout(void **state)
{
	struct fixture *f = *state;
	struct archive_entry *e = archive_entry_new();
	struct tar tar;

	tar_begin(&tar);
	archive_entry_set_pathname(e, "null");
	archive_entry_set_filetype(e, AE_IFCHR);
	archive_entry_set_rdev(e, makedev(0, 0));
	assert_int_equal(archive_write_header(tar.archive, e), ARCHIVE_OK);
	archive_entry_set_pathname(e, "sda");
	archive_entry_set_filetype(e, AE_IFBLK);
	archive_entry_set_rdev(e, makedev(8, 0));
	assert_int_equal(archive_write_header(tar.archive, e), ARCHIVE_OK);
	archive_entry_free(e);
	tar_end(&tar);
	assert_int_equal(unpack_bytes(f, tar.out.data, tar.out.len), 0);
	buf_fini(&tar.out);
	assert_false(exists(f->root, "null"));
	assert_false(exists(f->root, "sda"));
	assert_int_equal(f->counts.devices_left_out, 2);
}

static void ids_without_a_place_in_the_map_are_refused_by_name(void **state)
{
	static const int64_t ids[] = { 65000, 65023, 65536, 100000, UINT32_MAX, INT64_C(1) << 33 };
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
		must_refuse(f,
			    (struct member[]){ { "home/me", .data = "x", .uid = ids[i] }, { 0 } },
			    ERR_INPUT, "member home/me: owner");
		must_refuse(f, (struct member[]){ { "home/d", AE_IFDIR, .gid = ids[i] }, { 0 } },
			    ERR_INPUT, "member home/d/: group");
		must_refuse(f,
			    (struct member[]){ { "l", AE_IFLNK, .link = "x", .uid = ids[i] },
					       { 0 } },
			    ERR_INPUT, "member l: owner");
	}
}

static void of_extended_attributes_only_harmless_ones_stay(void **state)
{
	/* revision 2, CAP_NET_BIND_SERVICE, permitted and effective: the bytes of setcap */
	static const char capability[20] = "\x01\x00\x00\x02\x00\x04";
	struct fixture *f = *state;
	struct archive_entry *e = archive_entry_new();
	struct tar tar;
	char value[64];

	tar_begin(&tar);
	archive_entry_set_pathname(e, "ping");
	archive_entry_set_filetype(e, AE_IFREG);
	archive_entry_set_perm(e, 0755);
	archive_entry_set_size(e, 0);
	archive_entry_xattr_add_entry(e, "security.capability", capability, sizeof(capability));
	archive_entry_xattr_add_entry(e, "user.mine", "1", 1);
	archive_entry_xattr_add_entry(e, "user.overlay.redirect", "/etc", 4);
	archive_entry_xattr_add_entry(e, "trusted.overlay.opaque", "y", 1);
	archive_entry_xattr_add_entry(e, "security.selinux", "x", 1);
	assert_int_equal(archive_write_header(tar.archive, e), ARCHIVE_OK);
	archive_entry_free(e);
	tar_put(&tar, (struct member){ "dir", AE_IFDIR, .xattr = "user.overlay.opaque",
				       .xattr_value = "y" });
	tar_end(&tar);
	assert_int_equal(unpack_bytes(f, tar.out.data, tar.out.len), 0);
	buf_fini(&tar.out);
	assert_int_equal(get_xattr(f, "ping", "user.mine", value, sizeof(value)), 1);
	assert_int_equal(get_xattr(f, "ping", "security.capability", value, sizeof(value)), 20);
	assert_int_equal(get_xattr(f, "ping", "user.overlay.redirect", value, sizeof(value)), -1);
	assert_int_equal(get_xattr(f, "ping", "trusted.overlay.opaque", value, sizeof(value)), -1);
	assert_false(is_opaque(f, "dir"));
	assert_int_equal(f->counts.xattrs_left_out, 4);
}

static void sparse_files_keep_their_size_and_holes(void **state)
{
	struct fixture *f = *state;
	struct archive_entry *e = archive_entry_new();
	int64_t size = INT64_C(8) * 1024 * 1024 * 1024;
	struct stat st;
	struct tar tar;

	tar_begin(&tar);
	archive_entry_set_pathname(e, "sparse");
	archive_entry_set_filetype(e, AE_IFREG);
	archive_entry_set_perm(e, 0644);
	archive_entry_set_size(e, size);
	archive_entry_sparse_add_entry(e, 4096, 4);
	assert_int_equal(archive_write_header(tar.archive, e), ARCHIVE_OK);
	char zeros[4096] = "";
	assert_int_equal(archive_write_data(tar.archive, zeros, sizeof(zeros)), sizeof(zeros));
	assert_int_equal(archive_write_data(tar.archive, "data", 4), 4);
	archive_write_finish_entry(tar.archive);
	archive_entry_free(e);
	tar_end(&tar);
	assert_true(tar.out.len < 64 * 1024);
	if (unpack_bytes(f, tar.out.data, tar.out.len) < 0)
		fail_msg("%s", f->err.msg);
	buf_fini(&tar.out);
	st = stat_of(f, "sparse");
	assert_int_equal(st.st_size, size);
	assert_true(st.st_blocks < 1000);
	int fd = openat(f->root, "sparse", O_RDONLY);
	char found[5] = "";
	assert_int_equal(pread(fd, found, 4, 4096), 4);
	assert_string_equal(found, "data");
	close(fd);
}

static void limits_hold(void **state)
{
	struct fixture *f = *state;
	char name[LAYER_NAME_MAX_BYTES + 200];
	char out[LAYER_NAME_MAX_BYTES + 1];
	struct err err;

	f->options.max_entries = 3;
	must_refuse(f, (struct member[]){ { "a/b/c/d", .data = "x" }, { 0 } }, ERR_LIMIT,
		    "more than 3 files");
	f->options.max_entries = 1000;
	for (size_t i = 0; i < LAYER_MAX_DEPTH + 1; i++)
		memcpy(name + 2 * i, "d/", 2);
	name[2 * (LAYER_MAX_DEPTH + 1)] = '\0';
	assert_int_equal(layer_clean_name(name, out, &err), -1);
	assert_says(&err, ERR_LIMIT, "too long or too deep");
	name[2 * LAYER_MAX_DEPTH] = '\0';
	assert_int_equal(layer_clean_name(name, out, &err), 0);
	memset(name, 'x', 256);
	name[256] = '\0';
	assert_int_equal(layer_clean_name(name, out, &err), -1);
	for (size_t i = 0; i < sizeof(name) / 100; i++) {
		memset(name + 100 * i, 'x', 99);
		name[100 * i + 99] = '/';
	}
	name[4200] = '\0';
	assert_int_equal(layer_clean_name(name, out, &err), -1);
	name[4000] = '\0';
	assert_int_equal(layer_clean_name(name, out, &err), 0);
	assert_int_equal(strlen(out), 3999);
}

static void the_root_can_only_be_a_folder(void **state)
{
	struct fixture *f = *state;

	must_refuse(f, (struct member[]){ { "./", AE_IFLNK, .link = "/etc" }, { 0 } }, ERR_INPUT,
		    "only be a folder");
	must_refuse(f, (struct member[]){ { "/", .hardlink = "x" }, { 0 } }, ERR_INPUT,
		    "only be a folder");
}

static void damaged_streams_are_refused(void **state)
{
	struct fixture *f = *state;
	char zeros[1024] = "", garbage[2048];
	struct tar tar;

	tar_of(&tar, (struct member[]){
			     { "a", .data = "some data here" }, { "b", .data = "more" }, { 0 } });
	assert_int_equal(unpack_bytes(f, tar.out.data, 700), -1);
	assert_int_equal(f->err.code, ERR_INTEGRITY);
	tar.out.data[0] ^= 1; /* breaks the header's check sum */
	assert_int_equal(unpack_bytes(f, tar.out.data, tar.out.len), -1);
	assert_says(&f->err, ERR_INTEGRITY, "not a sound tar archive");
	buf_fini(&tar.out);
	memset(garbage, 'g', sizeof(garbage));
	assert_int_equal(unpack_bytes(f, garbage, sizeof(garbage)), -1);
	assert_says(&f->err, ERR_INTEGRITY, "not a sound tar archive");
	/* layers without members exist: two blocks of zeros, or nothing */
	assert_int_equal(unpack_bytes(f, zeros, sizeof(zeros)), 0);
	assert_int_equal(unpack_bytes(f, "", 0), 0);
}

static void the_digest_covers_what_follows_the_end_mark(void **state)
{
	struct fixture *f = *state;
	char found[DIGEST_STR_LEN + 1], wanted[DIGEST_STR_LEN + 1];
	struct inflate *in;
	struct tar tar;
	int fd;

	tar_begin(&tar);
	tar_put(&tar, (struct member){ "a", .data = "x" });
	tar_end(&tar);
	for (int i = 0; i < 100; i++)
		buf_add(&tar.out, "padding after the end of the archive", 36);
	fd = fd_of(tar.out.data, tar.out.len);
	in = inflate_open(fd, TAR_MAX_BYTES, &f->err);
	assert_int_equal(layer_unpack(f->root, in, &f->options, &f->counts, &f->err), 0);
	inflate_digest(in, found);
	digest_of(tar.out.data, tar.out.len, wanted);
	assert_string_equal(found, wanted);
	inflate_close(in);
	close(fd);
	buf_fini(&tar.out);
}

static void a_bomb_inside_a_layer_stops_with_its_own_reason(void **state)
{
	struct fixture *f = *state;
	auto_buf packed = BUF_INIT(TAR_MAX_BYTES);
	char *big = malloc(1024 * 1024 + 1);
	struct inflate *in;
	struct tar tar;
	int fd;

	memset(big, 'a', 1024 * 1024);
	big[1024 * 1024] = '\0';
	tar_of(&tar, (struct member[]){ { "big", .data = big }, { 0 } });
	gzip_of(tar.out.data, tar.out.len, &packed);
	fd = fd_of(packed.data, packed.len);
	in = inflate_open(fd, 100 * 1024, &f->err);
	assert_int_equal(layer_unpack(f->root, in, &f->options, &f->counts, &f->err), -1);
	assert_says(&f->err, ERR_LIMIT, "unpacks to more than 102400 bytes");
	inflate_close(in);
	close(fd);
	buf_fini(&tar.out);
	free(big);
}

/* A volume is no layer: there is nothing below it that could be hidden. */
static void in_a_plain_tree_whiteouts_are_files(void **state)
{
	struct fixture *f = *state;
	const struct member members[] = {
		{ .name = "dir/", .type = AE_IFDIR, .mode = 0755 },
		{ .name = "dir/.wh.x", .type = AE_IFREG, .mode = 0644, .data = "a" },
		{ .name = "dir/.wh..wh..opq", .type = AE_IFREG, .mode = 0644, .data = "b" },
		{ .name = ".wh.d/file", .type = AE_IFREG, .mode = 0644, .data = "c" },
		{ .name = NULL },
	};
	struct stat st;
	char value[4];

	f->options.is_plain = true;
	assert_int_equal(unpack(f, members), 0);
	assert_int_equal(fstatat(f->root, "dir/.wh.x", &st, 0), 0);
	assert_true(S_ISREG(st.st_mode));
	assert_int_equal(fstatat(f->root, "dir/.wh..wh..opq", &st, 0), 0);
	assert_int_equal(fstatat(f->root, ".wh.d/file", &st, 0), 0);
	assert_int_equal(faccessat(f->root, "dir/x", F_OK, 0), -1);
	assert_int_equal(fgetxattr(f->root, "user.overlay.opaque", value, sizeof(value)), -1);
	assert_int_equal(f->counts.whiteouts, 0);
	assert_int_equal(f->counts.aufs_left_out, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(in_a_plain_tree_whiteouts_are_files, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(owners_modes_times_and_kinds_are_kept, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(absolute_and_dotted_names_are_relative_to_the_root,
						set_up, tear_down),
		cmocka_unit_test_setup_teardown(names_are_kept_byte_by_byte, set_up, tear_down),
		cmocka_unit_test_setup_teardown(names_in_pax_headers_are_kept_byte_by_byte_too,
						set_up, tear_down),
		cmocka_unit_test_setup_teardown(dot_dot_is_refused_everywhere, set_up, tear_down),
		cmocka_unit_test_setup_teardown(links_as_parents_stay_inside, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_parent_that_is_no_folder_is_an_error, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(the_last_part_of_a_name_is_never_followed, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(the_last_of_two_members_wins, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			a_replaced_name_means_the_new_thing_for_later_members, set_up, tear_down),
		cmocka_unit_test_setup_teardown(hard_links_need_a_member_of_the_same_layer, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(whiteouts_become_what_overlayfs_reads, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(a_whiteout_spares_its_own_layer, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			whiteouts_of_nothing_and_of_folders_in_between_are_refused, set_up,
			tear_down),
		cmocka_unit_test_setup_teardown(
			devices_are_left_out_also_one_that_looks_like_a_whiteout, set_up,
			tear_down),
		cmocka_unit_test_setup_teardown(ids_without_a_place_in_the_map_are_refused_by_name,
						set_up, tear_down),
		cmocka_unit_test_setup_teardown(of_extended_attributes_only_harmless_ones_stay,
						set_up, tear_down),
		cmocka_unit_test_setup_teardown(sparse_files_keep_their_size_and_holes, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(limits_hold, set_up, tear_down),
		cmocka_unit_test_setup_teardown(the_root_can_only_be_a_folder, set_up, tear_down),
		cmocka_unit_test_setup_teardown(damaged_streams_are_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(the_digest_covers_what_follows_the_end_mark, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(a_bomb_inside_a_layer_stops_with_its_own_reason,
						set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
