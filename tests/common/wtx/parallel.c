// SPDX-License-Identifier: GPL-2.0-only
/*
 * Threads on one file, all the ways to write at once, others that sync, clone, freeze and
 * drop caches around them.
 *
 * STRIPES: each thread has its own bytes of every page, and finds them as it left them.
 *
 * OVERLAP: all write anywhere.  A byte that is read is that of a write which may have been
 * the last one: it began before the read ended, and no other write to this byte began after
 * it had ended and ended before the read began.  That is what the contract leaves open:
 * overlapping writes in flight are done in some order, page by page.  When nobody writes,
 * the cache and the device hold the same.
 *
 * OVERLAP_DIRECT: direct writes among them, which nothing keeps apart from the page cache.
 * Each byte is that of some write since the last quiet moment, or what it was then.
 */
#include "wtx.h"

#include <linux/falloc.h>
#include <linux/fs.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <time.h>

#define STRIPE 1024
#define ROWS 128
#define MAX_LANES 32
#define DEPTH 6

static char path[4000];
static int lanes, method;
static atomic_int stop;
static _Atomic uint64_t writes;
static uint8_t *map;
static int64_t length;

struct lane;

struct way {
	const char *name;
	/* a result, or 0 if it comes later */
	ssize_t (*write)(struct lane *l, uint8_t *buf, int64_t pos, size_t len,
			 uint64_t nr);
	const char *engine;
	int flags;
	bool worker;
	/* by the descriptor for it */
	bool direct;
};

struct lane {
	int nr;
	int fd, fd_direct;
	const struct way *way;
	struct async engine;
	unsigned int random;
	uint8_t *bufs[DEPTH];
	/* What is in flight, by buffer: a row, or a record. */
	bool busy[DEPTH];
	int what[DEPTH];
	pthread_t thread;
	/* STRIPES: with what each was written last. */
	uint64_t version[ROWS];
};

static uint64_t rnd(struct lane *l, uint64_t n)
{
	return rand_r(&l->random) % n;
}

static int fd_of(const struct lane *l)
{
	return l->way->direct ? l->fd_direct : l->fd;
}

static ssize_t by_call(struct lane *l, uint8_t *buf, int64_t pos, size_t len,
		       uint64_t nr)
{
	(void)nr;
	return wt_raw_pwrite(fd_of(l), buf, len, pos, l->way->flags);
}

static ssize_t by_store(struct lane *l, uint8_t *buf, int64_t pos, size_t len,
			uint64_t nr)
{
	(void)l;
	(void)nr;
	memcpy(map + pos, buf, len);
	return len;
}

/* Only zeroes can be written so. */
static ssize_t by_punch(struct lane *l, uint8_t *buf, int64_t pos, size_t len,
			uint64_t nr)
{
	int mode = nr % 2 ? FALLOC_FL_PUNCH_HOLE : FALLOC_FL_ZERO_RANGE;

	(void)buf;
	must(fallocate(l->fd, mode | FALLOC_FL_KEEP_SIZE, pos, len));
	return len;
}

static ssize_t by_request(struct lane *l, uint8_t *buf, int64_t pos, size_t len,
			  uint64_t nr)
{
	if (l->way->worker) {
		async_sqe(&l->engine, fd_of(l), nr, buf, len, pos,
			  l->way->flags)
			->flags = IOSQE_ASYNC;
		want(async_enter(&l->engine, 0), 1);
	} else {
		want(async_submit(&l->engine, fd_of(l), nr, buf, len, pos,
				  l->way->flags),
		     0);
	}
	return 0;
}

static const struct way ways[] = {
	{ "through", by_call, NULL, RWF_WRITETHROUGH, false, false },
	{ "through, durable", by_call, NULL, RWF_WRITETHROUGH | RWF_DSYNC,
	  false, false },
	{ "through, not waiting", by_call, NULL, RWF_WRITETHROUGH | RWF_NOWAIT,
	  false, false },
	{ "libaio", by_request, "aio", RWF_WRITETHROUGH, false, false },
	{ "libaio, durable", by_request, "aio", RWF_DSYNC, false, false },
	{ "io_uring", by_request, "uring", RWF_WRITETHROUGH, false, false },
	{ "io_uring, durable", by_request, "uring",
	  RWF_WRITETHROUGH | RWF_DSYNC, false, false },
	{ "io_uring, by workers", by_request, "uring", RWF_WRITETHROUGH, true,
	  false },
	{ "buffered", by_call, NULL, 0, false, false },
	{ "mapping", by_store, NULL, 0, false, false },
	{ "holes", by_punch, NULL, 0, false, false },
	/* The last two only for OVERLAP_DIRECT. */
	{ "direct", by_call, NULL, RWF_WRITETHROUGH, false, true },
	{ "direct, by libaio", by_request, "aio", 0, false, true },
};

