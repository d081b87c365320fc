/* SPDX-License-Identifier: Apache-2.0 */
/* A tree into an archive and back: what comes out is what went in, in the container's own numbers. */
#include "image_test.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <sys/xattr.h>

#include "image/tree.h"
#include "util/ids.h"

struct fixture {
	struct scratch outer;
	int root, archive;
	struct tree_counts counts;
	struct err err;
};

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	scratch_open(&f->outer);
	assert_int_equal(mkdirat(f->outer.fd, "root", 0755), 0);
	f->root = openat(f->outer.fd, "root", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	f->archive = memfd_create("archive", MFD_CLOEXEC);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	close(f->root);
	close(f->archive);
	scratch_close(&f->outer);
	free(f);
	return 0;
}

static void put(struct fixture *f, const char *name, const char *text, uid_t owner)
{
	int fd = openat(f->root, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0640);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	assert_int_equal(fchown(fd, owner, owner), 0);
	close(fd);
}

static void pack(struct fixture *f)
{
	if (tree_pack(f->root, f->archive, &f->counts, &f->err) < 0)
		fail_msg("%s", f->err.msg);
	assert_int_equal(lseek(f->archive, 0, SEEK_SET), 0);
}

/* The named member of the archive, NULL; the caller frees *archive. */
static struct archive_entry *member_of(struct fixture *f, const char *name,
				       struct archive **archive)
{
	struct archive_entry *entry;

	*archive = archive_read_new();
	archive_read_support_format_tar(*archive);
	assert_int_equal(lseek(f->archive, 0, SEEK_SET), 0);
	assert_int_equal(archive_read_open_fd(*archive, f->archive, 4096), ARCHIVE_OK);
	while (archive_read_next_header(*archive, &entry) == ARCHIVE_OK)
		if (strcmp(archive_entry_pathname(entry), name) == 0)
			return entry;
	return NULL;
}

static void need_root(void)
{
	if (geteuid() != 0) /* owners are set */
		skip();
}

static void numbers_are_the_containers(void **state)
{
	struct fixture *f = *state;
	struct archive_entry *entry;
	struct archive *archive;

	need_root();
	put(f, "roots", "x", IDS_ROOT);
	put(f, "users", "x", 1001);
	put(f, "appliances", "x", 0);
	assert_int_equal(mkdirat(f->root, "folder", 0755), 0);
	put(f, "folder/users", "x", 1001);
	assert_int_equal(fchown(f->root, IDS_ROOT, 7), 0);
	pack(f);
	entry = member_of(f, "roots", &archive);
	assert_non_null(entry);
	assert_int_equal(archive_entry_uid(entry), 0);
	archive_read_free(archive);
	entry = member_of(f, "users", &archive);
	assert_int_equal(archive_entry_uid(entry), 1001);
	archive_read_free(archive);
	entry = member_of(f, "./", &archive);
	assert_non_null(entry);
	assert_int_equal(archive_entry_gid(entry), 7);
	archive_read_free(archive);
	/* Root of the appliance is nobody in a container. */
	assert_null(member_of(f, "appliances", &archive));
	archive_read_free(archive);
	/* That is no reason to lose what is a user's. */
	assert_null(member_of(f, "folder/", &archive));
	archive_read_free(archive);
	assert_non_null(member_of(f, "folder/users", &archive));
	archive_read_free(archive);
	assert_int_equal(f->counts.entries, 4);
	assert_int_equal(f->counts.foreign_left_out, 2);
	assert_string_equal(f->counts.foreign, "appliances (0:0)");
}

static void what_is_no_content_is_left_out_and_counted(void **state)
{
	struct fixture *f = *state;
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	need_root();
	assert_int_equal(fchown(f->root, IDS_ROOT, IDS_ROOT), 0);
	snprintf(address.sun_path, sizeof(address.sun_path), "%s/root/socket", f->outer.path);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	close(fd);
	assert_int_equal(mknodat(f->root, "device", S_IFCHR | 0600, 0), 0);
	assert_int_equal(mknodat(f->root, "pipe", S_IFIFO | 0600, 0), 0);
	assert_int_equal(fchownat(f->root, "pipe", 5, 5, 0), 0);
	pack(f); /* a FIFO is not opened: nobody writes to it */
	assert_int_equal(f->counts.sockets_left_out, 1);
	assert_int_equal(f->counts.devices_left_out, 1);
	assert_int_equal(f->counts.entries, 2);
}

