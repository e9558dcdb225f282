// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a read sees of a write that is in the middle of its copy: of a buffered write
 * without the flag nothing, it waits; of a write-through write inside the file the part that is
 * there.  So does another write-through write, which gets in between; one that moves
 * the end of the file keeps both out.
 *
 * The copy is stopped before the last page by userfaultfd.  Fails if a reader sees half of
 * a write without the flag, if it has to wait for a write-through write, or if two of these wait
 * for each other.
 *
 * need: disk nullblk,cache,size=512M
 * timeout: 30
 */
#include "../common/wttest.h"

#include <linux/userfaultfd.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#define PAGE 4096
/* More than the largest folio: all of one is faulted in before any of it is copied. */
#define FIRST (4 << 20)
#define LEN (FIRST + PAGE)

static int fd, uffd;
static uint8_t *buf, *data;

struct op {
	pthread_t thread;
	off_t pos;
	int flags;
	uint8_t *got;
	int done;
};

static void *write_thread(void *arg)
{
	struct op *op = arg;

	want(wt_raw_pwrite(fd, buf, LEN, op->pos, op->flags), LEN);
	return NULL;
}

static void *read_thread(void *arg)
{
	struct op *op = arg;

	want(pread(fd, op->got, LEN, op->pos), LEN);
	__atomic_store_n(&op->done, 1, __ATOMIC_RELEASE);
	return NULL;
}

static void *other_thread(void *arg)
{
	struct op *op = arg;

	memset(op->got, 'o', PAGE);
	want(wt_raw_pwrite(fd, op->got, PAGE, op->pos, RWF_WRITETHROUGH), PAGE);
	__atomic_store_n(&op->done, 1, __ATOMIC_RELEASE);
	return NULL;
}

static void start(struct op *op, void *(*thread)(void *))
{
	op->done = 0;
	op->got = malloc(LEN);
	must(-pthread_create(&op->thread, NULL, thread, op));
}

/* Is it over, if it is given the time?  A slow machine must not make it seem so. */
static int over(struct op *op, bool expected)
{
	for (int i = 0; i < (expected ? 1500 : 25); i++) {
		if (__atomic_load_n(&op->done, __ATOMIC_ACQUIRE))
			return 1;
		poll(NULL, 0, 10);
	}
	return 0;
}

/*
 * A write of 'n', stopped before its last page.  @gets_in: do the others, before
 * it goes on?  What the reader sees is checked if it reads the same pages.
 */
static void stopped(off_t pos, int flags, bool gets_in)
{
	struct uffdio_copy copy = { .dst = (uintptr_t)buf + FIRST,
				    .src = (uintptr_t)data,
				    .len = PAGE };
	struct op writer = { .pos = pos, .flags = flags };
	struct op reader = { .pos = 0 }, other = { .pos = LEN + PAGE };
	uint8_t *got = malloc(LEN);
	struct uffd_msg msg;

	memset(data, 'a', LEN);
	want(pwrite(fd, data, LEN, 0), LEN);
	must(fsync(fd));
	memset(data, 'n', LEN);
	memcpy(buf, data, FIRST);
	must(madvise(buf + FIRST, PAGE, MADV_DONTNEED));

	start(&writer, write_thread);
	want(read(uffd, &msg, sizeof(msg)), sizeof(msg));
	want(msg.event, UFFD_EVENT_PAGEFAULT);

	start(&reader, read_thread);
	start(&other, other_thread);
	want(over(&reader, gets_in), gets_in);
	want(over(&other, gets_in), gets_in);

	must(ioctl(uffd, UFFDIO_COPY, &copy));
	must(-pthread_join(writer.thread, NULL));
	must(-pthread_join(reader.thread, NULL));
	must(-pthread_join(other.thread, NULL));
	want(pread(fd, got, LEN, pos), LEN);
	want(memcmp(got, data, LEN), 0);

	if (!pos) {
		want(reader.got[0], 'n');
		want(reader.got[FIRST], gets_in ? 'a' : 'n');
	}
	free(reader.got);
	free(other.got);
	free(writer.got);
	free(got);
}

int main(void)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg = { .mode = UFFDIO_REGISTER_MODE_MISSING };
	char path[4096];

	snprintf(path, sizeof(path), "%s/file", wt_env("TEST_DIR"));
	fd = must(open(path, O_RDWR | O_CREAT, 0644));
	data = calloc(1, LEN + 3 * PAGE);
	want(pwrite(fd, data, LEN + 3 * PAGE, 0), LEN + 3 * PAGE);
	buf = mmap(NULL, LEN, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (buf == MAP_FAILED)
		fail("mmap: %s", strerrorname_np(errno));
	memset(buf, 1, LEN);

	uffd = must(syscall(SYS_userfaultfd, O_CLOEXEC));
	must(ioctl(uffd, UFFDIO_API, &api));
	reg.range.start = (uintptr_t)buf;
	reg.range.len = LEN;
	must(ioctl(uffd, UFFDIO_REGISTER, &reg));

	stopped(0, 0, false);
	stopped(0, RWF_WRITETHROUGH, true);
	stopped(0, RWF_WRITETHROUGH | RWF_DSYNC, true);
	/* This goes through, but those who write so need not know. */
	stopped(0, RWF_DSYNC, false);
	/* From inside the file to behind its end. */
	stopped(LEN + 2 * PAGE, RWF_WRITETHROUGH, false);
	return 0;
}
