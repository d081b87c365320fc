/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Growing the last partition of a GPT. Linux reads the copy at the disk's end only when its command line says "gpt" (block/partitions/efi.c), so
 * the table at the beginning has to be valid at every moment: its header, one block, changes between entries that are on the disk already. Must
 * never touch a table whose checksums are wrong, nor another partition.
 */
#include "boot/gpt.h"

#include <string.h>
#include <unistd.h>

#include "util/bytes.h"

#define SIGNATURE "EFI PART"
#define HEADER_BYTES 92
#define ENTRY_BYTES 128
#define MAX_BLOCK_BYTES 4096u
#define ALIGN_BYTES (1024u * 1024u) /* of the new end, and what is worth growing for */
#define PROTECTIVE 0xee

/* Where the fields of the header and of an entry lie. */
enum {
	AT_HEADER_SIZE = 12,
	AT_HEADER_CRC = 16,
	AT_MY_LBA = 24,
	AT_ALTERNATE_LBA = 32,
	AT_FIRST_USABLE = 40,
	AT_LAST_USABLE = 48,
	AT_ENTRIES_LBA = 72,
	AT_ENTRY_COUNT = 80,
	AT_ENTRY_SIZE = 84,
	AT_ENTRIES_CRC = 88,
	AT_ENTRY_FIRST = 32,
	AT_ENTRY_LAST = 40,
	AT_MBR_TYPE = 446 + 4,
	AT_MBR_SIZE = 446 + 12,
};

struct table {
	int fd;
	unsigned block_bytes;
	uint64_t blocks;       /* of the disk */
	uint64_t table_blocks; /* of the entries */
	uint32_t count;
	unsigned char header[MAX_BLOCK_BYTES];
	unsigned char entries[GPT_MAX_TABLE_BYTES];
};