static void links_are_kept_and_not_followed(void **state)
{
	struct fixture *f = *state;
	struct archive_entry *entry;
	struct archive *archive;

	need_root();
	put(f, "file", "text", 5);
	assert_int_equal(linkat(f->root, "file", f->root, "same", 0), 0);
	assert_int_equal(symlinkat("/etc", f->root, "out"), 0);
	assert_int_equal(fchownat(f->root, "out", 5, 5, AT_SYMLINK_NOFOLLOW), 0);
	pack(f);
	entry = member_of(f, "same", &archive);
	assert_non_null(entry);
	assert_string_equal(archive_entry_hardlink(entry), "file");
	archive_read_free(archive);
	entry = member_of(f, "out", &archive);
	assert_string_equal(archive_entry_symlink(entry), "/etc");
	archive_read_free(archive);
	assert_null(member_of(f, "out/passwd", &archive));
	archive_read_free(archive);
}

static void attributes_of_the_user_are_kept(void **state)
{
	struct fixture *f = *state;
	struct archive_entry *entry;
	struct archive *archive;
	const char *name;
	const void *value;
	size_t size;
	char path[128];

	need_root();
	put(f, "file", "text", 5);
	snprintf(path, sizeof(path), "%s/root/file", f->outer.path);
	assert_int_equal(setxattr(path, "user.color", "blue", 4, 0), 0);
	assert_int_equal(setxattr(path, "user.overlay.opaque", "y", 1, 0), 0);
	assert_int_equal(setxattr(path, "trusted.secret", "y", 1, 0), 0);
	pack(f);
	entry = member_of(f, "file", &archive);
	assert_non_null(entry);
	/* In libarchive's form and in star's, which others read. */
	assert_int_equal(archive_entry_xattr_reset(entry), 2);
	while (archive_entry_xattr_next(entry, &name, &value, &size) == ARCHIVE_OK) {
		assert_string_equal(name, "user.color");
		assert_memory_equal(value, "blue", 4);
	}
	archive_read_free(archive);
}

static void holes_take_no_room(void **state)
{
	struct fixture *f = *state;
	struct stat st;
	int fd;

	need_root();
	put(f, "sparse", "begin", 5);
	fd = openat(f->root, "sparse", O_WRONLY | O_CLOEXEC);
	assert_int_equal(ftruncate(fd, 64 << 20), 0);
	close(fd);
	pack(f);
	assert_int_equal(fstat(f->archive, &st), 0);
	assert_true(st.st_size < 1 << 20);
}

static void a_full_disk_is_an_error(void **state)
{
	struct fixture *f = *state;
	int full = open("/dev/full", O_WRONLY | O_CLOEXEC);

	need_root();
	put(f, "file", "text", 5);
	assert_int_equal(tree_pack(f->root, full, &f->counts, &f->err), -1);
	assert_non_null(strstr(f->err.msg, "No space left on device"));
	close(full);
}

static void errors_name_the_path(void **state)
{
	struct fixture *f = *state;
	int dir = openat(f->root, ".", O_PATH | O_DIRECTORY | O_CLOEXEC);

	need_root();
	for (int i = 0; i < 520; i++) {
		int next;

		assert_int_equal(mkdirat(dir, "d", 0700), 0);
		next = openat(dir, "d", O_PATH | O_DIRECTORY | O_CLOEXEC);
		close(dir);
		dir = next;
	}
	close(dir);
	assert_int_equal(tree_pack(f->root, f->archive, &f->counts, &f->err), -1);
	assert_int_equal(f->err.code, ERR_LIMIT);
	assert_true(strncmp(f->err.msg, "d/d/d/", 6) == 0);
	assert_non_null(strstr(f->err.msg, "nested deeper than 512"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(numbers_are_the_containers, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_is_no_content_is_left_out_and_counted, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(links_are_kept_and_not_followed, set_up, tear_down),
		cmocka_unit_test_setup_teardown(attributes_of_the_user_are_kept, set_up, tear_down),
		cmocka_unit_test_setup_teardown(holes_take_no_room, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_full_disk_is_an_error, set_up, tear_down),
		cmocka_unit_test_setup_teardown(errors_name_the_path, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
