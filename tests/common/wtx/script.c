// SPDX-License-Identifier: GPL-2.0-only
#include "wtx.h"

#include <ctype.h>

/* f: file, p: position, l: length, g: second file, q: position there */
static const struct {
	const char *name;
	const char *args;
	int chance;
} kinds[NR_KINDS] = {
	[WRITE] = { "write", "fpl", 420 },
	[REAP] = { "reap", "", 20 },
	[READ] = { "read", "fpl", 60 },
	[STORE] = { "store", "fpl", 80 },
	[TAIL] = { "store-behind-end", "f", 12 },
	[MSYNC] = { "msync", "fpl", 10 },
	[TRUNCATE] = { "truncate", "fp", 40 },
	[ALLOC] = { "alloc", "fpl", 15 },
	[ALLOC_KEEP] = { "alloc-keep", "fpl", 15 },
	[PUNCH] = { "punch", "fpl", 25 },
	[ZERO] = { "zero", "fpl", 12 },
	[ZERO_KEEP] = { "zero-keep", "fpl", 12 },
	[COLLAPSE] = { "collapse", "fpl", 12 },
	[INSERT] = { "insert", "fpl", 12 },
	[UNSHARE] = { "unshare", "fpl", 10 },
	[CLONE] = { "clone", "fplgq", 40 },
	[DEDUPE] = { "dedupe", "fplgq", 12 },
	[EXCHANGE] = { "exchange", "fplgq", 12 },
	[COPY] = { "copy", "fplgq", 10 },
	[SENDFILE] = { "sendfile", "fplgq", 8 },
	[SPLICE_IN] = { "splice-in", "fpl", 10 },
	[SPLICE_OUT] = { "splice-out", "fpl", 8 },
	[READAHEAD] = { "readahead", "fpl", 15 },
	[DONTNEED] = { "dontneed", "fpl", 20 },
	[DROP] = { "drop", "", 12 },
	[FSYNC] = { "fsync", "f", 15 },
	[FDATASYNC] = { "fdatasync", "f", 10 },
	[SYNC_RANGE] = { "sync-range", "fpl", 15 },
	[SYNCFS] = { "syncfs", "", 3 },
	[FREEZE] = { "freeze", "", 2 },
	[COWEXTSIZE] = { "cowextsize", "fp", 3 },
	[SYNC_ON] = { "sync-on", "f", 2 },
	[SYNC_OFF] = { "sync-off", "f", 6 },
	[REOPEN] = { "reopen", "f", 15 },
	[COLD] = { "cold", "f", 12 },
	[REMOUNT] = { "remount", "", 1 },
	[CHECK] = { "check", "f", 12 },
};

static const char *const words[NR_WORDS] = {
	"wt",	       "dsync",	 "sync",   "nowait",  "append",
	"noappend",    "direct", "odsync", "oappend", "aio",
	"uring",       "worker", "vector", "torn",    "self",
	"torn-inside", "?read",	 "?load",  "?direct",
};

static void print_number(FILE *to, int64_t n)
{
	if (n && !(n % 1024))
		fprintf(to, " %lldk", (long long)n / 1024);
	else
		fprintf(to, " %lld", (long long)n);
}

static bool uses_pos2(const struct op *op)
{
	return op->kind == WRITE && (op->words & SELF);
}

void script_print(FILE *to, const struct op *op)
{
	fprintf(to, "%s", kinds[op->kind].name);
	for (const char *a = kinds[op->kind].args; *a; a++) {
		if (*a == 'f')
			fprintf(to, " %c", 'a' + op->file);
		else if (*a == 'g')
			fprintf(to, " %c", 'a' + op->file2);
		else
			print_number(to, *a == 'p' ? op->pos :
					 *a == 'l' ? op->len :
						     op->pos2);
	}
	if (uses_pos2(op))
		print_number(to, op->pos2);
	for (int i = 0; i < NR_WORDS; i++)
		if (op->words & (1 << i))
			fprintf(to, " %s", words[i]);
	fputc('\n', to);
}