#define NR_WAYS (int)(sizeof(ways) / sizeof(*ways))

/* The mode is off: what would be refused is ordinary. */
static int effective(int flags)
{
	return fs.off ? flags & ~RWF_WRITETHROUGH : flags;
}

static const char *const readings[] = { "read", "mapping", "direct read" };

/*
 * A store to a hole makes all of its folio delayed allocations, and does not wait for a
 * direct read that has written out what was dirty before.  That read finds them, and fails,
 * as in the stock kernel: "Direct I/O collision with buffered writes!"  They are written
 * out before the next one.
 */
static ssize_t read_by_call(const struct lane *l, bool direct, uint8_t *buf,
			    int64_t pos, size_t len)
{
	int tries = direct && method == STRIPES ? 10 : 1;
	ssize_t ret;

	do {
		ret = pread(direct ? l->fd_direct : l->fd, buf, len, pos);
		if (ret < 0)
			ret = -errno;
	} while (ret == -EIO && --tries);
	return ret;
}

static int read_in_some_way(struct lane *l, uint8_t *buf, int64_t pos,
			    size_t len)
{
	int how = rnd(l, 3);

	/* Aligned to sectors or not at all. */
	if (how == 2 && (pos % fs.sector || len % fs.sector))
		how = 0;
	if (how == 1)
		memcpy(buf, map + pos, len);
	else
		want(read_by_call(l, how == 2, buf, pos, len), (ssize_t)len);
	return how;
}

/* --- STRIPES ------------------------------------------------------------------- */

/* Lane n has the n-th stripe of every row, so that a page has several lanes. */
static int64_t where(const struct lane *l, int row)
{
	return ((int64_t)row * lanes + l->nr) * STRIPE;
}

static void check_stripe(struct lane *l, uint8_t *buf, const char *when,
			 int row)
{
	int64_t pos = where(l, row);
	int how = read_in_some_way(l, buf, pos, STRIPE);
	ssize_t i = wt_differs(buf, STRIPE, pos, l->version[row]);

	if (i >= 0)
		fail("%s, %s: row %d, byte %lld is 0x%02x by %s, expected 0x%02x of version %llu",
		     l->way->name, when, row, (long long)(pos + i), buf[i],
		     readings[how], wt_pattern(pos + i, l->version[row]),
		     (unsigned long long)l->version[row]);
}

static bool row_busy(const struct lane *l, int row)
{
	for (int i = 0; i < DEPTH; i++)
		if (l->busy[i] && l->what[i] == row)
			return true;
	return false;
}

static void stripe_written(struct lane *l, uint8_t *buf, int row, uint64_t seed,
			   ssize_t ret)
{
	if (ret == -EAGAIN && (l->way->flags & RWF_NOWAIT))
		seed = l->version[row];
	else if (ret != STRIPE)
		fail("%s: a result of %zd", l->way->name, ret);
	else
		atomic_fetch_add(&writes, 1);
	l->version[row] = seed;
	check_stripe(l, buf, "after", row);
}

static void *stripe_thread(void *arg)
{
	struct lane *l = arg;
	uint64_t seeds[DEPTH], seed = l->nr + 1, nr;
	bool zeroes = l->way->write == by_punch;
	int in_flight = 0;
	ssize_t ret;

	while (!atomic_load(&stop) || in_flight) {
		int row = rnd(l, ROWS), slot = 0;

		if (in_flight &&
		    (in_flight == DEPTH || atomic_load(&stop) || !rnd(l, 4))) {
			ret = async_reap(&l->engine, &nr);
			l->busy[nr] = false;
			in_flight--;
			stripe_written(l, l->bufs[nr], l->what[nr], seeds[nr],
				       ret);
			continue;
		}
		if (row_busy(l, row))
			continue;
		while (l->busy[slot])
			slot++;
		seed += MAX_LANES;
		check_stripe(l, l->bufs[slot], "before", row);
		seeds[slot] = zeroes && l->version[row] ? 0 : seed;
		wt_fill(l->bufs[slot], STRIPE, where(l, row), seeds[slot]);
		/* What was a hole is filled through. */
		if (zeroes && seeds[slot])
			ret = wt_raw_pwrite(l->fd, l->bufs[slot], STRIPE,
					    where(l, row),
					    effective(RWF_WRITETHROUGH));
		else
			ret = l->way->write(l, l->bufs[slot], where(l, row),
					    STRIPE, slot);
		if (ret) {
			stripe_written(l, l->bufs[slot], row, seeds[slot], ret);
			continue;
		}
		l->busy[slot] = true;
		l->what[slot] = row;
		in_flight++;
	}
	return NULL;
}

