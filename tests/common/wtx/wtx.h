/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * wtx: random operations on files, compared with a model of them in memory.
 *
 *   script.c    an operation is a line of text: its words, and how lines are made up
 *   run.c       does operations, on two files and on the model
 *   main.c      sequences in processes of their own; reduces one that fails
 *   parallel.c  threads on one file, and what each byte may be
 */
#ifndef WTX_H
#define WTX_H

#include "../async.h"

enum kind {
	WRITE,
	REAP,
	READ,
	STORE,
	TAIL,
	MSYNC,
	TRUNCATE,
	ALLOC,
	ALLOC_KEEP,
	PUNCH,
	ZERO,
	ZERO_KEEP,
	COLLAPSE,
	INSERT,
	UNSHARE,
	CLONE,
	DEDUPE,
	EXCHANGE,
	COPY,
	SENDFILE,
	SPLICE_IN,
	SPLICE_OUT,
	READAHEAD,
	DONTNEED,
	DROP,
	FSYNC,
	FDATASYNC,
	SYNC_RANGE,
	SYNCFS,
	FREEZE,
	COWEXTSIZE,
	SYNC_ON,
	SYNC_OFF,
	REOPEN,
	COLD,
	REMOUNT,
	CHECK,
	NR_KINDS,
};

/* Words behind the numbers of a line. */
enum {
	WT = 1 << 0,
	DSYNC = 1 << 1,
	SYNC = 1 << 2,
	NOWAIT = 1 << 3,
	APPEND = 1 << 4,
	NOAPPEND = 1 << 5,
	/* by a descriptor that has it */
	DIRECT = 1 << 6,
	O_DSYNC_FD = 1 << 7,
	O_APPEND_FD = 1 << 8,
	/* as a request, reaped later */
	AIO = 1 << 9,
	URING = 1 << 10,
	WORKER = 1 << 11,
	/* the buffer: in odd segments, its second half is not there, is the file itself */
	VECTOR = 1 << 12,
	TORN = 1 << 13,
	SELF = 1 << 14,
	/* as TORN, but not where a page of the file begins: for scripts, see script.c */
	TORN_INSIDE = 1 << 15,
	/* how what was touched is compared afterwards */
	BY_READ = 1 << 16,
	BY_LOAD = 1 << 17,
	BY_DIRECT = 1 << 18,
	NR_WORDS = 19,
};

struct op {
	uint8_t kind;
	uint8_t file;
	uint8_t file2;
	uint32_t words;
	int64_t pos;
	int64_t len;
	int64_t pos2;
};

/* What there is to know of the filesystem; its mode may be changed between sequences. */
struct setting {
	const char *dir;
	int64_t max_len;
	size_t page;
	size_t block;
	/* what collapsing and inserting are aligned to */
	size_t unit;
	/* what direct I/O is aligned to */
	size_t sector;
	bool off;
	bool always;
	bool dax;
};

extern struct setting fs;

/* What a process that runs operations tells its parent, while it does. */
struct progress {
	/* the operation under way, or that has failed */
	volatile int at;
	volatile int nr_ops;
	char why[512];
	struct op ops[];
};

/* --- script.c --- */
void script_print(FILE *to, const struct op *op);
/* false: an empty line or a comment; a line that is wrong ends the program */
bool script_parse(char *line, struct op *op);
uint64_t script_random(uint64_t n);
void script_seed(uint64_t seed);
void script_next(struct op *op, int64_t size, int64_t size2);

/* --- run.c --- */
void setting_read(const char *dir);
/*
 * Replays @p's operations, or with @make invents so many, on fresh files with content
 * that no run before has had.  Returns if all is as it should be.
 */
void run(struct progress *p, int make, uint64_t salt);

/* --- parallel.c --- */
enum { STRIPES, OVERLAP, OVERLAP_DIRECT };
int parallel(int how, int seconds, int writers, uint64_t seed);

#endif
