/* SPDX-License-Identifier: Apache-2.0 */
/* Partition tables that grow, and those that are left alone. Checksums by zlib, not by the code under test. */
#include "unit_test.h"

#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <zlib.h>

#include "boot/gpt.h"

#define MIB (1024u * 1024u)
#define OLD_MIB 8u
#define NEW_MIB 16u
#define ENTRIES 128u

static int fd = -1;
static unsigned block;
static unsigned char entries[ENTRIES * 128], header[4096];

/* What is written between two calls of fsync may come to lie on the disk in any order, block by block, or not at all. */
#define MAX_WRITES 32

static struct write {
	off_t at;
	size_t len;
	unsigned epoch;
	unsigned char *data;
} writes[MAX_WRITES];
static unsigned write_count, epoch;
static bool is_recording;

ssize_t pwrite(int to, const void *data, size_t len, off_t at)
{
	if (is_recording) {
		assert_true(write_count < MAX_WRITES);
		writes[write_count] = (struct write){ at, len, epoch, malloc(len) };
		memcpy(writes[write_count++].data, data, len);
	}
	return syscall(SYS_pwrite64, to, data, len, at);
}

int fsync(int of)
{
	epoch++;
	return (int)syscall(SYS_fsync, of);
}

static void put(unsigned char *at, uint64_t value, unsigned bytes)
{
	for (unsigned i = 0; i < bytes; i++)
		at[i] = (unsigned char)(value >> (8 * i));
}

static uint64_t get(const unsigned char *at, unsigned bytes)
{
	uint64_t value = 0;

	for (unsigned i = bytes; i > 0; i--)
		value = value << 8 | at[i - 1];
	return value;
}

static uint32_t crc(const void *data, size_t len)
{
	return (uint32_t)crc32(0, data, (uInt)len);
}

static void put_entry(unsigned number, uint64_t first, uint64_t last)
{
	unsigned char *e = entries + (size_t)(number - 1) * 128;

	memset(e, (int)number, 32);
	put(e + 32, first, 8);
	put(e + 40, last, 8);
}

static void write_header(uint64_t mine, uint64_t other, uint64_t table, uint64_t blocks)
{
	memset(header, 0, sizeof(header));
	memcpy(header, "EFI PART", 8);
	put(header + 8, 0x10000, 4);
	put(header + 12, 92, 4);
	put(header + 24, mine, 8);
	put(header + 32, other, 8);
	put(header + 40, 34, 8);
	put(header + 48, blocks - 1 - sizeof(entries) / block - 1, 8);
	put(header + 72, table, 8);
	put(header + 80, ENTRIES, 4);
	put(header + 84, 128, 4);
	put(header + 88, crc(entries, sizeof(entries)), 4);
	put(header + 16, crc(header, 92), 4);
	assert_int_equal(pwrite(fd, entries, sizeof(entries), (off_t)(table * block)),
			 sizeof(entries));
	assert_int_equal(pwrite(fd, header, block, (off_t)(mine * block)), block);
}

/* Three partitions of 1, 1 and 3 MiB; the disk was 8 MiB once. */
static void make_disk(unsigned block_bytes)
{
	uint64_t per = MIB / block_bytes, blocks = OLD_MIB * per;
	unsigned char mbr[512] = { [450] = 0xee, [446 + 8] = 1, [510] = 0x55, [511] = 0xaa };

	block = block_bytes;
	memset(entries, 0, sizeof(entries));
	put_entry(1, per, 2 * per - 1);
	put_entry(2, 2 * per, 3 * per - 1);
	put_entry(3, 3 * per, 6 * per - 1);
	put(mbr + 446 + 12, blocks - 1, 4);
	assert_int_equal(ftruncate(fd, 0), 0);
	assert_int_equal(ftruncate(fd, NEW_MIB * MIB), 0);
	assert_int_equal(pwrite(fd, mbr, sizeof(mbr), 0), sizeof(mbr));
	write_header(blocks - 1, 1, blocks - 1 - sizeof(entries) / block, blocks);
	write_header(1, blocks - 1, 2, blocks);
}

static int open_disk(void **state)
{
	(void)state;
	fd = memfd_create("disk", MFD_CLOEXEC);
	return fd < 0 ? -1 : 0;
}

static int close_disk(void **state)
{
	(void)state;
	return close(fd);
}