static void parse_token(const char *token, struct op *op, int *files,
			int *numbers)
{
	char *end;
	int64_t n;

	if ((*token == 'a' || *token == 'b') && !token[1]) {
		*((*files)++ ? &op->file2 : &op->file) = *token - 'a';
		return;
	}
	if (isdigit(*token)) {
		n = strtoll(token, &end, 10);
		if (*end == 'k') {
			n *= 1024;
			end++;
		}
		if (*end || *numbers == 3)
			fail("'%s' is no number that is wanted there", token);
		*(*numbers == 0 ? &op->pos :
		  *numbers == 1 ? &op->len :
				  &op->pos2) = n;
		(*numbers)++;
		return;
	}
	for (int i = 0; i < NR_WORDS; i++)
		if (!strcmp(token, words[i])) {
			op->words |= 1 << i;
			return;
		}
	fail("'%s' is not understood", token);
}

bool script_parse(char *line, struct op *op)
{
	int files = 0, numbers = 0, want_files = 0, want_numbers = 0;
	char *save, *token = strtok_r(line, " \t\n", &save);

	if (!token || *token == '#')
		return false;
	*op = (struct op){ .kind = NR_KINDS };
	for (int i = 0; i < NR_KINDS; i++)
		if (!strcmp(token, kinds[i].name))
			op->kind = i;
	if (op->kind == NR_KINDS)
		fail("'%s': there is no such operation", token);
	while ((token = strtok_r(NULL, " \t\n", &save)))
		parse_token(token, op, &files, &numbers);
	for (const char *a = kinds[op->kind].args; *a; a++)
		*(*a == 'f' || *a == 'g' ? &want_files : &want_numbers) += 1;
	if (files != want_files || numbers != want_numbers + uses_pos2(op))
		fail("%s: files or numbers are missing, or too many",
		     kinds[op->kind].name);
	return true;
}

/* --- Making them up ---------------------------------------------------------- */

static uint64_t state;

void script_seed(uint64_t seed)
{
	state = seed * 0x9e3779b97f4a7c15ULL + 1;
}

uint64_t script_random(uint64_t n)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (state >> 11) % n;
}

#define rnd script_random

static bool chance(int percent)
{
	return (int)rnd(100) < percent;
}

/* Near the boundaries of blocks and pages, and the end of the file, is where it is hard. */
static int64_t position(int64_t size)
{
	int64_t pos;

	switch (rnd(7)) {
	case 0:
		pos = rnd(fs.max_len / fs.block) * fs.block;
		break;
	case 1:
		pos = size;
		break;
	case 2:
		pos = size - (int64_t)rnd(2 * fs.block);
		break;
	case 3:
		pos = rnd(fs.max_len / fs.page) * fs.page + rnd(16) - 8;
		break;
	case 4:
		/* Few pages, so that operations meet. */
		pos = rnd(4 * fs.page);
		break;
	default:
		pos = rnd(fs.max_len);
	}
	return pos < 0 || pos >= fs.max_len ? 0 : pos;
}

static int64_t length(int64_t pos)
{
	int64_t len;

	switch (rnd(5)) {
	case 0:
		len = 1 + rnd(64);
		break;
	case 1:
		len = fs.block * (1 + rnd(8));
		break;
	case 2:
		len = fs.page;
		break;
	case 3:
		len = 1 + rnd(16 * fs.page);
		break;
	default:
		len = 1 + rnd(2 * fs.page);
	}
	return len > fs.max_len - pos ? fs.max_len - pos : len;
}

static void align(struct op *op, size_t to)
{
	op->pos -= op->pos % to;
	op->pos2 -= op->pos2 % to;
	op->len += (to - op->len % to) % to;
}