/* --- OVERLAP --------------------------------------------------------------------- */

#define UNIT 64
#define REGION (96 << 10)
#define MOST (12 << 10)
#define ROUND 60
#define MAX_RECORDS (MAX_LANES * ROUND + 1)

/* A write of this round.  The first one is what was there before: see base. */
static struct record {
	int64_t pos, end;
	/* ticks of the clock; none for what has had no effect */
	uint64_t start, stop;
	uint64_t seed;
} records[MAX_RECORDS];
static int nr_records;
static uint64_t tick;
static uint64_t rounds;
static bool last_round;
static uint8_t base[REGION];
static pthread_mutex_t records_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_barrier_t quiet;

static int record_start(int64_t pos, int64_t end, uint64_t seed)
{
	int i;

	pthread_mutex_lock(&records_lock);
	i = nr_records++;
	records[i] = (struct record){ pos, end, ++tick, UINT64_MAX, seed };
	pthread_mutex_unlock(&records_lock);
	return i;
}

static void record_stop(int i, bool effect)
{
	pthread_mutex_lock(&records_lock);
	records[i].stop = ++tick;
	if (!effect)
		records[i].start = UINT64_MAX;
	pthread_mutex_unlock(&records_lock);
}

static uint64_t clock_now(void)
{
	uint64_t t;

	pthread_mutex_lock(&records_lock);
	t = ++tick;
	pthread_mutex_unlock(&records_lock);
	return t;
}

static uint8_t byte_of(const struct record *r, int64_t pos)
{
	return r == records ? base[pos] : wt_pattern(pos, r->seed);
}

/* The records that may be seen in the unit at @pos, read between @from and @to. */
static int candidates(const struct record **list, const struct record *r, int n,
		      int64_t pos, uint64_t from, uint64_t to)
{
	uint64_t last = 0;
	int found = 0;

	for (int i = 0; i < n; i++)
		if (r[i].pos <= pos && pos < r[i].end && r[i].stop < from &&
		    r[i].start > last && r[i].start != UINT64_MAX)
			last = r[i].start;
	if (method == OVERLAP_DIRECT)
		last = 0;
	for (int i = 0; i < n; i++)
		if (r[i].pos <= pos && pos < r[i].end && r[i].start < to &&
		    r[i].stop >= last)
			list[found++] = i ? &r[i] : records;
	return found;
}

static void check_bytes(const uint8_t *buf, int64_t pos, size_t len,
			uint64_t from, uint64_t to, const char *how)
{
	struct record *seen;
	const struct record **list;
	int n;

	pthread_mutex_lock(&records_lock);
	n = nr_records;
	seen = malloc(n * sizeof(*seen));
	memcpy(seen, records, n * sizeof(*seen));
	pthread_mutex_unlock(&records_lock);
	list = malloc(n * sizeof(*list));
	for (size_t u = 0; u < len; u += UNIT) {
		int found = candidates(list, seen, n, pos + u, from, to);

		for (size_t i = u; i < u + UNIT; i++) {
			int c = 0;

			while (c < found && byte_of(list[c], pos + i) != buf[i])
				c++;
			if (c == found)
				fail("by %s: byte %lld is 0x%02x, which is none of the %d writes that it can be; it was 0x%02x",
				     how, (long long)(pos + i), buf[i], found,
				     base[pos + i]);
		}
	}
	free(list);
	free(seen);
}

static void overlap_read(struct lane *l, uint8_t *buf)
{
	int64_t pos = rnd(l, REGION / UNIT) * UNIT;
	size_t len = (1 + rnd(l, MOST / UNIT)) * UNIT;
	uint64_t from;
	int how;

	if (rnd(l, 2)) {
		pos -= pos % fs.page;
		len = fs.page;
	}
	if ((int64_t)len > REGION - pos)
		len = REGION - pos;
	from = clock_now();
	how = read_in_some_way(l, buf, pos, len);
	check_bytes(buf, pos, len, from, clock_now(), readings[how]);
}

