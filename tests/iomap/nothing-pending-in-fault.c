// SPDX-License-Identifier: GPL-2.0-only
/*
 * A write-through write has sent every folio it marked before it faults in more of
 * its buffer, and before it waits for a folio that it marked itself.
 *
 * The fault is held by userfaultfd until a store to the folios before has ended,
 * and that waits for their I/O.  If one was marked and not sent, the store, the
 * fault and the write wait for each other, and this test runs into its limit.
 *
 * need: disk nullblk,cache,size=512M
 * timeout: 30
 */
#include "../common/wttest.h"

#include <linux/userfaultfd.h>
#include <pthread.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#define PAGE 4096
#define LEN (2 * PAGE)
/*
 * With large folios a write faults in what the largest of them could take, before
 * it copies any of it.  Between these two pages a folio of any size ends.
 */
#define POS ((64L << 20) - PAGE)

static int fd;
static uint8_t *buf, *file_map, *data;

static void *write_thread(void *arg)
{
	size_t shift = *(size_t *)arg;

	want(wt_raw_pwrite(fd, buf + shift, LEN, POS, RWF_WRITETHROUGH), LEN);
	return NULL;
}

/*
 * The page of the buffer at @absent is not there when the write begins, which
 * starts @shift bytes into the buffer.
 */
static void one(int uffd, size_t absent, size_t shift, uint64_t seed)
{
	struct uffdio_copy copy = { .len = PAGE };
	struct uffd_msg msg;
	pthread_t writer;
	uint8_t got[LEN];

	wt_fill(data, LEN + PAGE, 0, seed);
	for (size_t i = 0; i < LEN + PAGE; i += PAGE)
		if (i != absent)
			memcpy(buf + i, data + i, PAGE);
	must(madvise(buf + absent, PAGE, MADV_DONTNEED));

	must(-pthread_create(&writer, NULL, write_thread, &shift));
	want(read(uffd, &msg, sizeof(msg)), sizeof(msg));
	want(msg.event, UFFD_EVENT_PAGEFAULT);
	want(msg.arg.pagefault.address & ~(PAGE - 1UL),
	     (uintptr_t)buf + absent);
	/* What was copied already is on its way, not waiting for this fault. */
	*(volatile uint8_t *)file_map = 1;
	copy.dst = (uintptr_t)buf + absent;
	copy.src = (uintptr_t)data + absent;
	must(ioctl(uffd, UFFDIO_COPY, &copy));
	must(-pthread_join(writer, NULL));

	want(pread(fd, got, LEN, POS), LEN);
	want(got[0], 1);
	if (memcmp(got + 1, data + shift + 1, LEN - 1))
		fail("shift %zu: the file is not what was written", shift);
}

int main(void)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg = { .mode = UFFDIO_REGISTER_MODE_MISSING };
	char path[4096];
	int uffd;

	snprintf(path, sizeof(path), "%s/file", wt_env("TEST_DIR"));
	fd = must(open(path, O_RDWR | O_CREAT, 0644));
	data = malloc(LEN + PAGE);
	wt_fill(data, LEN, 0, 1);
	want(pwrite(fd, data, LEN, POS), LEN);
	must(fsync(fd));
	file_map = mmap(NULL, LEN, PROT_READ | PROT_WRITE, MAP_SHARED, fd, POS);
	buf = mmap(NULL, LEN + PAGE, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (file_map == MAP_FAILED || buf == MAP_FAILED)
		fail("mmap: %s", strerrorname_np(errno));
	memset(buf, 1, LEN + PAGE);

	uffd = must(syscall(SYS_userfaultfd, O_CLOEXEC));
	must(ioctl(uffd, UFFDIO_API, &api));
	reg.range.start = (uintptr_t)buf;
	reg.range.len = LEN + PAGE;
	must(ioctl(uffd, UFFDIO_REGISTER, &reg));

	/* The second folio's data, all of it. */
	one(uffd, PAGE, 0, 2);
	/* Half of it: the copy comes out short inside of the folio. */
	one(uffd, 2 * PAGE, PAGE / 2, 3);
	return 0;
}