static uint32_t sum_of_disk(void)
{
	unsigned char *map = mmap(NULL, NEW_MIB * MIB, PROT_READ, MAP_SHARED, fd, 0);
	uint32_t sum;

	assert_ptr_not_equal(map, MAP_FAILED);
	sum = crc(map, NEW_MIB * MIB);
	munmap(map, NEW_MIB * MIB);
	return sum;
}

static void expect_copy(uint64_t mine, uint64_t other, uint64_t table, uint64_t last)
{
	unsigned char h[4096], e[sizeof(entries)];
	uint32_t sum;

	assert_int_equal(pread(fd, h, block, (off_t)(mine * block)), block);
	assert_int_equal(pread(fd, e, sizeof(e), (off_t)(table * block)), sizeof(e));
	assert_memory_equal(h, "EFI PART", 8);
	assert_int_equal(get(h + 24, 8), mine);
	assert_int_equal(get(h + 32, 8), other);
	assert_int_equal(get(h + 72, 8), table);
	assert_int_equal(get(h + 88, 4), crc(e, sizeof(e)));
	sum = (uint32_t)get(h + 16, 4);
	put(h + 16, 0, 4);
	assert_int_equal(sum, crc(h, 92));
	assert_int_equal(get(e + 2 * 128 + 40, 8), last);
	assert_true(last <= get(h + 48, 8));
	assert_memory_equal(e, entries, 2 * 128); /* the others are as they were */
}

static void the_last_partition_grows(void **state)
{
	const unsigned sizes[] = { 512, 4096 };
	struct gpt_partition part;
	struct err err;

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		uint64_t blocks, last;
		unsigned char mbr[512];

		make_disk(sizes[i]);
		blocks = NEW_MIB * MIB / block;
		last = (NEW_MIB - 1) * (uint64_t)MIB / block - 1;
		assert_int_equal(gpt_grow(fd, NEW_MIB * MIB, block, 3, &part, &err), 1);
		assert_int_equal(part.start_bytes, 3 * MIB);
		assert_int_equal(part.size_bytes, (NEW_MIB - 1 - 3) * MIB);
		expect_copy(1, blocks - 1, 2, last);
		expect_copy(blocks - 1, 1, blocks - 1 - sizeof(entries) / block, last);
		assert_int_equal(pread(fd, mbr, sizeof(mbr), 0), sizeof(mbr));
		assert_int_equal(get(mbr + 446 + 12, 4), blocks - 1);
		/* and once is enough */
		uint32_t sum = sum_of_disk();

		assert_int_equal(gpt_grow(fd, NEW_MIB * MIB, block, 3, &part, &err), 0);
		assert_int_equal(part.size_bytes, (NEW_MIB - 1 - 3) * MIB);
		assert_int_equal(sum_of_disk(), sum);
	}
}

/* As Linux judges it (block/partitions/efi.c): the table at the beginning, or none. */
static void expect_valid_beginning(uint64_t old_last, uint64_t new_last)
{
	unsigned char h[4096], e[sizeof(entries)];
	uint64_t blocks = NEW_MIB * MIB / block, last, table;
	uint32_t sum;

	assert_int_equal(pread(fd, h, block, block), block);
	assert_memory_equal(h, "EFI PART", 8);
	sum = (uint32_t)get(h + 16, 4);
	put(h + 16, 0, 4);
	assert_int_equal(sum, crc(h, 92));
	assert_int_equal(get(h + 24, 8), 1);
	assert_true(get(h + 40, 8) <= get(h + 48, 8) && get(h + 48, 8) < blocks);
	table = get(h + 72, 8);
	assert_true(table + sizeof(e) / block <= get(h + 40, 8));
	assert_int_equal(pread(fd, e, sizeof(e), (off_t)(table * block)), sizeof(e));
	assert_int_equal(get(h + 88, 4), crc(e, sizeof(e)));
	assert_memory_equal(e, entries, 2 * 128);
	last = get(e + 2 * 128 + 40, 8);
	assert_true(last == old_last || last == new_last);
	assert_true(get(h + 40, 8) <= get(e + 32, 8) && last <= get(h + 48, 8));
}

