// SPDX-License-Identifier: GPL-2.0-only
/*
 * The wake-up of a writer, made slow, comes when the writer has already seen that its
 * write has ended, and waits for the log in fsync(): of a disk that keeps back what is
 * written to the log.
 *
 *	the writer, processor 1		the disk and completions, processor 0
 *	0 ms	a durable write
 *	100 ms				another thread's fsync() writes to the log
 *	350 ms				the write ends, the wake-up begins
 *	500 ms	looks by itself, as io_schedule_timeout() ends: it has ended
 *		fsync() waits for the log
 *	650 ms				the wake-up comes
 *	1100 ms				the log is written
 *
 * Fails if fsync() returns before the log is written, or if the writer has never looked
 * while its wake-up was under way.
 *
 * need: lab qemu
 * need: smp 2
 * timeout: 240
 */
#include "../common/nbd.h"
#include "../common/slow.h"

#include <poll.h>
#include <sched.h>
#include <stdatomic.h>
#include <time.h>

#define MS 1000000ULL
#define LEN 4096
#define SYNC_MS 100
#define DATA_MS 350
#define LOG_MS 1000
#define WAKE_MS 300
/* Half of what kernel.hung_task_timeout_secs is set to */
#define LOOK_MS 500

#define WORK_CPUS "/sys/devices/virtual/workqueue/cpumask"
#define DEVICE "nbd0"

struct held {
	struct nbd_job job;
	uint64_t due;
	bool first_of_log;
};

static struct nbd nbd;
static struct image image;
static uint8_t data[32 << 20];
static struct held held[64];
static unsigned int nr_held;
/* What is written is kept back: the writer's by its content, the rest as the log. */
static atomic_bool hold;
static atomic_uint seed;
/* The first write to the log meanwhile: has it come, and is it kept back? */
static atomic_bool log_came, log_held;
static const char *dir;

static uint64_t now(void)
{
	struct timespec t;

	must(clock_gettime(CLOCK_MONOTONIC, &t));
	return t.tv_sec * 1000 * MS + t.tv_nsec;
}

static void sleep_until(uint64_t t)
{
	struct timespec until = { t / (1000 * MS), t % (1000 * MS) };

	must(-clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL));
}

static void on_processor(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	must(sched_setaffinity(0, sizeof(set), &set));
}

/* Returns what was there. */
static char *set_file(const char *path, const char *value)
{
	char old[64] = "";
	int fd = must(open(path, O_RDWR));

	must(read(fd, old, sizeof(old) - 1));
	old[strcspn(old, "\n")] = 0;
	want(pwrite(fd, value, strlen(value), 0), strlen(value));
	must(close(fd));
	return strdup(old);
}

static void answer_what_is_due(void)
{
	for (unsigned int i = 0; i < nr_held;) {
		struct held h = held[i];

		if (h.due > now() && hold) {
			i++;
			continue;
		}
		held[i] = held[--nr_held];
		if (h.first_of_log)
			log_held = false;
		nbd_answer(&nbd, &h.job, NULL);
	}
}

static bool serve_one(void)
{
	struct nbd_job job;
	struct held *h;

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
	if (!hold) {
		nbd_answer(&nbd, &job, NULL);
		return true;
	}
	if (nr_held == sizeof(held) / sizeof(*held))
		fail("too many requests");
	h = &held[nr_held++];
	*h = (struct held){ .job = job, .due = now() + LOG_MS * MS };
	if (job.len == LEN && wt_differs(data, LEN, 0, seed) < 0) {
		h->due = now() + DATA_MS * MS;
	} else if (!log_came) {
		h->first_of_log = true;
		log_came = true;
		log_held = true;
	}
	return true;
}

static void *disk(void *unused)
{
	struct pollfd fd = { .fd = nbd.sock, .events = POLLIN };

	on_processor(0);
	do {
		while (!poll(&fd, 1, 1))
			answer_what_is_due();
		answer_what_is_due();
	} while (serve_one());
	return unused;
}

