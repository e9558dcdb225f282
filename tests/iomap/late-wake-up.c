// SPDX-License-Identifier: GPL-2.0-only
/*
 * Who waits for its write, or for the two-state lock, goes on only when it has been
 * woken, also if it has seen before that it need not wait any more.  A wake-up that came
 * later could end its next wait, such as that for the log in fsync().
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
 * and for the lock:
 *
 *	   0 ms	queues, and is slow then
 *	 300 ms					a direct write ends and lets it in,
 *						the wake-up begins
 *	 500 ms	looks
 *	 800 ms					the wake-up ends
 *
 * Fails if the waiter's call returns before the wake-up has ended, or if it never was
 * that way.
 *
 * need: lab qemu
 * need: smp 2
 * need: disk nullblk,cache,size=512M
 * timeout: 240
 */
#include "../common/nbd.h"
#include "../common/slow.h"

#include <poll.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/mount.h>
#include <time.h>

#define MS 1000000ULL
#define LEN 4096
#define HELD_MS 300
#define SLOW_MS 500
/* Half of what kernel.hung_task_timeout_secs is set to */
#define LOOK_MS 500
#define ROUNDS 20
#define DIRECT_SEED 99

#define DEVICE "nbd0"
#define WORK_CPUS "/sys/devices/virtual/workqueue/cpumask"
#define AFFINITY "/sys/block/" DEVICE "/queue/rq_affinity"
#define HUNG "/proc/sys/kernel/hung_task_timeout_secs"
#define WARNINGS "/proc/sys/kernel/hung_task_warnings"

struct changed {
	const char *path;
	char old[64];
};

static struct changed changed[8];
static unsigned int nr_changed;
static struct nbd nbd;
static struct image image;
static uint8_t data[32 << 20];
/* The disk keeps back what is written with this content, if not 0. */
static atomic_uint seed;
static atomic_bool kept, done;

static uint64_t now(void)
{
	struct timespec t;

	must(clock_gettime(CLOCK_MONOTONIC, &t));
	return t.tv_sec * 1000 * MS + t.tv_nsec;
}

static void on_processor(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	must(sched_setaffinity(0, sizeof(set), &set));
}

static void set_file(const char *path, const char *value)
{
	struct changed *c = &changed[nr_changed++];
	int fd = must(open(path, O_RDWR));

	c->path = path;
	must(read(fd, c->old, sizeof(c->old) - 1));
	c->old[strcspn(c->old, "\n")] = 0;
	want(pwrite(fd, value, strlen(value), 0), strlen(value));
	must(close(fd));
}

/* Other tests are to find all as it was, also if this one fails. */
static void set_back(void)
{
	while (nr_changed) {
		struct changed *c = &changed[--nr_changed];
		int fd = open(c->path, O_WRONLY);

		if (fd < 0 || write(fd, c->old, strlen(c->old)) < 0)
			fprintf(stderr, "%s: %s\n", c->path,
				strerrorname_np(errno));
		close(fd);
	}
}

/* --- The disk ------------------------------------------------------------------- */

/* False at the end. */
static bool serve_one(struct nbd_job *held, uint64_t *due)
{
	struct nbd_job job;

	if (!nbd_next(&nbd, &job))
		return false;
	if (job.len > sizeof(data))
		fail("a request of %zu bytes", (size_t)job.len);
	if (job.type == NBD_CMD_READ) {
		image_read(&image, data, job.pos, job.len);
		nbd_answer(&nbd, &job, data);
		return true;
	}
	if (job.type != NBD_CMD_WRITE)
		fail("a request of type %u", job.type);
	if (!nbd_recv(&nbd, data, job.len))
		return false;
	image_write(&image, data, job.pos, job.len);
	if (!*due && seed && job.len == LEN &&
	    wt_differs(data, LEN, 0, seed) < 0) {
		*held = job;
		*due = now() + HELD_MS * MS;
		kept = true;
	} else {
		nbd_answer(&nbd, &job, NULL);
	}
	return true;
}

static void *disk(void *unused)
{
	struct pollfd fd = { .fd = nbd.sock, .events = POLLIN };
	struct nbd_job held = { 0 };
	uint64_t due = 0;

	on_processor(0);
	do {
		do {
			if (!due || now() < due)
				continue;
			due = 0;
			nbd_answer(&nbd, &held, NULL);
		} while (!poll(&fd, 1, 1));
	} while (serve_one(&held, &due));
	return unused;
}

/* An idle processor leaves its timers to the other one, which is busy with a wake-up. */
static void *keep_awake(void *unused)
{
	struct sched_param none = { 0 };

	on_processor(1);
	must(sched_setscheduler(0, SCHED_IDLE, &none));
	while (!done)
		;
	return unused;
}

