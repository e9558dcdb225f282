// SPDX-License-Identifier: GPL-2.0-only
/*
 * The pages of a write's buffer go while another processor copies from it, again and
 * again, so that the copy, which must not fault with folios locked, stops in the middle.
 * By pwritev2() and libaio with RWF_NOWAIT and without, and by io_uring, the file cached.
 *
 * Fails if an asynchronous write ends short, if any returns something else than its
 * bytes, or -EAGAIN to who must not wait, if the file then has something else than it
 * says, or if no copy was ever stopped, which a refusal tells.
 *
 * need: lab qemu
 * need: smp 2
 * need: disk nullblk,cache,size=512M
 * timeout: 180
 */
#include "../common/async.h"

#include <pthread.h>
#include <sys/stat.h>
#include <time.h>

#define LEN (128 * 1024)
/* So many refusals in each way that can be refused */
#define WANTED 10

static const struct way {
	const char *engine;
	int flags;
} ways[] = {
	{ "pwritev2", RWF_WRITETHROUGH | RWF_NOWAIT },
	{ "aio", RWF_WRITETHROUGH | RWF_NOWAIT },
	{ "pwritev2", RWF_WRITETHROUGH },
	{ "aio", RWF_WRITETHROUGH },
	{ "uring", RWF_WRITETHROUGH },
	{ "uring", RWF_DSYNC },
};

static uint8_t *bufs[2], content[2][LEN], got[LEN];
static int stop;

/* They come back by faults, with what they had: the mappings are of files in memory. */
static void *taker(void *unused)
{
	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED))
		for (int i = 0; i < 2; i++)
			must(madvise(bufs[i], LEN, MADV_DONTNEED));
	return unused;
}

static ssize_t write_by(const struct way *w, int fd, const uint8_t *buf)
{
	struct async a;
	ssize_t ret;

	if (!strcmp(w->engine, "pwritev2"))
		return wt_raw_pwrite(fd, buf, LEN, 0, w->flags);
	async_start(&a, w->engine, 4);
	ret = async_write(&a, fd, buf, LEN, 0, w->flags);
	async_stop(&a);
	return ret;
}

/* The first @len bytes are @seed's, the others are the old ones. */
static void verify(int fd, const struct way *w, size_t len, uint64_t seed,
		   uint64_t old)
{
	want(pread(fd, got, LEN, 0), LEN);
	if (memcmp(got, content[seed - 1], len) ||
	    memcmp(got + len, content[old - 1] + len, LEN - len))
		fail("%s, flags 0x%x: other content after a result of %zu",
		     w->engine, w->flags, len);
}

static void many(int fd, const struct way *w)
{
	int nowait = w->flags & RWF_NOWAIT, refused = 0, whole = 0, i;
	uint64_t seed, old;

	verify(fd, w, LEN, 1, 2);
	old = 1;
	for (i = 0; nowait ? refused < WANTED && i < 3000 : i < 150; i++) {
		ssize_t ret;

		seed = 3 - old;
		ret = write_by(w, fd, bufs[seed - 1]);
		if (ret == -EAGAIN && nowait) {
			refused++;
			verify(fd, w, 0, seed, old);
			continue;
		}
		/* Only who must not wait and is not told later has to stop there. */
		if (ret <= 0 || (ret < LEN && strcmp(w->engine, "pwritev2")))
			fail("%s, flags 0x%x: %zd", w->engine, w->flags, ret);
		verify(fd, w, ret, seed, old);
		whole += ret == LEN;
		if (ret < LEN)
			want(wt_raw_pwrite(fd, bufs[seed - 1], LEN, 0, 0), LEN);
		old = seed;
	}
	printf("%s, flags 0x%x: %d writes, %d whole, %d refused\n", w->engine,
	       w->flags, i, whole, refused);
	if (nowait && refused < WANTED)
		fail("%s, flags 0x%x: the copy is never stopped", w->engine,
		     w->flags);
	want(wt_raw_pwrite(fd, bufs[0], LEN, 0, 0), LEN);
}

int main(void)
{
	char path[4096];
	pthread_t thread;
	int fd;

	snprintf(path, sizeof(path), "%s/file", wt_env("TEST_DIR"));
	for (int i = 0; i < 2; i++) {
		int mem = must(memfd_create("buffer", 0));

		must(ftruncate(mem, LEN));
		bufs[i] = mmap(NULL, LEN, PROT_READ | PROT_WRITE, MAP_SHARED,
			       mem, 0);
		if (bufs[i] == MAP_FAILED)
			fail("no memory");
		wt_fill(content[i], LEN, 0, i + 1);
		memcpy(bufs[i], content[i], LEN);
	}
	fd = must(open(path, O_RDWR | O_CREAT | O_TRUNC, 0644));
	want(wt_raw_pwrite(fd, bufs[0], LEN, 0, 0), LEN);
	must(fsync(fd));
	fd = wt_open_nocmtime(fd, path, O_RDWR);
	want(pthread_create(&thread, NULL, taker, NULL), 0);
	for (size_t i = 0; i < sizeof(ways) / sizeof(*ways); i++)
		many(fd, &ways[i]);
	__atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
	want(pthread_join(thread, NULL), 0);
	return 0;
}