static void random_write(struct op *op, int64_t size)
{
	static const uint32_t durable[] = { 0, 0, 0, DSYNC, SYNC, O_DSYNC_FD };

	if (chance(75))
		op->words |= WT;
	if (chance(op->words & WT ? 30 : 60))
		op->words |= durable[rnd(6)];
	if (chance(12))
		op->words |= NOWAIT;
	if (chance(20))
		op->words |= AIO;
	else if (chance(20))
		op->words |= URING | (chance(30) ? WORKER : 0);
	if (chance(25))
		op->words |= VECTOR;
	if (chance(12)) {
		op->words = (op->words & ~O_DSYNC_FD) | DIRECT;
		/* Now and then one that must be refused. */
		if (!chance(3))
			align(op, chance(50) ? fs.block : fs.sector);
	} else if (chance(8)) {
		op->words &= ~O_DSYNC_FD;
		op->words |= chance(50) ? APPEND :
			     chance(80) ? O_APPEND_FD :
					  O_APPEND_FD | NOAPPEND;
	}
	if (chance(4)) {
		op->words |= TORN;
	} else if (chance(6) && size) {
		op->words |= SELF;
		op->pos2 = rnd(size);
	}
}

static int random_kind(void)
{
	static int sum;
	int n;

	if (!sum)
		for (int i = 0; i < NR_KINDS; i++)
			sum += kinds[i].chance;
	n = rnd(sum);
	for (int i = 0;; i++) {
		n -= kinds[i].chance;
		if (n < 0)
			return i;
	}
}

/* @sizes of the files; what an operation asks for need not be possible */
void script_next(struct op *op, int64_t size, int64_t size2)
{
	static struct op last;
	static bool at_end;
	bool cold = last.kind == REOPEN && chance(50);
	int64_t sizes[] = { size, size2 };

	*op = (struct op){ .kind = random_kind() };
	op->file = rnd(3) == 0;
	op->pos = position(sizes[op->file]);
	if (chance(25)) {
		/* Where the last one was, or next to it. */
		op->file = last.file;
		op->pos = chance(50) ? last.pos : last.pos + last.len;
		if (op->pos >= fs.max_len)
			op->pos = 0;
	}
	op->len = length(op->pos);
	if (at_end && chance(40)) {
		op->kind = COLD;
		op->file = last.file;
	}
	at_end = last.kind == TAIL && chance(50);
	if (at_end) {
		/* Within the last block, whose end the mapping has filled. */
		op->kind = WRITE;
		op->file = last.file;
		op->len = 1 + rnd(fs.sector);
		op->pos = sizes[op->file] - op->len;
		if (op->pos < 0)
			op->pos = 0;
	}
	if (cold) {
		/* Over several pages that are not in the cache. */
		op->kind = WRITE;
		op->file = last.file;
		op->pos = rnd(sizes[op->file] + 1);
		op->len = length(op->pos) + fs.page;
	}
	op->file2 = chance(50) ? !op->file : op->file;
	op->pos2 = position(sizes[op->file2]);
	switch (rnd(8)) {
	case 0 ... 3:
		op->words = BY_READ;
		break;
	case 4:
		op->words = BY_LOAD;
		break;
	case 5:
		op->words = BY_DIRECT;
		break;
	}
	switch (op->kind) {
	case WRITE:
		random_write(op, sizes[op->file]);
		if (cold)
			op->words |= NOWAIT | WT;
		break;
	case DEDUPE:
		op->words |= chance(50) ? WT : 0;
		/* fall through */
	case CLONE:
	case EXCHANGE:
		align(op, fs.block);
		if (chance(30)) {
			op->pos = op->pos2 = 0;
			op->len = fs.max_len;
			op->file2 = !op->file;
		}
		break;
	case COLLAPSE:
	case INSERT:
		align(op, fs.unit);
		break;
	case COWEXTSIZE:
		op->pos = fs.block << rnd(6);
		break;
	}
	last = *op;
}
