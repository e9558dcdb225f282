// SPDX-License-Identifier: GPL-2.0-only
/*
 * A program's requests by libaio are the same under the shim as without it.  The
 * same random batches are submitted plain, shimmed and shimmed with --dsync: good
 * and bad requests, descriptors, addresses and contexts, more than one system call
 * of the shim takes, more than the context holds.  What io_submit() returns, errno,
 * every completion, all bytes of every iocb afterwards and the files are compared;
 * and the device has what a matching write wrote when its completion is there.
 * Fails at the first batch that differs, if a matching write was not counted as
 * gone through (as fallen back, where there is no support), or if one without
 * support completes before its I/O.
 *
 * debug: no
 * need: disk nullblk,cache,size=512M
 * timeout: 120
 */
#include "libtest.h"

#include <libaio.h>
#include <sys/mman.h>

#define NR_BATCHES 150
#define MANY 40 /* several system calls of the shim */
#define SLOT 65536

static uint64_t seed, state;

static uint32_t rnd(uint32_t n)
{
	state = state * 6364136223846793005ULL + 1442695040888963407ULL;
	return (state >> 33) % n;
}

/* --- The program ----------------------------------------------------------- */

static char *bad; /* a page that cannot be read, after good ones */
static struct iocb *constant; /* cannot be written */
static uint8_t *data; /* MANY slots */
static struct iovec vectors[MANY][4];

enum { MATCHING, OTHER, APPENDING, DIRECT, READONLY, PIPE, CLOSED, NR_FILES };
static int fds[NR_FILES];

static void open_all(void)
{
	int pipes[2];

	fds[MATCHING] = must(open("0.m", O_RDWR | O_CREAT, 0600));
	fds[OTHER] = must(open("1.u", O_RDWR | O_CREAT, 0600));
	fds[APPENDING] = must(open("2.m", O_RDWR | O_CREAT | O_APPEND, 0600));
	fds[DIRECT] = must(open("3.m", O_RDWR | O_CREAT | O_DIRECT, 0600));
	fds[READONLY] = must(open("0.m", O_RDONLY));
	must(pipe2(pipes, O_NONBLOCK));
	fds[PIPE] = pipes[0];
	fds[CLOSED] = 987;
}

/* Each request of a batch has a slot of the file: the order is free. */
static void prepare(struct iocb *iocb, int i, bool one)
{
	int file = rnd(10) < 6 ? MATCHING : (int)rnd(NR_FILES), n;
	uint8_t *from = data + i * SLOT;
	uint32_t len = 1 + rnd(9000), at = rnd(SLOT / 2);

	/* Where an append lands is told by nobody. */
	if (file == APPENDING && !one)
		file = MATCHING;
	if (file == DIRECT) {
		len = 4096 * (1 + rnd(3));
		at &= ~4095;
	}
	wt_fill(from, len, at, 1 + rnd(1000));
	if (rnd(2)) {
		io_prep_pwrite(iocb, fds[file], from, len, i * SLOT + at);
	} else {
		n = file == DIRECT ? 1 : 1 + rnd(4);
		for (int v = 0; v < n; v++)
			vectors[i][v] =
				(struct iovec){ from + v * (len / n), len / n };
		io_prep_pwritev(iocb, fds[file], vectors[i], n, i * SLOT + at);
	}
	if (file == MATCHING)
		iocb->aio_rw_flags = rnd(3) ? 0 : RWF_DSYNC << rnd(2);
	iocb->data = (void *)(uintptr_t)(4000 + i);
	iocb->key = rnd(2) ? 0 : 77;
	switch (rnd(40)) {
	case 0:
		iocb->u.c.nbytes = 0;
		break;
	case 1:
		iocb->u.c.buf = bad;
		break;
	case 2:
		iocb->u.c.offset = -1;
		break;
	case 3:
		iocb->u.c.nbytes = -1L;
		break;
	case 4:
		iocb->aio_lio_opcode = rnd(2) ? IO_CMD_PREAD : IO_CMD_NOOP;
		break;
	case 5:
		io_prep_fsync(iocb, fds[file]);
		break;
	case 6:
		iocb->aio_rw_flags = 1 << 30;
		break;
	case 7:
		/* aio_reserved2 */
		((uint64_t *)iocb)[6] = 1;
		break;
	}
}