/* --- The waits ------------------------------------------------------------------ */

/* True if the waiter had something to see while its wake-up was under way. */
static bool judge(const char *what, uint64_t begun, uint64_t look,
		  uint64_t returned, uint64_t wakes, struct slow_seen seen)
{
	printf("%s: %zu wake-ups, from %zu to %zu ms; looks at %zu; returns at %zu\n",
	       what, (size_t)wakes, (size_t)((seen.begun - begun) / MS),
	       (size_t)((seen.ended - begun) / MS),
	       (size_t)((look - begun) / MS),
	       (size_t)((returned - begun) / MS));
	if (wakes != 1 || seen.begun > look || seen.ended < look)
		return false;
	if (returned < seen.ended)
		fail("%s returned before its wake-up", what);
	return true;
}

static bool wait_for_write(int fd, unsigned int nr)
{
	uint64_t begun, returned;
	uint8_t buf[LEN];
	struct slow wake;
	struct slow_seen seen;

	wt_fill(buf, LEN, 0, nr);
	slow_start(&wake, "wake_up_process", "iomap_w", SLOW_MS * MS);
	seed = nr;
	begun = now();
	want(wt_raw_pwrite(fd, buf, LEN, 0, RWF_WRITETHROUGH), LEN);
	returned = now();
	seed = 0;
	seen = slow_seen(&wake);
	slow_stop(&wake);
	return judge("a write", begun, begun + LOOK_MS * MS, returned,
		     seen.count, seen);
}

/* A direct write holds the lock: of another file descriptor. */
static void *direct_writer(void *arg)
{
	int fd = *(int *)arg;
	void *buf;

	on_processor(0);
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
	uint8_t buf[LEN];
	pthread_t thread;

	wt_fill(buf, LEN, 0, nr);
	kept = false;
	seed = DIRECT_SEED;
	want(pthread_create(&thread, NULL, direct_writer, &direct), 0);
	while (!kept)
		usleep(1000);
	*begun = now();
	want(wt_raw_pwrite(fd, buf, LEN, 0, 0), LEN);
	*returned = now();
	seed = 0;
	want(pthread_join(thread, NULL), 0);
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
		       seen.count, seen);
	slow_stop(&look);
	slow_stop(&wake);
	return judged;
}

int main(void)
{
	static struct crash_log shape;
	const char *dir = wt_env("TEST_DIR");
	unsigned int writes = 0, locks = 0;
	int dirfd, fd, direct;
	uint8_t buf[LEN];
	pthread_t thread, awake;
	uint64_t queued;

	shape.disk_bytes = 64 << 20;
	shape.block = 512;
	must(atexit(set_back));
	set_file(WORK_CPUS, "1");
	image_init(&image, shape.disk_bytes, NULL);
	nbd_start(&nbd, "/dev/" DEVICE, &shape);
	want(pthread_create(&thread, NULL, disk, NULL), 0);
	if (system("mkfs.xfs -q -f -K --unsupported -d agcount=2 -l size=8m /dev/" DEVICE
		   " >/dev/null"))
		fail("mkfs.xfs");
	must(mount("/dev/" DEVICE, dir, "xfs", 0, NULL));
	/* What ends a request runs where the request was answered. */
	set_file(AFFINITY, "0");
	dirfd = must(open(dir, O_RDONLY | O_DIRECTORY));
	fd = must(openat(dirfd, "file", O_RDWR | O_CREAT, 0644));
	wt_fill(buf, LEN, 0, ROUNDS + 1);
	want(wt_raw_pwrite(fd, buf, LEN, 0, 0), LEN);
	must(syncfs(dirfd));
	direct = must(openat(dirfd, "file", O_WRONLY | O_DIRECT));

	on_processor(1);
	want(pthread_create(&awake, NULL, keep_awake, NULL), 0);
	set_file(WARNINGS, "0");
	set_file(HUNG, "1");
	for (unsigned int nr = 1; nr <= ROUNDS && !writes; nr++)
		writes += wait_for_write(fd, nr);
	queued = find_queued(fd, direct);
	for (unsigned int nr = 1; queued && nr <= ROUNDS && !locks; nr++)
		locks += wait_for_lock(fd, direct, queued, nr);

	done = true;
	want(pthread_join(awake, NULL), 0);
	must(close(direct));
	must(close(fd));
	must(close(dirfd));
	must(umount(dir));
	set_back();
	nbd_stop(&nbd);
	want(pthread_join(thread, NULL), 0);
	if (!writes || !locks)
		fail("nobody looked while its wake-up was under way");
	return 0;
}