/* Writes to the log, early enough for the writer to find it on its way to the disk. */
static void *syncer(void *arg)
{
	on_processor(0);
	sleep_until(now() + SYNC_MS * MS);
	must(fsync(*(int *)arg));
	return NULL;
}

/* Was the writer looking while its wake-up was under way? */
static bool round_of(int file, int other, const struct slow *slow,
		     unsigned int nr)
{
	uint64_t count = slow_seen(slow).count, begun, look;
	uint8_t buf[LEN];
	bool early;
	pthread_t thread;
	struct slow_seen seen;

	seed = nr + 1;
	wt_fill(buf, LEN, 0, seed);
	must(fchmod(other, nr & 1 ? 0600 : 0644));
	log_came = false;
	hold = true;
	want(pthread_create(&thread, NULL, syncer, &other), 0);
	begun = now();
	want(wt_raw_pwrite(file, buf, LEN, 0, RWF_WRITETHROUGH | RWF_DSYNC),
	     LEN);
	must(fsync(other));
	early = log_held;
	hold = false;
	want(pthread_join(thread, NULL), 0);

	seen = slow_seen(slow);
	look = begun + LOOK_MS * MS;
	printf("round %u: %zu wake-ups, %zd to %zd ms\n", nr,
	       (size_t)(seen.count - count),
	       (ssize_t)(seen.begun - begun) / (ssize_t)MS,
	       (ssize_t)(seen.ended - begun) / (ssize_t)MS);
	if (early)
		fail("fsync() returned before the log was written");
	return seen.count == count + 1 && seen.begun < look &&
	       seen.ended > look + 20 * MS;
}

int main(void)
{
	static struct crash_log shape = { .disk_bytes = 64 << 20,
					  .block = 512 };
	char *work_cpus, *timeout, *warnings;
	unsigned int looked = 0;
	int dirfd, file, other;
	uint8_t buf[LEN];
	struct slow slow;
	pthread_t thread;

	dir = wt_env("TEST_DIR");
	work_cpus = set_file(WORK_CPUS, "1");
	warnings = set_file("/proc/sys/kernel/hung_task_warnings", "0");
	image_init(&image, shape.disk_bytes, NULL);
	nbd_start(&nbd, "/dev/" DEVICE, &shape);
	want(pthread_create(&thread, NULL, disk, NULL), 0);
	if (system("mkfs.xfs -q -f -K --unsupported -d agcount=2 -l size=8m /dev/" DEVICE))
		fail("mkfs.xfs");
	must(mount("/dev/" DEVICE, dir, "xfs", 0, NULL));
	/* What ends a request runs where the request was answered. */
	free(set_file("/sys/block/" DEVICE "/queue/rq_affinity", "0"));
	dirfd = must(open(dir, O_RDONLY | O_DIRECTORY));
	other = must(openat(dirfd, "other", O_RDWR | O_CREAT, 0644));
	file = must(openat(dirfd, "file", O_RDWR | O_CREAT, 0644));
	wt_fill(buf, LEN, 0, 1);
	want(wt_raw_pwrite(file, buf, LEN, 0, 0), LEN);
	must(syncfs(dirfd));

	timeout = set_file("/proc/sys/kernel/hung_task_timeout_secs", "1");
	slow_start(&slow, "wake_up_process", "iomap_writethrough_end_ioend",
		   WAKE_MS * MS);
	on_processor(1);
	for (unsigned int nr = 1; nr <= 20 && looked < 3; nr++)
		looked += round_of(file, other, &slow, nr);
	slow_stop(&slow, "wake_up_process");
	free(set_file("/proc/sys/kernel/hung_task_timeout_secs", timeout));
	if (looked < 3)
		fail("the writer never looked while its wake-up was under way");

	must(close(file));
	must(close(other));
	must(close(dirfd));
	must(umount(dir));
	nbd_stop(&nbd);
	want(pthread_join(thread, NULL), 0);
	free(set_file("/proc/sys/kernel/hung_task_warnings", warnings));
	free(set_file(WORK_CPUS, work_cpus));
	return 0;
}
