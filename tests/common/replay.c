// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a disk has after a power cut: replay LOG MARK DISK
 *
 * LOG is that of the device-mapper target log-writes, which has writes in it as they
 * become durable.  Those up to the mark go to DISK, which must be empty.
 */
#include "wttest.h"

#include <endian.h>

#define LOG_MAGIC 0x6a736677736872ULL
#define LOG_DISCARD (1 << 2)
#define LOG_MARK (1 << 3)

struct log_super {
	uint64_t magic;
	uint64_t version;
	uint64_t nr_entries;
	uint32_t sector_size;
} __attribute__((packed));

struct log_entry {
	uint64_t sector;
	uint64_t nr_sectors;
	uint64_t flags;
	uint64_t data_len;
};

static int log_fd;

static void get(void *buf, size_t len, off_t pos)
{
	want(pread(log_fd, buf, len, pos), (ssize_t)len);
}

int main(int argc, char **argv)
{
	struct log_super super;
	uint8_t *data = NULL;
	uint64_t bs;
	off_t pos;
	int disk;

	if (argc != 4)
		fail("usage: replay LOG MARK DISK");
	log_fd = must(open(argv[1], O_RDONLY));
	disk = must(open(argv[3], O_WRONLY));
	get(&super, sizeof(super), 0);
	if (le64toh(super.magic) != LOG_MAGIC)
		fail("%s has no log", argv[1]);
	bs = le32toh(super.sector_size);
	pos = bs;
	for (uint64_t i = 0; i < le64toh(super.nr_entries); i++) {
		struct log_entry e;
		char mark[256] = "";
		uint64_t len;

		get(&e, sizeof(e), pos);
		len = le64toh(e.nr_sectors) * bs;
		if (le64toh(e.flags) & LOG_MARK) {
			if (le64toh(e.data_len) >= sizeof(mark))
				fail("a mark of %llu bytes",
				     (unsigned long long)le64toh(e.data_len));
			get(mark, le64toh(e.data_len), pos + sizeof(e));
			if (!strcmp(mark, argv[2])) {
				must(fsync(disk));
				return 0;
			}
		}
		pos += bs;
		if ((le64toh(e.flags) & LOG_DISCARD) || !len)
			continue;
		data = realloc(data, len);
		if (!data)
			fail("no memory");
		get(data, len, pos);
		want(pwrite(disk, data, len, le64toh(e.sector) * bs),
		     (ssize_t)len);
		pos += len;
	}
	fail("no mark %s", argv[2]);
}
