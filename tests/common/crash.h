/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A recording of what a disk was asked for, and of what programs were told meanwhile:
 * crash-disk and crash-load add to it, crash-states reads it.
 *
 * All of them map one file.  An event takes the next index by one atomic instruction, so
 * the indices are one order for all processes:
 *
 *	before a program's call			OP_START
 *	when the disk gets a request		DISK_WRITE, DISK_FLUSH
 *	before the disk answers it		DISK_DONE
 *	when the call has returned		OP_END
 */
#ifndef CRASH_H
#define CRASH_H

#include "wttest.h"

#include <stdbool.h>
#include <sys/mman.h>

#define CRASH_MAGIC 0x6372617368646b31ULL
#define CRASH_EVENTS (1 << 20)
#define CRASH_DATA (4ULL << 30)
/* What the disk has where nobody has written: what was there before the filesystem. */
#define CRASH_STALE 0xdb
#define CRASH_SECTOR 512
#define CRASH_FILES 64
/* For OP_SYNC: all files. */
#define CRASH_ALL 0xffff

enum crash_what { DISK_WRITE = 1, DISK_FLUSH, DISK_DONE, OP_START, OP_END };

enum crash_op {
	/* The recording proper: no crash before it has ended. */
	OP_BEGIN = 1,
	/* [pos, pos + len) has wt_pattern(pos, seed); durable at its end if it says so. */
	OP_WRITE,
	/* The same for zeroes, of which the end of the file keeps clear. */
	OP_ZERO,
	/* The size is len. */
	OP_TRUNCATE,
	/* The size is len or more. */
	OP_EXTEND,
	/* What had ended before it is durable at its end. */
	OP_SYNC,
	/* Of a database: seed is the number of the transaction. */
	OP_COMMIT,
};

struct crash_event {
	uint8_t what;
	/* OP_*: which, and does its end mean that it is durable */
	uint8_t op;
	uint8_t durable;
	/* DISK_WRITE */
	uint8_t fua;
	uint16_t file;
	/* START and END, or a request and its DONE, have the same number. */
	uint32_t nr;
	uint64_t pos, len;
	uint64_t seed;
	/* Of a DISK_WRITE: where in the data; none if all is zero. */
	uint64_t data;
};
#define CRASH_ZEROES (~0ULL)

struct crash_log {
	uint64_t magic;
	uint64_t disk_bytes;
	/* Of the disk: the size of its blocks, which it never tears. */
	uint32_t block;
	uint32_t cache, fua;
	uint32_t nr;
	uint32_t nr_ops;
	uint64_t data_bytes;
	char path[CRASH_FILES][32];
	/* The file that it shares blocks with, + 1 */
	uint16_t twin[CRASH_FILES];
	struct crash_event events[CRASH_EVENTS];
};

/* The data begins at a page. */
#define CRASH_HEAD ((sizeof(struct crash_log) + 4095) & ~4095ULL)

static inline struct crash_log *crash_map(const char *path, bool create)
{
	int fd = must(
		open(path, create ? O_RDWR | O_CREAT | O_TRUNC : O_RDWR, 0600));
	struct crash_log *log;

	if (create)
		must(ftruncate(fd, CRASH_HEAD + CRASH_DATA));
	log = mmap(NULL, CRASH_HEAD + CRASH_DATA, PROT_READ | PROT_WRITE,
		   MAP_SHARED, fd, 0);
	if (log == MAP_FAILED)
		fail("%s: mmap: %s", path, strerrorname_np(errno));
	close(fd);
	if (create)
		log->magic = CRASH_MAGIC;
	if (log->magic != CRASH_MAGIC)
		fail("%s has no recording", path);
	return log;
}

static inline uint8_t *crash_data(struct crash_log *log)
{
	return (uint8_t *)log + CRASH_HEAD;
}

static inline void crash_add(struct crash_log *log,
			     const struct crash_event *event)
{
	uint32_t i = __atomic_fetch_add(&log->nr, 1, __ATOMIC_SEQ_CST);

	if (i >= CRASH_EVENTS)
		fail("the recording is full");
	log->events[i] = *event;
	/* What follows in the program also does so in the order of indices. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

/* xorshift64*, for choices that a number brings back */
static inline uint64_t crash_random(uint64_t *state)
{
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return *state * 0x2545f4914f6cdd1dULL >> 16;
}

static inline uint64_t crash_below(uint64_t *state, uint64_t n)
{
	return n ? crash_random(state) % n : 0;
}

/* Never 0, and near numbers become far ones. */
static inline uint64_t crash_seed(uint64_t a, uint64_t b)
{
	uint64_t x = (a + 0x9e3779b97f4a7c15ULL) * 0xbf58476d1ce4e5b9ULL ^ b;

	x = (x ^ (x >> 30)) * 0x94d049bb133111ebULL;
	x ^= x >> 31;
	return x ? x : 1;
}

#endif
