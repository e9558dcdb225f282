// SPDX-License-Identifier: GPL-2.0-only
/*
 * A write that completes a part of itself is not woken when another part ends: what it
 * waits for in the completion, the log or an inode's lock, is not that.
 *
 *	the writer, processor 1			the disk, completions, processor 0
 *	sleeps until its write ends
 *						the first part ends: wakes it
 *	converts that to written, slowly
 *						the third part ends: no wake-up
 *	completes the third part, too
 *
 * Fails if there is another wake-up, or if it never was that way.
 *
 * need: lab qemu
 * need: smp 2
 * need: disk nullblk,cache,size=512M
 * timeout: 240
 */
#include "../common/slow.h"
#include "../common/window.h"

#define LEN 4096
#define PARTS 3
#define HELD_MS 300
#define SLOW_MS 500
#define ROUNDS 20

static struct slow convert, wake, end;
static unsigned int seed;

/* Part @i of the file: written before is only the second, so each is a request. */
static bool is_part(const uint8_t *data, unsigned int i)
{
	return wt_differs(data, LEN, i * LEN, seed) < 0;
}

static bool is_ours(const struct nbd_job *job, const uint8_t *data)
{
	return job->len == LEN &&
	       (is_part(data, 0) || is_part(data, 1) || is_part(data, 2));
}

/* They come, and end, in the order of the file. */
static void *answer(void *unused)
{
	uint64_t until;

	window_on_processor(0);
	window_await(PARTS * LEN);
	usleep(HELD_MS * 1000);
	window_answer(1);
	until = window_now() + SLOW_MS * MS;
	while (!slow_look(&convert).count && window_now() < until)
		usleep(1000);
	window_answer_all();
	return unused;
}

static bool convert_slowly(int dirfd, unsigned int nr)
{
	struct slow_seen converted, woken, ended;
	uint8_t buf[PARTS * LEN];
	pthread_t thread;
	int fd = must(openat(dirfd, "file", O_RDWR | O_CREAT | O_TRUNC, 0644));

	seed = nr;
	wt_fill(buf, PARTS * LEN, 0, ROUNDS + 1);
	must(fallocate(fd, 0, 0, PARTS * LEN));
	want(wt_raw_pwrite(fd, buf + LEN, LEN, LEN, 0), LEN);
	must(syncfs(fd));
	wt_fill(buf, PARTS * LEN, 0, seed);

	slow_start(&convert, "xfs_iomap_write_unwritten", NULL, SLOW_MS * MS);
	slow_start(&wake, "wake_up_process", "iomap_wt_end_bio", 0);
	slow_start(&end, "iomap_wt_end_bio", NULL, 0);
	window.keeps = is_ours;
	want(pthread_create(&thread, NULL, answer, NULL), 0);
	want(wt_raw_pwrite(fd, buf, PARTS * LEN, 0, RWF_WRITETHROUGH),
	     PARTS * LEN);
	want(pthread_join(thread, NULL), 0);
	converted = slow_seen(&convert);
	woken = slow_seen(&wake);
	ended = slow_seen(&end);
	slow_stop(&end);
	slow_stop(&wake);
	slow_stop(&convert);
	must(close(fd));

	printf("%zu conversions, the first from 0 to %zd ms; %zu parts end, at %zd and %zd; %zu wake-ups\n",
	       (size_t)converted.count,
	       (ssize_t)(converted.ended - converted.begun) / MS,
	       (size_t)ended.count,
	       (ssize_t)(ended.begun - converted.begun) / MS,
	       (ssize_t)(ended.last - converted.begun) / MS,
	       (size_t)woken.count);
	if (converted.count != 2 || ended.count != 2 ||
	    ended.begun > converted.begun || ended.last < converted.begun ||
	    ended.last > converted.ended)
		return false;
	want(woken.count, 1);
	return true;
}

int main(void)
{
	const char *dir = wt_env("TEST_DIR");
	unsigned int seen = 0;
	int dirfd;

	window_start(dir);
	dirfd = must(open(dir, O_RDONLY | O_DIRECTORY));
	for (unsigned int nr = 1; nr <= ROUNDS && !seen; nr++)
		seen += convert_slowly(dirfd, nr);
	must(close(dirfd));
	window_end(dir);
	if (!seen)
		fail("no part ended while another was converted");
	return 0;
}