/* All epochs before this one, of it the blocks from..to, or all but those. */
static void write_until(unsigned last_epoch, size_t from, size_t to, bool is_inverse)
{
	size_t index = 0;

	for (unsigned i = 0; i < write_count && writes[i].epoch <= last_epoch; i++)
		for (size_t at = 0; at < writes[i].len; at += block) {
			bool is_cut = writes[i].epoch == last_epoch;
			bool is_in = index >= from && index < to;

			index += is_cut;
			if (is_cut && is_in == is_inverse)
				continue;
			assert_int_equal(pwrite(fd, writes[i].data + at, block,
						writes[i].at + (off_t)at),
					 block);
		}
}

static void expect_valid_after(unsigned last_epoch, size_t from, size_t to, bool is_inverse)
{
	uint64_t per = MIB / block, last = (NEW_MIB - 1) * per - 1;
	struct gpt_partition part;
	struct err err;

	make_disk(block);
	write_until(last_epoch, from, to, is_inverse);
	expect_valid_beginning(6 * per - 1, last);
	if (from)
		return;
	/* and the next boot has what it wants */
	if (gpt_grow(fd, NEW_MIB * MIB, block, 3, &part, &err) < 0)
		fail_msg("%s", err.msg);
	assert_int_equal(part.size_bytes, (NEW_MIB - 1 - 3) * MIB);
	expect_valid_beginning(last, last);
}

static void cut_at(unsigned of_epoch, size_t b)
{
	expect_valid_after(of_epoch, 0, b, false);
	expect_valid_after(of_epoch, b, b + 1, false);
	expect_valid_after(of_epoch, b, b + 1, true);
}

/* At the first two blocks of each write and its last: what changes in a set of entries lies in its first. */
static void cut_epoch(unsigned of_epoch)
{
	size_t first = 0;

	for (unsigned i = 0; i < write_count; i++) {
		size_t count = writes[i].len / block;

		if (writes[i].epoch != of_epoch)
			continue;
		for (size_t b = 0; b < count; b += b < 1 || b + 1 == count ? 1 : count - b - 1)
			cut_at(of_epoch, first + b);
		first += count;
	}
	cut_at(of_epoch, first);
}

static void a_power_cut_at_any_write_leaves_a_valid_table(void **state)
{
	const unsigned sizes[] = { 512, 4096 };
	struct gpt_partition part;
	struct err err;

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		make_disk(sizes[i]);
		write_count = epoch = 0;
		is_recording = true;
		assert_int_equal(gpt_grow(fd, NEW_MIB * MIB, block, 3, &part, &err), 1);
		is_recording = false;
		for (unsigned e = 0, last = writes[write_count - 1].epoch; e <= last; e++)
			cut_epoch(e);
		while (write_count)
			free(writes[--write_count].data);
	}
}

static void without_room_for_new_entries_nothing_is_written(void **state)
{
	uint64_t blocks = OLD_MIB * MIB / 512;
	struct gpt_partition part;
	struct err err;
	uint32_t sum;

	(void)state;
	make_disk(512);
	put_entry(1, 65, 2 * MIB / 512 - 1);
	write_header(1, blocks - 1, 2, blocks);
	sum = sum_of_disk();
	assert_int_equal(gpt_grow(fd, NEW_MIB * MIB, 512, 3, &part, &err), -1);
	assert_non_null(strstr(err.msg, "no room for new entries"));
	assert_int_equal(sum_of_disk(), sum);
	put_entry(1, 66, 2 * MIB / 512 - 1);
	write_header(1, blocks - 1, 2, blocks);
	assert_int_equal(gpt_grow(fd, NEW_MIB * MIB, 512, 3, &part, &err), 1);
}

static void only_the_last_one_grows(void **state)
{
	struct gpt_partition part;
	struct err err;
	uint32_t sum;

	(void)state;
	make_disk(512);
	sum = sum_of_disk();
	assert_int_equal(gpt_grow(fd, NEW_MIB * MIB, block, 2, &part, &err), 0);
	assert_int_equal(part.size_bytes, MIB);
	assert_int_equal(sum_of_disk(), sum);
}

static void a_foreign_mbr_is_left_alone(void **state)
{
	unsigned char type = 0x83, mbr[512];
	struct gpt_partition part;
	struct err err;

	(void)state;
	make_disk(512);
	assert_int_equal(pwrite(fd, &type, 1, 450), 1);
	assert_int_equal(gpt_grow(fd, NEW_MIB * MIB, block, 3, &part, &err), 1);
	assert_int_equal(pread(fd, mbr, sizeof(mbr), 0), sizeof(mbr));
	assert_int_equal(get(mbr + 446 + 12, 4), OLD_MIB * MIB / 512 - 1);
}