static void reap(io_context_t ctx, struct iocb *iocbs, int n, FILE *log)
{
	struct io_event events[1024], *by_request[1024] = {}, *e;
	int got = n > 0 ? io_getevents(ctx, n, n, events, NULL) : 0;

	for (int i = 0; i < got; i++) {
		int nr = events[i].obj - iocbs;

		if (nr < 0 || nr >= 1024 || by_request[nr])
			fail("completion of request %d", nr);
		by_request[nr] = &events[i];
	}
	fprintf(log, " events %d:", got);
	for (int nr = 0; nr < 1024; nr++) {
		e = by_request[nr];
		if (e)
			fprintf(log, " %d/%d:%ld/%ld", nr, (int)(long)e->data,
				(long)e->res, (long)e->res2);
	}
}

static void submit(io_context_t ctx, long n, struct iocb **list,
		   struct iocb *iocbs, FILE *log)
{
	int ret;

	errno = 4242;
	ret = io_submit(ctx, n, list);
	fprintf(log, "of %ld: %d, errno %d;", n, ret, errno);
	reap(ctx, iocbs, ret, log);
	fprintf(log, "; iocbs");
	for (int i = 0; i < n && i < 1024 && iocbs; i++) {
		uint64_t sum = 0;

		for (size_t b = 0; b < sizeof(*iocbs); b++)
			sum = sum * 131 +
			      ((uint8_t *)&iocbs[i])[b] * (b / 8 == 3 ? 0 : 1);
		fprintf(log, " %x/%x/%x", iocbs[i].key, iocbs[i].aio_rw_flags,
			(uint32_t)sum);
	}
	fputc('\n', log);
}

/* Addresses differ from run to run: the sum leaves out the one in the iocb. */
static void batch(io_context_t ctx, int b, FILE *log)
{
	struct iocb iocbs[MANY], *list[MANY];
	int n = rnd(3) ? 1 + rnd(4) : 1 + rnd(MANY);

	for (int i = 0; i < n; i++) {
		prepare(&iocbs[i], i, n == 1);
		list[i] = &iocbs[i];
	}
	switch (rnd(20)) {
	case 0:
		list[rnd(n)] = (struct iocb *)bad;
		break;
	case 1:
		list[rnd(n)] = NULL;
		break;
	case 2:
		list[rnd(n)] = constant;
		break;
	case 3:
		list[rnd(n)] = (struct iocb *)(bad - 32);
		break;
	}
	fprintf(log, "%d: ", b);
	submit(ctx, n, list, iocbs, log);
}

/* A list that ends where memory does; and wrong contexts and numbers. */
static void odd_calls(io_context_t ctx, FILE *log)
{
	struct iocb iocbs[4], **list = (struct iocb **)bad - 3;
	char no_context[4096] = { 0 };

	for (int i = 0; i < 4; i++)
		io_prep_pwrite(&iocbs[i], fds[MATCHING], data, 100, i * SLOT);
	for (int i = 0; i < 3; i++)
		list[i] = &iocbs[i];
	submit(ctx, 4, list, iocbs, log);
	submit(ctx, 4, (struct iocb **)bad, NULL, log);
	submit(ctx, 4, NULL, NULL, log);
	submit(ctx, 0, NULL, NULL, log);
	submit(ctx, -1, list, iocbs, log);
	submit(ctx, LONG_MIN, list, iocbs, log);
	submit(NULL, 3, list, iocbs, log);
	submit((io_context_t)no_context, 3, list, iocbs, log);
	/* The same one twice */
	list[1] = &iocbs[0];
	errno = 4242;
	fprintf(log, "twice: %d, %d, key %x flags %x\n",
		io_submit(ctx, 2, list), errno, iocbs[0].key,
		iocbs[0].aio_rw_flags);
	want(io_getevents(ctx, 2, 2, (struct io_event[2]){}, NULL), 2);
}