static void overlap_written(struct lane *l, int record, ssize_t ret)
{
	const struct record *r = &records[record];
	bool again = ret == -EAGAIN && (l->way->flags & RWF_NOWAIT);
	/*
	 * A direct write that cannot drop the cache, because of a store, leaves EIO for the
	 * file, and one that goes by the cache meanwhile cannot tell it from its own.
	 */
	bool told = ret == -EIO && l->way->direct;

	if (!again && !told && ret != r->end - r->pos)
		fail("%s: a result of %zd, expected %lld", l->way->name, ret,
		     (long long)(r->end - r->pos));
	if (!again)
		atomic_fetch_add(&writes, 1);
	record_stop(record, !again);
}

static void overlap_round(struct lane *l)
{
	int in_flight = 0, begun = 0;
	ssize_t ret;
	uint64_t nr;

	while (begun < ROUND || in_flight) {
		size_t unit = l->way->direct ? fs.sector : UNIT;
		int64_t pos = rnd(l, REGION / unit) * unit;
		size_t len = (1 + rnd(l, MOST / unit)) * unit;
		uint64_t seed;
		int slot = 0, record;

		if (in_flight &&
		    (in_flight == DEPTH - 1 || begun == ROUND || !rnd(l, 4))) {
			ret = async_reap(&l->engine, &nr);
			l->busy[nr] = false;
			in_flight--;
			overlap_written(l, l->what[nr], ret);
			continue;
		}
		if (!rnd(l, 4))
			overlap_read(l, l->bufs[DEPTH - 1]);
		begun++;
		/* The last buffer is for reading. */
		while (l->busy[slot])
			slot++;
		if ((int64_t)len > REGION - pos)
			len = REGION - pos;
		seed = l->way->write == by_punch ?
			       0 :
			       rounds * MAX_RECORDS + l->nr * ROUND + begun + 1;
		wt_fill(l->bufs[slot], len, pos, seed);
		record = record_start(pos, pos + len, seed);
		ret = l->way->write(l, l->bufs[slot], pos, len, slot);
		if (ret) {
			overlap_written(l, record, ret);
			continue;
		}
		l->busy[slot] = true;
		l->what[slot] = record;
		in_flight++;
	}
}

/* Nobody writes: what there is now is what the next round begins with. */
static void overlap_quiet(struct lane *l)
{
	static uint8_t buf[REGION], cold[REGION] __attribute__((aligned(4096)));
	uint64_t now = clock_now();

	want(pread(l->fd, buf, REGION, 0), REGION);
	if (method == OVERLAP) {
		check_bytes(buf, 0, REGION, now, now, "read when quiet");
		if (memcmp(buf, map, REGION))
			fail("the mapping differs from what is read");
		want(pread(l->fd_direct, cold, REGION, 0), REGION);
		if (memcmp(buf, cold, REGION))
			fail("the device differs from what is read");
	}
	/* EIO: direct writes met the page cache. */
	if (fsync(l->fd) && !(method == OVERLAP_DIRECT && errno == EIO))
		fail("fsync: %s", strerrorname_np(errno));
	must(posix_fadvise(l->fd, 0, 0, POSIX_FADV_DONTNEED));
	want(pread(l->fd, cold, REGION, 0), REGION);
	if (method == OVERLAP && memcmp(buf, cold, REGION))
		fail("the device differs from what was in the cache");
	check_bytes(cold, 0, REGION, now, now, "read when quiet");
	memcpy(base, cold, REGION);
	nr_records = 1;
	rounds++;
}

static void *overlap_thread(void *arg)
{
	struct lane *l = arg;
	do {
		overlap_round(l);
		pthread_barrier_wait(&quiet);
		if (!l->nr) {
			overlap_quiet(l);
			/* One says it for all. */
			last_round = atomic_load(&stop);
		}
		pthread_barrier_wait(&quiet);
	} while (!last_round);
	return NULL;
}

/* --- Around them ------------------------------------------------------------------- */

/* Appends behind what the others have and cuts the file back to that. */
static void *tail_thread(void *arg)
{
	int fd = must(open(path, O_RDWR | O_APPEND));
	uint8_t buf[3000];
	struct stat st;

	(void)arg;
	for (unsigned int i = 1; !atomic_load(&stop); i++) {
		ssize_t len = 1 + i % sizeof(buf);

		wt_fill(buf, len, length, i);
		want(wt_raw_pwrite(fd, buf, len, 0,
				   effective(RWF_WRITETHROUGH)),
		     len);
		want(pread(fd, buf, sizeof(buf), length), len);
		if (wt_differs(buf, len, length, i) >= 0)
			fail("the tail differs");
		must(ftruncate(fd, length));
		must(fstat(fd, &st));
		if (st.st_size != length)
			fail("size %lld after truncate, expected %lld",
			     (long long)st.st_size, (long long)length);
	}
	close(fd);
	return NULL;
}

