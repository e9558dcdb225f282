// SPDX-License-Identifier: GPL-2.0-only
/*
 * Who waits for its write, for fewer of its bytes to be in flight, or for the two-state
 * lock, goes on only when it has been woken, also if it has seen before that it need not
 * wait any more.  A wake-up that came later could end its next wait, such as that for the
 * log in fsync().
 *
 * Wake-ups by the code under test are slow, and the waiter looks by itself while one is
 * under way:
 *
 *	the waiter, processor 1			the disk, completions, processor 0
 *	   0 ms	sleeps until its write ends
 *	 300 ms					the write ends, the wake-up begins
 *	 500 ms	looks, as io_schedule_timeout()
 *		has ended
 *	 800 ms					the wake-up ends
 *
 * so also for the bytes in flight, and for the lock:
 *
 *	   0 ms	queues, and is slow then
 *	 300 ms					a direct write ends and lets it in,
 *						the wake-up begins
 *	 500 ms	looks
 *	 800 ms					the wake-up ends
 *
 * Fails if the waiter goes on before the wake-up has ended, or if it never was that way.
 *
 * need: lab qemu
 * need: smp 2
 * need: disk nullblk,cache,size=512M
 * timeout: 400
 */
#include "../common/slow.h"
#include "../common/window.h"

#define LEN 4096
#define HELD_MS 300
#define SLOW_MS 500
/* Half of what kernel.hung_task_timeout_secs is set to */
#define LOOK_MS 500
#define ROUNDS 20
#define DIRECT_SEED 99
/* More than one write may have in flight, and the last part of that */
#define LARGE ((8 << 20) + REST)
#define REST 65536

#define HUNG "/proc/sys/kernel/hung_task_timeout_secs"
#define WARNINGS "/proc/sys/kernel/hung_task_warnings"

static atomic_uint seed;

static bool is_seeds(const struct nbd_job *job, const uint8_t *data)
{
	return job->len == LEN && wt_differs(data, LEN, 0, seed) < 0;
}

static bool is_large(const struct nbd_job *job, const uint8_t *data)
{
	(void)data;
	return job->len > REST;
}

/* Answers what is kept, @arg bytes or more, after a while. */
static void *answer_later(void *arg)
{
	window_on_processor(0);
	window_await(*(size_t *)arg);
	usleep(HELD_MS * 1000);
	window_answer_all();
	return NULL;
}

/* True if the waiter had something to see while its wake-up was under way. */
static bool judge(const char *what, uint64_t begun, uint64_t look,
		  uint64_t went_on, struct slow_seen seen)
{
	printf("%s: %zu wake-ups, from %zd to %zd ms; looks at %zd; goes on at %zd\n",
	       what, (size_t)seen.count, (ssize_t)(seen.begun - begun) / MS,
	       (ssize_t)(seen.ended - begun) / MS, (ssize_t)(look - begun) / MS,
	       (ssize_t)(went_on - begun) / MS);
	if (!seen.count || seen.begun > look || seen.ended < look)
		return false;
	if (went_on < seen.ended)
		fail("%s went on before its wake-up", what);
	return true;
}

static bool wait_for_write(int fd, unsigned int nr)
{
	uint64_t begun, returned;
	size_t bytes = LEN;
	uint8_t buf[LEN];
	pthread_t thread;
	struct slow wake;
	struct slow_seen seen;

	wt_fill(buf, LEN, 0, nr);
	slow_start(&wake, "wake_up_process", "iomap_w", SLOW_MS * MS);
	seed = nr;
	window.keeps = is_seeds;
	want(pthread_create(&thread, NULL, answer_later, &bytes), 0);
	begun = window_now();
	want(wt_raw_pwrite(fd, buf, LEN, 0, RWF_WRITETHROUGH), LEN);
	returned = window_now();
	want(pthread_join(thread, NULL), 0);
	seen = slow_seen(&wake);
	slow_stop(&wake);
	return judge("a write", begun, begun + LOOK_MS * MS, returned, seen) &&
	       seen.count == 1;
}

/*
 * All that may be in flight is one I/O, as its blocks follow each other on the disk.  When
 * it ends, the rest is sent, and not kept.
 */