/* at: of the disk; a table with that change is refused with these words, and nothing is written. */
static void refuse(uint64_t at, uint64_t value, unsigned bytes, bool with_sums, unsigned number,
		   const char *words)
{
	unsigned char change[8];
	struct gpt_partition part;
	struct err err;
	uint32_t sum;

	make_disk(512);
	put(change, value, 8);
	if (at >= 1024) {
		memcpy(entries + (at - 1024), change, bytes);
		write_header(1, OLD_MIB * MIB / 512 - 1, 2, OLD_MIB * MIB / 512);
	}
	if (at >= 512 && at < 1024)
		memcpy(header + (at - 512), change, bytes);
	if (with_sums) {
		put(header + 16, 0, 4);
		put(header + 16, crc(header, 92), 4);
	}
	assert_int_equal(pwrite(fd, header, block, block), block);
	sum = sum_of_disk();
	assert_int_equal(gpt_grow(fd, NEW_MIB * MIB, block, number, &part, &err), -1);
	if (!strstr(err.msg, words))
		fail_msg("\"%s\" is not in \"%s\"", words, err.msg);
	assert_int_equal(sum_of_disk(), sum);
}

static void damaged_and_odd_tables_are_refused(void **state)
{
	const uint64_t entry = 1024 + 2 * 128;

	(void)state;
	refuse(512, 'X', 1, true, 3, "no GUID partition table");
	refuse(512 + 40, 99, 8, false, 3, "header of the partition table is damaged");
	refuse(512 + 12, 512, 4, true, 3, "header of the partition table is damaged");
	refuse(512 + 24, 7, 8, true, 3, "header of the partition table is damaged");
	refuse(512 + 88, 7, 4, true, 3, "entries of the partition table are damaged");
	refuse(512 + 80, 0, 4, true, 3, "a partition table of 0 entries");
	refuse(512 + 80, 513, 4, true, 3, "a partition table of 513 entries");
	refuse(512 + 84, 256, 4, true, 3, "entries of 256 bytes");
	refuse(512 + 72, 1, 8, true, 3, "at block 1");
	refuse(512 + 72, UINT64_MAX, 8, true, 3, "at block 18446744073709551615");
	refuse(512 + 72, NEW_MIB * MIB / 512 - 1, 8, true, 3, "the disk ends too early");
	refuse(512, 'E', 1, true, 4, "no partition 4");
	refuse(512, 'E', 1, true, 0, "no partition 0");
	refuse(512, 'E', 1, true, 129, "no partition 129");
	refuse(entry + 40, NEW_MIB * MIB / 512, 8, true, 3, "partition 3 lies outside the disk");
	refuse(entry + 40, 1, 8, true, 3, "partition 3 lies outside the disk");
	refuse(entry + 32, UINT64_MAX, 8, true, 3, "partition 3 lies outside the disk");
	refuse(entry + 32, 0, 8, true, 3, "partition 3 lies outside the disk");
}

static void small_disks_and_odd_blocks_are_refused(void **state)
{
	struct gpt_partition part;
	struct err err;

	(void)state;
	make_disk(512);
	assert_int_equal(gpt_grow(fd, NEW_MIB * MIB, 1024, 3, &part, &err), -1);
	assert_int_equal(gpt_grow(fd, 127 * 512, 512, 3, &part, &err), -1);
	assert_string_equal(err.msg, "too small for a partition table");
	assert_int_equal(gpt_grow(-1, NEW_MIB * MIB, 512, 3, &part, &err), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(the_last_partition_grows, open_disk, close_disk),
		cmocka_unit_test_setup_teardown(a_power_cut_at_any_write_leaves_a_valid_table,
						open_disk, close_disk),
		cmocka_unit_test_setup_teardown(without_room_for_new_entries_nothing_is_written,
						open_disk, close_disk),
		cmocka_unit_test_setup_teardown(only_the_last_one_grows, open_disk, close_disk),
		cmocka_unit_test_setup_teardown(a_foreign_mbr_is_left_alone, open_disk, close_disk),
		cmocka_unit_test_setup_teardown(damaged_and_odd_tables_are_refused, open_disk,
						close_disk),
		cmocka_unit_test_setup_teardown(small_disks_and_odd_blocks_are_refused, open_disk,
						close_disk),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