static void *around_thread(void *arg)
{
	int fd = must(open(path, O_RDWR)), clone, drop, dir;
	char name[4096];

	(void)arg;
	snprintf(name, sizeof(name), "%s.clone", path);
	clone = must(open(name, O_RDWR | O_CREAT | O_TRUNC, 0644));
	drop = must(open("/proc/sys/vm/drop_caches", O_WRONLY));
	dir = must(open(fs.dir, O_RDONLY));
	for (int i = 0; !atomic_load(&stop); i++) {
		switch (i % 8) {
		case 0:
			if (fsync(fd) &&
			    !(method == OVERLAP_DIRECT && errno == EIO))
				fail("fsync: %s", strerrorname_np(errno));
			break;
		case 1:
			must(ftruncate(clone, 0));
			if (ioctl(clone, FICLONE, fd) && errno != EOPNOTSUPP &&
			    !(method == OVERLAP_DIRECT && errno == EIO))
				fail("clone: %s", strerrorname_np(errno));
			break;
		case 2:
			must(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED));
			break;
		case 3:
			must(sync_file_range(fd, 0, 0, SYNC_FILE_RANGE_WRITE));
			break;
		case 4:
			must(write(drop, "1", 1));
			break;
		case 5:
			must(readahead(fd, 0, length));
			break;
		case 6:
			must(syncfs(dir));
			break;
		case 7:
			if (i % 64 != 7)
				break;
			must(ioctl(dir, FIFREEZE, 0));
			must(ioctl(dir, FITHAW, 0));
			break;
		}
		usleep(2000);
	}
	return NULL;
}

static void lane_start(struct lane *l, int nr, const struct way *way,
		       uint64_t seed)
{
	struct way *w = malloc(sizeof(*w));

	*w = *way;
	w->flags = effective(way->flags);
	l->nr = nr;
	l->way = w;
	l->random = seed * MAX_LANES + nr;
	l->fd = must(open(path, O_RDWR));
	l->fd_direct = must(open(path, O_RDWR | O_DIRECT));
	for (int i = 0; i < DEPTH; i++)
		if (posix_memalign((void **)&l->bufs[i], 4096, MOST))
			fail("no memory");
	if (way->engine)
		async_start(&l->engine, way->engine, DEPTH);
	must(-pthread_create(&l->thread, NULL,
			     method == STRIPES ? stripe_thread : overlap_thread,
			     l));
}

int parallel(int how, int seconds, int writers, uint64_t seed)
{
	static struct lane lane[MAX_LANES];
	int nr_ways = how == OVERLAP_DIRECT ? NR_WAYS : NR_WAYS - 2, fd;
	pthread_t tail, around;

	method = how;
	lanes = nr_ways * writers;
	if (lanes > MAX_LANES)
		fail("at most %d threads of each kind are possible",
		     MAX_LANES / nr_ways);
	length = how == STRIPES ? (int64_t)lanes * ROWS * STRIPE : REGION;
	snprintf(path, sizeof(path), "%s/wtx.a", fs.dir);
	unlink(path);
	fd = must(open(path, O_RDWR | O_CREAT, 0644));
	must(ftruncate(fd, length));
	map = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED)
		fail("mmap: %s", strerrorname_np(errno));
	/* Where there are large folios, faults make them. */
	madvise(map, length, MADV_HUGEPAGE);
	madvise(map, length, MADV_POPULATE_READ);
	records[nr_records++] = (struct record){ .end = REGION };
	must(-pthread_barrier_init(&quiet, NULL, lanes));
	for (int i = 0; i < lanes; i++)
		lane_start(&lane[i], i, &ways[i % nr_ways], seed);
	must(-pthread_create(&tail, NULL, tail_thread, NULL));
	must(-pthread_create(&around, NULL, around_thread, NULL));
	sleep(seconds);
	atomic_store(&stop, 1);
	for (int i = 0; i < lanes; i++)
		pthread_join(lane[i].thread, NULL);
	pthread_join(tail, NULL);
	pthread_join(around, NULL);
	for (int cold = 0; how == STRIPES && cold < 2; cold++) {
		for (int i = 0; i < lanes; i++)
			for (int row = 0; row < ROWS; row++)
				check_stripe(&lane[i], lane[i].bufs[0],
					     cold ? "cold" : "at the end", row);
		must(fsync(fd));
		must(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED));
	}
	printf("%llu writes by %d threads, block size %zu\n",
	       (unsigned long long)writes, lanes, fs.block);
	printf("count: verified writes of threads %llu\n",
	       (unsigned long long)writes);
	return 0;
}