static bool wait_for_bytes(int fd, const uint8_t *buf)
{
	size_t bytes = LARGE - REST;
	struct slow_seen woken, sent;
	struct slow wake, send;
	pthread_t thread;

	slow_start(&wake, "wake_up_process", "iomap_writethrough_end_ioend",
		   SLOW_MS * MS);
	slow_start(&send, "iomap_writethrough_submit_ioend", NULL, 0);
	window.keeps = is_large;
	want(pthread_create(&thread, NULL, answer_later, &bytes), 0);
	want(wt_raw_pwrite(fd, buf, LARGE, 0, RWF_WRITETHROUGH), LARGE);
	want(pthread_join(thread, NULL), 0);
	woken = slow_seen(&wake);
	sent = slow_seen(&send);
	slow_stop(&send);
	slow_stop(&wake);
	/* Both ends of a wait: for bytes, and for all */
	return judge("a large write", window.kept_at,
		     window.kept_at + LOOK_MS * MS, sent.last, woken) &&
	       woken.count == 2 && sent.count == 2;
}

/* A direct write holds the lock: of another file descriptor. */
static void *direct_writer(void *arg)
{
	int fd = *(int *)arg;
	void *buf;

	window_on_processor(0);
	want(posix_memalign(&buf, LEN, LEN), 0);
	wt_fill(buf, LEN, 0, seed);
	want(pwrite(fd, buf, LEN, 0), LEN);
	free(buf);
	return NULL;
}

/* A plain write of content @nr waits for the direct one. */
static void contend(int fd, int direct, unsigned int nr, uint64_t *begun,
		    uint64_t *returned)
{
	pthread_t writer, answerer;
	size_t bytes = LEN;
	uint8_t buf[LEN];

	wt_fill(buf, LEN, 0, nr);
	seed = DIRECT_SEED;
	window.keeps = is_seeds;
	want(pthread_create(&answerer, NULL, answer_later, &bytes), 0);
	want(pthread_create(&writer, NULL, direct_writer, &direct), 0);
	window_await(bytes);
	*begun = window_now();
	want(wt_raw_pwrite(fd, buf, LEN, 0, 0), LEN);
	*returned = window_now();
	want(pthread_join(answerer, NULL), 0);
	want(pthread_join(writer, NULL), 0);
}

/* Where a waiter goes on when it has queued. */
static uint64_t find_queued(int fd, int direct)
{
	uint64_t begun, returned;
	struct slow queue;
	struct slow_seen seen;

	slow_start(&queue, "_raw_spin_unlock_irqrestore", "two_state_wait", 0);
	contend(fd, direct, 1, &begun, &returned);
	seen = slow_seen(&queue);
	slow_stop(&queue);
	return seen.caller;
}

static bool wait_for_lock(int fd, int direct, uint64_t queued, unsigned int nr)
{
	uint64_t begun, returned;
	struct slow wake, look;
	struct slow_seen seen;
	bool judged;

	slow_start(&wake, "wake_up_process", "two_state", SLOW_MS * MS);
	slow_start_at(&look, queued, SLOW_MS * MS);
	contend(fd, direct, nr, &begun, &returned);
	seen = slow_seen(&wake);
	judged = judge("a lock", begun, slow_seen(&look).ended, returned,
		       seen) &&
		 seen.count == 1;
	slow_stop(&look);
	slow_stop(&wake);
	return judged;
}

int main(void)
{
	const char *dir = wt_env("TEST_DIR");
	unsigned int writes = 0, large = 0, locks = 0;
	static uint8_t buf[LARGE];
	int dirfd, fd, direct;
	uint64_t queued;

	window_start(dir);
	dirfd = must(open(dir, O_RDONLY | O_DIRECTORY));
	fd = must(openat(dirfd, "file", O_RDWR | O_CREAT, 0644));
	wt_fill(buf, LARGE, 0, ROUNDS + 1);
	want(wt_raw_pwrite(fd, buf, LARGE, 0, 0), LARGE);
	must(syncfs(dirfd));
	direct = must(openat(dirfd, "file", O_WRONLY | O_DIRECT));

	window_set(WARNINGS, "0");
	window_set(HUNG, "1");
	for (unsigned int nr = 1; nr <= ROUNDS && !writes; nr++)
		writes += wait_for_write(fd, nr);
	for (unsigned int nr = 1; nr <= ROUNDS && !large; nr++)
		large += wait_for_bytes(fd, buf);
	queued = find_queued(fd, direct);
	for (unsigned int nr = 1; queued && nr <= ROUNDS && !locks; nr++)
		locks += wait_for_lock(fd, direct, queued, nr);

	must(close(direct));
	must(close(fd));
	must(close(dirfd));
	window_end(dir);
	if (!writes || !large || !locks)
		fail("nobody looked while its wake-up was under way");
	return 0;
}