static uint32_t crc32_of(const unsigned char *data, size_t len)
{
	uint32_t crc = ~0u;

	for (size_t i = 0; i < len; i++) {
		crc ^= data[i];
		for (unsigned bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (0xedb88320u & (0u - (crc & 1)));
	}
	return ~crc;
}

static int read_at(const struct table *t, uint64_t lba, void *out, size_t len, struct err *err)
{
	ssize_t n = pread(t->fd, out, len, (off_t)(lba * t->block_bytes));

	if (n < 0)
		return err_sys(err, "read");
	return (size_t)n == len ? 0 : err_set(err, ERR_INTEGRITY, "the disk ends too early");
}

static int write_at(const struct table *t, uint64_t lba, const void *data, size_t len,
		    struct err *err)
{
	ssize_t n = pwrite(t->fd, data, len, (off_t)(lba * t->block_bytes));

	if (n < 0)
		return err_sys(err, "write");
	return (size_t)n == len ? 0 : err_set(err, ERR_SYS, "write: cut short");
}

static uint32_t header_crc(const unsigned char *header)
{
	unsigned char copy[HEADER_BYTES];

	memcpy(copy, header, sizeof(copy));
	put_le32(copy + AT_HEADER_CRC, 0);
	return crc32_of(copy, sizeof(copy));
}

static int read_header(struct table *t, struct err *err)
{
	const unsigned char *h = t->header;

	if (read_at(t, 1, t->header, t->block_bytes, err) < 0)
		return -1;
	if (memcmp(h, SIGNATURE, 8) != 0)
		return err_set(err, ERR_NOT_FOUND, "no GUID partition table");
	if (get_le32(h + AT_HEADER_SIZE) != HEADER_BYTES ||
	    get_le32(h + AT_HEADER_CRC) != header_crc(h) || get_le64(h + AT_MY_LBA) != 1)
		return err_set(err, ERR_INTEGRITY, "the header of the partition table is damaged");
	t->count = get_le32(h + AT_ENTRY_COUNT);
	if (get_le32(h + AT_ENTRY_SIZE) != ENTRY_BYTES || !t->count ||
	    t->count > GPT_MAX_TABLE_BYTES / ENTRY_BYTES || get_le64(h + AT_ENTRIES_LBA) < 2 ||
	    get_le64(h + AT_ENTRIES_LBA) >= t->blocks)
		return err_set(err, ERR_UNSUPPORTED,
			       "a partition table of %u entries of %u bytes at block %llu",
			       t->count, get_le32(h + AT_ENTRY_SIZE),
			       (unsigned long long)get_le64(h + AT_ENTRIES_LBA));
	t->table_blocks = (t->count * ENTRY_BYTES + t->block_bytes - 1) / t->block_bytes;
	return 0;
}

static int read_table(struct table *t, struct err *err)
{
	if (t->blocks < 128)
		return err_set(err, ERR_NOT_FOUND, "too small for a partition table");
	if (read_header(t, err) < 0 || read_at(t, get_le64(t->header + AT_ENTRIES_LBA), t->entries,
					       t->table_blocks * t->block_bytes, err) < 0)
		return -1;
	if (get_le32(t->header + AT_ENTRIES_CRC) != crc32_of(t->entries, t->count * ENTRY_BYTES))
		return err_set(err, ERR_INTEGRITY,
			       "the entries of the partition table are damaged");
	return 0;
}

static bool is_used(const unsigned char *entry)
{
	static const unsigned char none[16];

	return memcmp(entry, none, sizeof(none)) != 0;
}

/* First and last block lie within the disk, and nothing lies behind. */
static int find_last(struct table *t, unsigned number, unsigned char **out, struct err *err)
{
	unsigned char *entry = t->entries;
	uint64_t first, last;

	if (number && number <= t->count)
		entry += (size_t)(number - 1) * ENTRY_BYTES;
	if (!number || number > t->count || !is_used(entry))
		return err_set(err, ERR_NOT_FOUND, "the partition table has no partition %u",
			       number);
	first = get_le64(entry + AT_ENTRY_FIRST);
	last = get_le64(entry + AT_ENTRY_LAST);
	if (first < 2 || last < first || last >= t->blocks)
		return err_set(err, ERR_INTEGRITY, "partition %u lies outside the disk", number);
	*out = entry;
	for (uint32_t i = 0; i < t->count; i++) {
		const unsigned char *other = t->entries + (size_t)i * ENTRY_BYTES;

		if (other != entry && is_used(other) && get_le64(other + AT_ENTRY_LAST) >= first)
			return 0;
	}
	return 1;
}

/* The new last block of the last partition. The entries' copy and the header's lie behind it. */
static uint64_t new_end(const struct table *t)
{
	uint64_t align = ALIGN_BYTES / t->block_bytes;

	return (t->blocks - 1 - t->table_blocks) / align * align - 1;
}

/* The protective MBR spans the disk, as far as 32 bits reach; boot code in it is none of ours. */
static int write_protection(const struct table *t, struct err *err)
{
	uint64_t blocks = t->blocks - 1 > UINT32_MAX ? UINT32_MAX : t->blocks - 1;
	unsigned char mbr[MAX_BLOCK_BYTES];

	if (read_at(t, 0, mbr, t->block_bytes, err) < 0)
		return -1;
	if (mbr[AT_MBR_TYPE] != PROTECTIVE || get_le32(mbr + AT_MBR_SIZE) >= blocks)
		return 0;
	put_le32(mbr + AT_MBR_SIZE, (uint32_t)blocks);
	return write_at(t, 0, mbr, t->block_bytes, err);
}

static int write_synced(const struct table *t, uint64_t lba, const void *data, size_t len,
			struct err *err)
{
	if (write_at(t, lba, data, len, err) < 0)
		return -1;
	return fsync(t->fd) < 0 ? err_sys(err, "fsync") : 0;
}

/* Entries at the given block, then the header that names them. */
static int write_copy(const struct table *t, uint64_t mine, uint64_t other, uint64_t entries,
		      struct err *err)
{
	uint64_t end = t->blocks - 1, behind = entries + t->table_blocks;
	unsigned char header[MAX_BLOCK_BYTES];

	memcpy(header, t->header, t->block_bytes);
	put_le64(header + AT_MY_LBA, mine);
	put_le64(header + AT_ALTERNATE_LBA, other);
	if (mine == 1 && get_le64(header + AT_FIRST_USABLE) < behind)
		put_le64(header + AT_FIRST_USABLE, behind);
	put_le64(header + AT_LAST_USABLE, end - t->table_blocks - 1);
	put_le64(header + AT_ENTRIES_LBA, entries);
	put_le32(header + AT_ENTRIES_CRC, crc32_of(t->entries, t->count * ENTRY_BYTES));
	put_le32(header + AT_HEADER_CRC, header_crc(header));
	if (write_synced(t, entries, t->entries, t->table_blocks * t->block_bytes, err) < 0)
		return -1;
	return write_synced(t, mine, header, t->block_bytes, err);
}

/* Room for the entries behind those that the header names, before the first partition. 0: there is none. */
static uint64_t find_spare(const struct table *t)
{
	uint64_t spare = get_le64(t->header + AT_ENTRIES_LBA) + t->table_blocks;

	for (uint32_t i = 0; i < t->count; i++) {
		const unsigned char *entry = t->entries + (size_t)i * ENTRY_BYTES;

		if (is_used(entry) && get_le64(entry + AT_ENTRY_FIRST) < spare + t->table_blocks)
			return 0;
	}
	return spare;
}

static int write_table(const struct table *t, struct err *err)
{
	uint64_t end = t->blocks - 1, home = get_le64(t->header + AT_ENTRIES_LBA);
	uint64_t spare = find_spare(t);

	if (!spare)
		return err_set(err, ERR_UNSUPPORTED,
			       "no room for new entries between the partition table and the first "
			       "partition: a power cut while it changes could lose it");
	if (write_copy(t, end, 1, end - t->table_blocks, err) < 0 ||
	    write_copy(t, 1, end, spare, err) < 0 || write_copy(t, 1, end, home, err) < 0)
		return -1;
	return write_protection(t, err);
}

int gpt_grow(int fd, uint64_t disk_bytes, unsigned block_bytes, unsigned number,
	     struct gpt_partition *out, struct err *err)
{
	static struct table t; /* too large for the stack */
	unsigned char *entry = NULL;
	uint64_t first, end;
	int is_last;

	if (block_bytes != 512 && block_bytes != MAX_BLOCK_BYTES)
		return err_set(err, ERR_UNSUPPORTED, "blocks of %u bytes", block_bytes);
	t = (struct table){ .fd = fd,
			    .block_bytes = block_bytes,
			    .blocks = disk_bytes / block_bytes };
	if (read_table(&t, err) < 0 || (is_last = find_last(&t, number, &entry, err)) < 0)
		return -1;
	first = get_le64(entry + AT_ENTRY_FIRST);
	end = new_end(&t);
	*out = (struct gpt_partition){
		first * block_bytes, (get_le64(entry + AT_ENTRY_LAST) + 1 - first) * block_bytes
	};
	if (!is_last || end < get_le64(entry + AT_ENTRY_LAST) + ALIGN_BYTES / block_bytes)
		return 0;
	put_le64(entry + AT_ENTRY_LAST, end);
	if (write_table(&t, err) < 0)
		return -1;
	out->size_bytes = (end + 1 - first) * block_bytes;
	return 1;
}