/* Until the context is full, of which the last call says so. */
static void overfill(FILE *log)
{
	static struct iocb iocbs[1024], *list[1024];
	io_context_t ctx = NULL;
	int ret, sum = 0;

	want(io_setup(20, &ctx), 0);
	for (int i = 0; i < 1024; i++) {
		io_prep_pwrite(&iocbs[i], fds[MATCHING], data, 10, i * 10);
		list[i] = &iocbs[i];
	}
	do {
		ret = io_submit(ctx, 1024 - sum, list + sum);
		fprintf(log, "%d ", ret);
		if (ret > 0)
			sum += ret;
	} while (ret > 0 && sum < 1024);
	for (int i = 0; i < 1024; i++)
		want(iocbs[i].aio_rw_flags, 0);
	reap(ctx, iocbs, sum, log);
	fputc('\n', log);
	want(io_destroy(ctx), 0);
}

static void program(const char *number, const char *dir)
{
	io_context_t ctx = NULL;
	FILE *log;

	state = strtoull(number, NULL, 10);
	must(chdir(dir));
	log = fopen("log", "w");
	data = aligned_alloc(4096, MANY * SLOT);
	bad = mmap(NULL, 3 * 4096, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (!log || !data || bad == MAP_FAILED)
		fail("no memory");
	open_all();
	memset(data, 'd', MANY * SLOT);
	constant = (struct iocb *)bad;
	io_prep_pwrite(constant, fds[MATCHING], data, 5, 0);
	must(mprotect(bad, 4096, PROT_READ));
	bad += 2 * 4096;
	must(mprotect(bad, 4096, PROT_NONE));
	want(io_setup(MANY, &ctx), 0);
	for (int b = 0; b < NR_BATCHES; b++)
		batch(ctx, b, log);
	odd_calls(ctx, log);
	overfill(log);
	want(io_destroy(ctx), 0);
	if (fclose(log))
		fail("log");
	_exit(0);
}

/* --- The comparison -------------------------------------------------------- */

static void same(const char *dir)
{
	char command[256];

	snprintf(command, sizeof(command),
		 "diff -r plain %s | cut -c 1-2000 >&2; "
		 "diff -rq plain %s >&2",
		 dir, dir);
	if (system(command))
		fail("seed %d: %s differs", (int)seed, dir);
}

static void check(const struct lt_counts *c)
{
	long long seen = lt_supported() ? c->calls : c->fallback_calls;

	want(seen > NR_BATCHES, 1);
	want(lt_supported() ? c->fallback_calls : c->calls, 0);
	want(c->untouched_calls > 10, 1);
	want(c->errors > 0, 1);
}

/* --- What each option does --------------------------------------------------- */

/* The device has written at least the bytes when the completion is there. */
static long long sectors(void)
{
	char name[PATH_MAX], *dev = strrchr(wt_env("TEST_DEV"), '/');
	long long n = -1;
	FILE *f;

	snprintf(name, sizeof(name), "/sys/class/block%s/stat", dev);
	f = fopen(name, "r");
	if (!f || fscanf(f, "%*d %*d %*d %*d %*d %*d %lld", &n) != 1)
		fail("%s", name);
	fclose(f);
	return n;
}

static void one_write(const char *name, const char *submits, const char *wrote)
{
	struct iocb iocb, *list = &iocb;
	struct io_event event;
	io_context_t ctx = NULL;
	long long before;
	char *buf = aligned_alloc(4096, 4096);
	int ret, fd = must(open(name, O_WRONLY | O_CREAT, 0600));

	memset(buf, 'w', 4096);
	want(io_setup(1, &ctx), 0);
	io_prep_pwrite(&iocb, fd, buf, 4096, 0);
	before = sectors();
	ret = io_submit(ctx, 1, &list);
	want(ret, atoi(submits));
	want(iocb.aio_rw_flags, 0);
	if (ret == 1) {
		want(io_getevents(ctx, 1, 1, &event, NULL), 1);
		want((long)event.res, 4096);
		want(sectors() - before >= 8, atoi(wrote));
	} else {
		want(lt_size(fd), 0);
	}
	exit(0);
}

/* The one that is refused ends the batch, and those before it count. */
static void refused_third(void)
{
	struct iocb iocbs[3], *list[3];
	struct io_event events[3];
	io_context_t ctx = NULL;
	int fd = must(open("4.m", O_WRONLY | O_CREAT, 0600));
	int shm = must(open("/dev/shm/wt-x.m", O_WRONLY | O_CREAT, 0600));

	want(io_setup(3, &ctx), 0);
	for (int i = 0; i < 3; i++) {
		io_prep_pwrite(&iocbs[i], i < 2 ? fd : shm, "x", 1, i);
		list[i] = &iocbs[i];
	}
	want(io_submit(ctx, 3, list), 2);
	want(io_submit(ctx, 1, list + 2), -EOPNOTSUPP);
	want(io_getevents(ctx, 2, 2, events, NULL), 2);
	want((long)(events[0].res + events[1].res), 2);
	want(lt_size(shm), 0);
	unlink("/dev/shm/wt-x.m");
	exit(0);
}

static void options(void)
{
	bool yes = lt_supported();
	const char *through[] = { "write", "1.m", "1", "1", NULL };
	const char *refused[] = { "write", "2.m", "-95", "0", NULL };
	const char *other[] = { "write", "3.u", "1", "0", NULL };
	const char *shm[] = { "write", "/dev/shm/wt-x.m", "1", "0", NULL };
	const char *none[] = { "--match", "*.m", NULL };
	const char *require[] = { "--match", "*.m", "--require", NULL };
	const char *dsync[] = { "--match", "*.m", "--dsync", NULL };
	struct lt_counts c;

	c = lt_run_shimmed(none, through);
	want(yes ? c.calls : c.fallback_calls, 1);
	want(yes ? c.bytes : c.fallback_bytes, 4096);
	c = lt_run_shimmed(dsync, through);
	want(yes ? c.calls : c.fallback_calls, 1);
	c = lt_run_shimmed(none, other);
	want(c.untouched_calls, 1);
	want(c.calls + c.fallback_calls, 0);
	c = lt_run_shimmed(require, yes ? through : refused);
	want(yes ? c.calls : c.errors, 1);
	want(c.fallback_calls, 0);
	/* tmpfs has no write-through, and no device. */
	c = lt_run_shimmed(none, shm);
	want(c.fallback_calls, 1);
	unlink(shm[1]);
	refused[1] = shm[1];
	c = lt_run_shimmed(require, refused);
	want(c.errors, 1);
	want(c.fallback_calls, 0);
	unlink(shm[1]);
	if (!yes)
		return;
	c = lt_run_shimmed(require, (const char *[]){ "refused", NULL });
	want(c.calls, 2);
	want(c.errors, 1);
	want(c.fallback_calls, 0);
	/* Refused in the completion: it must not come so far. */
	want(system("$WT_PROGRAMS/bin/wt mode . off >&2"), 0);
	c = lt_run_shimmed(none, through);
	want(c.fallback_calls, 1);
	want(c.calls, 0);
	refused[1] = "2.m";
	c = lt_run_shimmed(require, refused);
	want(c.errors, 1);
	want(system("$WT_PROGRAMS/bin/wt mode . on >&2"), 0);
}

int main(int argc, char **argv)
{
	const char *dir;
	char text[16];

	if (argc == 3)
		program(argv[1], argv[2]);
	if (argc == 2)
		refused_third();
	if (argc == 5)
		one_write(argv[2], argv[3], argv[4]);
	dir = lt_enter_dir();
	options();
	for (seed = 1; seed <= 4; seed++) {
		printf("seed %d\n", (int)seed);
		fflush(stdout);
		snprintf(text, sizeof(text), "%d", (int)seed);
		lt_plain_and_shimmed(text, program, check, same);
	}
	lt_leave_dir(dir);
	return 0;
}
