// SPDX-License-Identifier: GPL-2.0-only
/*
 * The states that a loss of power could have left of a recorded disk, mounted and judged:
 *
 *	crash-check [OPTION]... LOG DEVICE DIR
 *
 *	-n STATES	how many (50)
 *	-s SEED		which (1)
 *	-p POINT -c CHOICE	this one alone, and what it has
 *	-l LIE		what the disk or the program claims and does not do, to see that
 *			it is found out: fua, flush, ack
 *
 * The model.  A disk has a volatile cache, or none.  A crash at a point finds requests that
 * were answered before it, and others that were received and not answered, in flight.
 *
 * - A write is durable if the disk has no cache and has answered it; if it has FUA and is
 *   answered; or if a flush has been answered that was received after the write was
 *   answered.  It is there.
 * - Any other write that was received may be there, or not, or each of its logical
 *   blocks for itself: they are not torn, and nothing else is kept together or in order.
 *   But a block of XFS's metadata is not torn, even if it has several of the disk's:
 *   recovery leaves one alone whose first part, with the LSN, is new (stock's).
 * - Each write that is there reached the medium at some moment between its arrival and its
 *   answer, or the crash.  So of two to the same block, what came later covers what was
 *   answered before it came, and two that were in flight together have any order.
 *   (A write that was answered first may be on the medium later, but then it was in the
 *   cache when the second came, which took its place.)
 *
 * Points.  Just before and just after each end of a flush or of a FUA write, and after each
 * end of a program's call, which is where most is promised and least is certain.
 * Choices.  0: nothing that is not durable; 1: everything; from 2 on by chance.  A point
 * and a choice always give the same state.
 *
 * Judgement.  An operation is promised when it has ended, if it was durable, or when a sync
 * has ended that began after its end.  At a point
 *
 * - a byte has the value of an operation that had begun and that no promised one came
 *   after (began after its end), or zero, or is not there, if none is promised at all;
 *   so what is promised is there, and nothing that nobody has written;
 * - or, in files that share blocks, that of an operation on the other one, while a promise
 *   is missing to one on this that unshares the block and did not begin after the other's
 *   end: for the other's the block was its own already, and was written in place, but the
 *   log does not have that yet (stock's, too, whatever the I/O);
 * - the size is one that an operation gives; one that is given by a write has its last
 *   bytes.  A large write may have left any of its blocks' ends, and blocks end behind a
 *   write if the file had grown beyond it in memory meanwhile;
 * - a database is sound, has each transaction that was promised and none in part;
 * - the log recovers, and xfs_repair finds nothing.
 */
#include "nbd.h"

#include <spawn.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/wait.h>

#define NEVER UINT32_MAX
#define MAX_FILE (4 << 20)

static struct crash_log *crash;
static const char *device, *dir;

/* --- The recording, in order ------------------------------------------------ */

struct request {
	uint32_t received, answered, durable;
	const struct crash_event *event;
};

struct operation {
	uint32_t start, end, promised;
	const struct crash_event *event;
};

static struct request *writes, *flushes;
static uint32_t nr_writes, nr_flushes;
static struct operation *ops;
static uint32_t nr_ops, begin, last_end;

static bool lie_fua, lie_flush, lie_ack;

/*
 * Lies are about data: a filesystem that is torn to pieces proves nothing, and the
 * kernel complains of it.  Workloads without freezing write no metadata to its place.
 */
static bool is_data(const struct request *w)
{
	static const uint8_t log_record[] = { 0xfe, 0xed, 0xba, 0xbe };
	const struct crash_event *e = w->event;

	return w->received > begin && w->received < last_end &&
	       e->data != CRASH_ZEROES &&
	       memcmp(crash_data(crash) + e->data, log_record, 4);
}

static void read_requests(void)
{
	uint32_t max = 0, *answered;

	for (uint32_t i = 0; i < crash->nr; i++)
		if (crash->events[i].what <= DISK_DONE &&
		    crash->events[i].nr > max)
			max = crash->events[i].nr;
	answered = malloc((max + 1) * sizeof(*answered));
	memset(answered, 0xff, (max + 1) * sizeof(*answered));
	for (uint32_t i = 0; i < crash->nr; i++)
		if (crash->events[i].what == DISK_DONE)
			answered[crash->events[i].nr] = i;
	writes = calloc(crash->nr, sizeof(*writes));
	flushes = calloc(crash->nr, sizeof(*flushes));
	for (uint32_t i = 0; i < crash->nr; i++) {
		const struct crash_event *e = &crash->events[i];
		struct request r = { i, 0, NEVER, e };

		if (e->what > DISK_FLUSH)
			continue;
		r.answered = answered[e->nr];
		if (e->what == DISK_FLUSH)
			flushes[nr_flushes++] = r;
		else
			writes[nr_writes++] = r;
	}
	free(answered);
	for (uint32_t i = 0; i < nr_writes; i++) {
		struct request *w = &writes[i];

		if (!crash->cache ||
		    (w->event->fua && !(lie_fua && is_data(w))))
			w->durable = w->answered;
		if (w->answered == NEVER || (lie_flush && is_data(w)))
			continue;
		for (uint32_t j = 0; j < nr_flushes; j++)
			if (flushes[j].received > w->answered &&
			    flushes[j].answered < w->durable)
				w->durable = flushes[j].answered;
	}
}

static void read_operations(void)
{
	ops = calloc(crash->nr_ops, sizeof(*ops));
	for (uint32_t i = 0; i < crash->nr; i++) {
		const struct crash_event *e = &crash->events[i];

		if (e->what == OP_START) {
			ops[e->nr] = (struct operation){ i, NEVER, NEVER, e };
			nr_ops = e->nr + 1;
		} else if (e->what == OP_END) {
			struct operation *o = &ops[e->nr];

			o->end = i;
			last_end = i;
			if (o->event->op == OP_BEGIN)
				begin = i;
			if (o->event->durable)
				o->promised = lie_ack ? o->start : i;
		}
	}
	if (!begin)
		fail("the recording has no beginning");
	for (uint32_t i = 0; i < nr_ops; i++) {
		const struct operation *s = &ops[i];

		if (s->event->op != OP_SYNC || s->end == NEVER)
			continue;
		for (uint32_t j = 0; j < i; j++)
			if (ops[j].end < s->start &&
			    (s->event->file == CRASH_ALL ||
			     s->event->file == ops[j].event->file) &&
			    s->promised < ops[j].promised)
				ops[j].promised = s->promised;
	}
}

/* --- The disk --------------------------------------------------------------- */

/* What is durable at the point, and over it what a state has and does with it. */
static struct image below, state;
static struct nbd nbd;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
/* The first write that is not in the image below. */
static uint32_t next_write;

static void *serve(void *arg)
{
	uint8_t *buf = NULL;
	struct nbd_job job;

	while (nbd_next(&nbd, &job)) {
		buf = realloc(buf, job.len + 1);
		if (job.type == NBD_CMD_WRITE && !nbd_recv(&nbd, buf, job.len))
			break;
		pthread_mutex_lock(&lock);
		if (job.type == NBD_CMD_READ)
			image_read(&state, buf, job.pos, job.len);
		else if (job.type == NBD_CMD_WRITE)
			image_write(&state, buf, job.pos, job.len);
		pthread_mutex_unlock(&lock);
		nbd_answer(&nbd, &job, job.type == NBD_CMD_READ ? buf : NULL);
	}
	return arg;
}

static void put(struct image *im, const struct crash_event *e, uint64_t from,
		uint64_t len)
{
	image_write(im,
		    e->data == CRASH_ZEROES ?
			    NULL :
			    crash_data(crash) + e->data + from,
		    e->pos + from, len);
}

/* Up to where all writes are durable, and nothing later was in flight with them. */
static uint32_t all_durable(uint32_t point)
{
	uint32_t last = 0, k = 0;

	for (uint32_t i = 0; i < nr_writes; i++) {
		const struct request *w = &writes[i];

		if (w->received >= point)
			break;
		if (w->received > last)
			k = i;
		if (w->durable >= point)
			return k;
		if (w->answered > last)
			last = w->answered;
		if (i + 1 == nr_writes || writes[i + 1].received >= point)
			k = i + 1;
	}
	return k;
}

enum { GONE, WHOLE, TORN };

struct landing {
	const struct request *w;
	uint32_t time;
	int what;
	uint64_t seed;
};

struct state {
	uint32_t point, choice;
	/* Writes that were not durable, lost ones, torn ones */
	unsigned int loose, lost, torn;
	uint64_t hash;
};

static int by_time(const void *a, const void *b)
{
	const struct landing *x = a, *y = b;

	return x->time < y->time ? -1 : x->time > y->time;
}

/* What of the writes from @from on is there, in the order in which it lands. */
static struct landing *choose(struct state *s, uint32_t from, uint32_t *nr)
{
	static struct landing *list;
	static const unsigned int percents[] = { 10, 50, 90 };
	uint64_t rnd = crash_seed(s->point, s->choice);
	unsigned int keep = percents[crash_below(&rnd, 3)];
	unsigned int tear = crash_below(&rnd, 2) ? 30 : 0;

	s->loose = s->lost = s->torn = 0;
	s->hash = from;
	*nr = 0;
	if (!list)
		list = calloc(nr_writes + 1, sizeof(*list));
	for (uint32_t i = from; i < nr_writes; i++) {
		const struct request *w = &writes[i];
		uint32_t until = w->answered;
		struct landing l = { w, w->received, WHOLE, 0 };

		if (w->received >= s->point)
			break;
		if (until > s->point)
			until = s->point;
		l.time += crash_below(&rnd, until - w->received + 1);
		if (w->durable >= s->point) {
			s->loose++;
			if (!s->choice)
				l.what = GONE;
			else if (s->choice == 1)
				l.what = WHOLE;
			else if (crash_below(&rnd, 100) < tear &&
				 w->event->len > crash->block)
				l.what = TORN;
			else
				l.what = crash_below(&rnd, 100) < keep ? WHOLE :
									 GONE;
		}
		l.seed = crash_random(&rnd);
		s->lost += l.what == GONE;
		s->torn += l.what == TORN;
		if (l.what == GONE)
			continue;
		s->hash = crash_seed(s->hash + l.what, i);
		if (l.what == TORN)
			s->hash ^= l.seed;
		list[(*nr)++] = l;
	}
	qsort(list, *nr, sizeof(*list), by_time);
	return list;
}

/* As mkfs.xfs has made it */
static uint32_t fs_block(void)
{
	static uint32_t size;

	for (uint32_t i = 0; !size && i < nr_writes; i++) {
		const struct crash_event *e = writes[i].event;
		const uint8_t *d = crash_data(crash) + e->data;

		if (!e->pos && e->data != CRASH_ZEROES && !memcmp(d, "XFSB", 4))
			size = d[4] << 24 | d[5] << 16 | d[6] << 8 | d[7];
	}
	if (!size)
		fail("the recording has no superblock");
	return size;
}

static bool is_metadata(const uint8_t *block)
{
	/* Of trees, remote attributes and symbolic links; and of what has it further in */
	static const char first[][5] = { "BMA3", "AB3B", "AB3C", "IAB3",
					 "FIB3", "R3FC", "RMB3", "XDB3",
					 "XDD3", "XDF3", "XARM", "XSLM" };
	static const uint8_t inner[][2] = {
		{ 0x3d, 0xf1 }, { 0x3d, 0xff }, { 0x3b, 0xee }, { 0x3e, 0xbe }
	};

	for (size_t i = 0; i < sizeof(first) / sizeof(*first); i++)
		if (!memcmp(block, first[i], 4))
			return true;
	for (size_t i = 0; i < sizeof(inner) / sizeof(*inner); i++)
		if (!memcmp(block + 8, inner[i], 2))
			return true;
	return false;
}

static void tear(const struct crash_event *e, uint64_t seed)
{
	uint64_t rnd = crash_seed(seed, 1), blocks = e->len / crash->block;
	unsigned int how = crash_below(&rnd, 3);
	uint64_t cut = crash_below(&rnd, blocks + 1), whole_end = 0;
	bool there = false;

	for (uint64_t b = 0; b < blocks; b++) {
		uint64_t at = b * crash->block;
		bool chosen = how == 0 ? b < cut :
			      how == 1 ? b >= cut :
					 crash_below(&rnd, 2);

		if (at >= whole_end) {
			there = chosen;
			if ((e->pos + at) % fs_block() == 0 &&
			    e->data != CRASH_ZEROES &&
			    is_metadata(crash_data(crash) + e->data + at))
				whole_end = at + fs_block();
		}
		if (at < whole_end ? there : chosen)
			put(&state, e, at, crash->block);
	}
}

/* States have to come in the order of their points. */
static void make_state(struct state *s)
{
	uint32_t first = all_durable(s->point), nr;
	const struct landing *l;

	pthread_mutex_lock(&lock);
	image_reset(&state);
	for (; next_write < first; next_write++)
		put(&below, writes[next_write].event, 0,
		    writes[next_write].event->len);
	l = choose(s, first, &nr);
	for (uint32_t i = 0; i < nr; i++)
		if (l[i].what == TORN)
			tear(l[i].w->event, l[i].seed);
		else
			put(&state, l[i].w->event, 0, l[i].w->event->len);
	pthread_mutex_unlock(&lock);
	/* What the block device has of the state before it */
	must(ioctl(nbd.dev, BLKFLSBUF, 0));
}

/* --- Judgement -------------------------------------------------------------- */

static char why[4096];

__attribute__((format(printf, 1, 2))) static bool bad(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, sizeof(why), fmt, ap);
	va_end(ap);
	return false;
}

/* Nothing of @a can be where @b, which is promised, came after it. */
static bool after(const struct operation *b, const struct operation *a)
{
	return a->end < b->start;
}

static uint64_t op_end(const struct operation *o)
{
	if (o->event->op == OP_TRUNCATE)
		return UINT64_MAX;
	return o->event->pos + o->event->len;
}

static uint64_t op_pos(const struct operation *o)
{
	return o->event->op == OP_TRUNCATE ? o->event->len : o->event->pos;
}

/* Does it say what is in the bytes? */
static bool covers(const struct operation *o, uint64_t pos, uint64_t end)
{
	return o->event->op != OP_EXTEND && op_pos(o) <= pos &&
	       end <= op_end(o);
}

static uint64_t op_seed(const struct operation *o)
{
	return o->event->op == OP_WRITE ? o->event->seed : 0;
}

/* The operations on one file that have begun. */
static const struct operation **live;
static unsigned int nr_live;
/* Those of them whose value a piece may have. */
static const struct operation **allowed;
static unsigned int nr_allowed;
static bool may_be_none;
static const struct operation *must_be;

static unsigned int live_file;
/* Pieces that have what was written to the clone */
static unsigned int nr_of_clone;

static void find_live(unsigned int file, uint32_t point)
{
	live_file = file;
	nr_live = 0;
	for (uint32_t i = 0; i < nr_ops && ops[i].start < point; i++)
		if (ops[i].event->file == file &&
		    ops[i].event->op >= OP_WRITE &&
		    ops[i].event->op <= OP_EXTEND)
			live[nr_live++] = &ops[i];
}

static void find_allowed(uint32_t point, uint64_t pos, uint64_t end)
{
	nr_allowed = 0;
	may_be_none = true;
	must_be = NULL;
	for (unsigned int i = 0; i < nr_live; i++) {
		bool gone = false;

		if (!covers(live[i], pos, end))
			continue;
		if (live[i]->promised < point) {
			may_be_none = false;
			must_be = live[i];
		}
		for (unsigned int j = i + 1; j < nr_live && !gone; j++)
			gone = live[j]->promised < point &&
			       covers(live[j], pos, end) &&
			       after(live[j], live[i]);
		if (!gone)
			allowed[nr_allowed++] = live[i];
	}
}

static bool piece_is(const uint8_t *data, uint64_t pos, uint64_t end,
		     uint64_t seed)
{
	return wt_differs(data + pos, end - pos, pos, seed) < 0;
}

static bool byte_allowed(uint8_t byte, uint64_t pos)
{
	if (may_be_none && !byte)
		return true;
	for (unsigned int i = 0; i < nr_allowed; i++)
		if (byte == wt_pattern(pos, op_seed(allowed[i])))
			return true;
	return false;
}

/* See "Judgement". */
static bool of_clone(uint32_t point, uint8_t byte, uint64_t pos)
{
	uint64_t from = pos - pos % fs_block(), to = from + fs_block();

	if (!crash->twin[live_file])
		return false;
	for (uint32_t i = 0; i < nr_ops && ops[i].start < point; i++) {
		const struct operation *o = &ops[i];

		if (o->event->file + 1 != crash->twin[live_file] ||
		    o->event->op < OP_WRITE || o->event->op > OP_TRUNCATE ||
		    !covers(o, pos, pos + 1) ||
		    byte != wt_pattern(pos, op_seed(o)))
			continue;
		for (unsigned int j = 0; j < nr_live; j++)
			if (live[j]->promised >= point &&
			    live[j]->event->op != OP_EXTEND &&
			    op_pos(live[j]) < to && op_end(live[j]) > from &&
			    !after(live[j], o))
				return true;
	}
	return false;
}

static bool judge_piece(const char *name, uint32_t point, const uint8_t *data,
			uint64_t pos, uint64_t end, uint64_t size)
{
	bool clone = false;

	find_allowed(point, pos, end);
	if (pos >= size) {
		if (may_be_none)
			return true;
		for (unsigned int i = 0; i < nr_allowed; i++)
			if (allowed[i]->event->op == OP_TRUNCATE)
				return true;
		/* Nothing is promised by a hole. */
		if (must_be->event->op == OP_ZERO)
			return true;
		return bad(
			"%s ends at %llu, and lacks [%llu, %llu) of what operation %u has promised",
			name, (unsigned long long)size, (unsigned long long)pos,
			(unsigned long long)end, must_be->event->nr);
	}
	if (may_be_none && piece_is(data, pos, end, 0))
		return true;
	for (unsigned int i = 0; i < nr_allowed; i++)
		if (piece_is(data, pos, end, op_seed(allowed[i])))
			return true;
	/* Writes that do not go through may change what is on its way. */
	for (uint64_t p = pos; p < end; p++) {
		const char *what = "what nobody has written there";

		if (byte_allowed(data[p], p))
			continue;
		if (of_clone(point, data[p], p)) {
			clone = true;
			continue;
		}
		if (data[p] == CRASH_STALE && data[end - 1] == CRASH_STALE)
			what = "STALE content of the disk";
		else if (!data[p])
			what = "zeroes";
		for (unsigned int i = 0; i < nr_live; i++)
			if (covers(live[i], pos, end) && op_seed(live[i]) &&
			    piece_is(data, pos, end, op_seed(live[i])))
				what = "OLD data of an operation that was replaced";
		return bad(
			"%s has %s at %llu (0x%02x) in [%llu, %llu); %u operations are allowed, promised is %d",
			name, what, (unsigned long long)p, data[p],
			(unsigned long long)pos, (unsigned long long)end,
			nr_allowed, must_be ? (int)must_be->event->nr : -1);
	}
	nr_of_clone += clone;
	return true;
}

/* The last bytes below @size, as far as they are one piece of @o, are written. */
static bool has_tail(uint32_t point, const struct operation *o,
		     const uint8_t *data, uint64_t from, uint64_t size)
{
	for (unsigned int i = 0; i < nr_live; i++) {
		uint64_t ends[] = { op_pos(live[i]), op_end(live[i]) };

		for (int j = 0; j < 2; j++)
			if (ends[j] > from && ends[j] < size)
				from = ends[j];
	}
	find_allowed(point, from, size);
	for (unsigned int i = 0; i < nr_allowed; i++) {
		const struct operation *a = allowed[i];

		if (a->event->op == OP_TRUNCATE || (o && after(o, a)))
			continue;
		if (piece_is(data, from, size, op_seed(a)))
			return true;
	}
	for (; crash->twin[live_file] && from < size; from++)
		if (!byte_allowed(data[from], from) &&
		    !of_clone(point, data[from], from))
			return false;
	return crash->twin[live_file];
}

static uint64_t new_size(const struct operation *o)
{
	return o->event->op == OP_WRITE ? op_end(o) : o->event->len;
}

static bool judge_size(const char *name, uint32_t point, const uint8_t *data,
		       uint64_t size, uint32_t block)
{
	uint64_t tail = size ? (size - 1) / CRASH_SECTOR * CRASH_SECTOR : 0;
	bool larger = false;

	for (unsigned int i = 0; i < nr_live; i++) {
		const struct operation *o = live[i];
		bool shrunk = o->event->op == OP_ZERO;

		if (o->promised >= point || size >= new_size(o))
			continue;
		for (unsigned int j = 0; j < nr_live; j++)
			if (live[j]->event->op == OP_TRUNCATE &&
			    new_size(live[j]) < new_size(o) &&
			    !after(o, live[j]))
				shrunk = true;
		if (!shrunk)
			return bad(
				"%s ends at %llu, operation %u has promised %llu",
				name, (unsigned long long)size, o->event->nr,
				(unsigned long long)new_size(o));
	}
	if (!size)
		return true;
	for (unsigned int i = 0; i < nr_live; i++) {
		const struct operation *o = live[i];

		if (o->event->op == OP_ZERO)
			continue;
		if (o->event->op != OP_WRITE) {
			if (size == new_size(o))
				return true;
			continue;
		}
		larger |= new_size(o) > size;
		if (new_size(o) == size &&
		    has_tail(point, o, data,
			     op_pos(o) > tail ? op_pos(o) : tail, size))
			return true;
	}
	/* By another write's blocks, or a part of one */
	if (larger && size % block == 0) {
		for (uint64_t from = size - block; from < size;
		     from += CRASH_SECTOR)
			if (has_tail(point, NULL, data, from,
				     from + CRASH_SECTOR))
				return true;
		/* One that ends inside the block, and zeroes behind it */
		for (unsigned int i = 0; i < nr_live; i++) {
			uint64_t from = size - block, end = op_end(live[i]);

			if (live[i]->event->op != OP_WRITE || end <= from ||
			    end >= size)
				continue;
			if (op_pos(live[i]) > from)
				from = op_pos(live[i]);
			if (has_tail(point, NULL, data, from, end))
				return true;
		}
	}
	return bad(
		"%s ends at %llu, where no operation ends whose data is there",
		name, (unsigned long long)size);
}

static int by_value(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static bool judge_file(unsigned int file, uint32_t point)
{
	static uint8_t data[MAX_FILE];
	static uint64_t *cuts;
	const char *name = crash->path[file];
	unsigned int n = 0;
	uint64_t size, last = 0;
	struct statfs fs;
	ssize_t ret;
	char *path;
	int fd;

	find_live(file, point);
	must(asprintf(&path, "%s/%s", dir, name));
	fd = open(path, O_RDONLY);
	free(path);
	if (fd < 0)
		return bad("%s: %s", name, strerrorname_np(errno));
	must(fstatfs(fd, &fs));
	size = lseek(fd, 0, SEEK_END);
	if (size > MAX_FILE) {
		close(fd);
		return bad("%s ends at %llu", name, (unsigned long long)size);
	}
	ret = pread(fd, data, MAX_FILE, 0);
	close(fd);
	if (ret != (ssize_t)size)
		return bad("%s: read: %zd of %llu", name, ret,
			   (unsigned long long)size);

	/* Pieces in which each operation has all or nothing, and no sector ends */
	cuts = realloc(cuts, (2 * nr_live + 2 + MAX_FILE / CRASH_SECTOR) *
				     sizeof(*cuts));
	for (unsigned int i = 0; i < nr_live; i++) {
		cuts[n++] = op_pos(live[i]);
		if (op_end(live[i]) != UINT64_MAX)
			cuts[n++] = op_end(live[i]);
	}
	cuts[n++] = size;
	for (uint64_t s = 0; s < size; s += CRASH_SECTOR)
		cuts[n++] = s;
	qsort(cuts, n, sizeof(*cuts), by_value);
	for (unsigned int i = 0; i < n; i++) {
		if (cuts[i] == last)
			continue;
		if (!judge_piece(name, point, data, last, cuts[i], size))
			return false;
		last = cuts[i];
	}
	return judge_size(name, point, data, size, fs.f_bsize);
}

/* The output of a command; its exit status is returned. */
static int run(char *out, size_t size, const char *const *argv)
{
	posix_spawn_file_actions_t actions;
	int pipes[2], status;
	size_t n = 0;
	ssize_t ret;
	pid_t pid;

	must(pipe2(pipes, O_CLOEXEC));
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, pipes[1], 1);
	posix_spawn_file_actions_adddup2(&actions, pipes[1], 2);
	errno = posix_spawnp(&pid, argv[0], &actions, NULL, (char *const *)argv,
			     environ);
	must(-errno);
	posix_spawn_file_actions_destroy(&actions);
	close(pipes[1]);
	/* The end of it is kept. */
	while ((ret = read(pipes[0], out + n, size - 1 - n)) > 0) {
		n += ret;
		if (n > size / 2) {
			memmove(out, out + size / 4, n - size / 4);
			n -= size / 4;
		}
	}
	out[n] = '\0';
	close(pipes[0]);
	must(waitpid(pid, &status, 0));
	return status;
}

static bool judge_database(unsigned int file, uint32_t point)
{
	static char out[4096];
	unsigned long long rows, last, k, sum, wrong, acked = 0, begun = 0;
	const char *argv[] = {
		"sqlite3", NULL,
		"PRAGMA integrity_check; SELECT count(*), coalesce(max(n), 0),"
		" (SELECT k FROM total), coalesce(sum(n), 0) - (SELECT s FROM total),"
		" coalesce(sum(v <> printf('%.*c', 1 + n * 37 % 3000, char(65 + n % 26))), 0)"
		" FROM t",
		NULL
	};
	char *path;
	int status;

	for (uint32_t i = 0; i < nr_ops && ops[i].start < point; i++) {
		if (ops[i].event->op != OP_COMMIT)
			continue;
		begun = ops[i].event->seed;
		if (ops[i].promised < point)
			acked = ops[i].event->seed;
	}
	must(asprintf(&path, "%s/%s", dir, crash->path[file]));
	argv[1] = path;
	status = run(out, sizeof(out), argv);
	free(path);
	if (status || sscanf(out, "ok\n%llu|%llu|%llu|%llu|%llu", &rows, &last,
			     &k, &sum, &wrong) != 5)
		return bad("the database: status %d: %s", status, out);
	if (rows != last || k != last || sum || wrong)
		return bad("the database has a part of a transaction: %s", out);
	if (last < acked || last > begun)
		return bad(
			"the database has %llu transactions, %llu are promised, %llu have begun",
			last, acked, begun);
	return true;
}

static bool judge_mounted(uint32_t point)
{
	for (unsigned int i = 0; i < CRASH_FILES && crash->path[i][0]; i++) {
		bool database = false;

		for (uint32_t j = 0; j < nr_ops; j++)
			database |= ops[j].event->op == OP_COMMIT;
		if (!(database ? judge_database(i, point) :
				 judge_file(i, point)))
			return false;
	}
	return true;
}

static bool judge(uint32_t point)
{
	const char *argv[] = { "xfs_repair", "-n", device, NULL };
	static char out[16384];
	bool good;
	int status;

	if (mount(device, dir, "xfs", 0, NULL))
		return bad("it cannot be mounted: %s", strerrorname_np(errno));
	good = judge_mounted(point);
	must(umount(dir));
	if (!good)
		return false;
	status = run(out, sizeof(out), argv);
	if (status)
		return bad("xfs_repair: status %x: %s", status, out);
	return true;
}

/* --- Which states ----------------------------------------------------------- */

static uint32_t *points, nr_points;

static bool makes_durable(uint32_t i)
{
	static bool *flush_or_fua;

	if (!flush_or_fua) {
		flush_or_fua = calloc(crash->nr + 1, sizeof(*flush_or_fua));
		for (uint32_t j = 0; j < nr_flushes; j++)
			if (flushes[j].answered != NEVER)
				flush_or_fua[flushes[j].answered] = true;
		for (uint32_t j = 0; j < nr_writes; j++)
			if (writes[j].answered != NEVER &&
			    (!crash->cache || writes[j].event->fua))
				flush_or_fua[writes[j].answered] = true;
	}
	return i < crash->nr && flush_or_fua[i];
}

/* A point is in front of the event of that index. */
static void find_points(void)
{
	points = calloc(crash->nr + 1, sizeof(*points));
	for (uint32_t p = begin + 1; p <= crash->nr; p++) {
		bool ends = p < crash->nr && crash->events[p].what == OP_END;

		if (crash->events[p - 1].what == OP_END ?
			    !ends :
			    makes_durable(p - 1) || makes_durable(p))
			points[nr_points++] = p;
	}
	if (!nr_points)
		fail("the recording has no point to crash at");
}

static int by_point(const void *a, const void *b)
{
	const struct state *x = a, *y = b;

	if (x->point != y->point)
		return x->point < y->point ? -1 : 1;
	return x->choice < y->choice ? -1 : x->choice > y->choice;
}

/* No two alike at a point.  Fewer than @n if there are no more. */
static struct state *find_states(unsigned int *n, uint64_t seed)
{
	struct state *list = calloc(*n, sizeof(*list));
	uint32_t *used = calloc(nr_points, sizeof(*used)), nr;
	uint64_t rnd = crash_seed(3, seed);
	unsigned int found = 0;

	for (uint64_t tries = 0; found < *n && tries < 50ULL * *n; tries++) {
		uint32_t i = crash_below(&rnd, nr_points);
		struct state s = { .point = points[i] };
		bool known = false;

		/* One of six has nothing, and one has everything. */
		s.choice = crash_below(&rnd, 6);
		if (s.choice > 1)
			s.choice = 2 + used[i]++;
		choose(&s, all_durable(s.point), &nr);
		/* Where something can be lost there is more to see. */
		if (!s.loose && crash_below(&rnd, 4))
			continue;
		for (unsigned int j = 0; j < found && !known; j++)
			known = list[j].point == s.point &&
				list[j].hash == s.hash;
		if (!known)
			list[found++] = s;
	}
	qsort(list, found, sizeof(*list), by_point);
	free(used);
	*n = found;
	return list;
}

static void show_state(const struct state *s)
{
	uint32_t nr, from = all_durable(s->point);
	struct state copy = *s;
	const struct landing *l = choose(&copy, from, &nr);

	printf("durable: writes 0 to %u; after these:\n", from);
	for (uint32_t i = 0; i < nr; i++) {
		const struct crash_event *e = l[i].w->event;

		printf("  write %u of [%llu, %llu)%s, events %u to %u: %s%s\n",
		       (unsigned int)(l[i].w - writes),
		       (unsigned long long)e->pos,
		       (unsigned long long)(e->pos + e->len),
		       e->fua ? " FUA" : "", l[i].w->received, l[i].w->answered,
		       l[i].w->durable < s->point ? "durable" : "by chance",
		       l[i].what == TORN ? ", torn" : "");
	}
	for (uint32_t i = 0; i < nr_ops; i++) {
		const struct crash_event *e = ops[i].event;

		if (ops[i].start < s->point &&
		    (ops[i].end >= s->point || i + 12 > nr_ops ||
		     ops[i + 12].start >= s->point))
			printf("  operation %u kind %u file %u pos %llu len %llu%s: events %u to %u\n",
			       i, e->op, e->file, (unsigned long long)e->pos,
			       (unsigned long long)e->len,
			       e->durable ? " durable" : "", ops[i].start,
			       ops[i].end);
	}
}

int main(int argc, char **argv)
{
	unsigned int n = 50, lossy = 0, torn = 0, failures = 0, at = 0;
	struct state one = {}, *states = &one;
	uint64_t seed = 1;
	pthread_t thread;
	int opt;

	while ((opt = getopt(argc, argv, "n:s:p:c:l:")) != -1) {
		switch (opt) {
		case 'n':
			n = atoi(optarg);
			break;
		case 's':
			seed = strtoull(optarg, NULL, 0);
			break;
		case 'p':
			one.point = atoi(optarg);
			break;
		case 'c':
			one.choice = atoi(optarg);
			break;
		case 'l':
			lie_fua = !strcmp(optarg, "fua");
			lie_flush = !strcmp(optarg, "flush");
			lie_ack = !strcmp(optarg, "ack");
			if (lie_fua || lie_flush || lie_ack)
				break;
			/* fall through */
		default:
			fail("usage: crash-check [-n STATES] [-s SEED] [-p POINT -c CHOICE] [-l fua|flush|ack] LOG DEVICE DIR");
		}
	}
	if (argc - optind != 3 || !n)
		fail("LOG, DEVICE and DIR are needed, and one state or more");
	crash = crash_map(argv[optind], false);
	device = argv[optind + 1];
	dir = argv[optind + 2];
	read_operations();
	read_requests();
	find_points();
	live = calloc(nr_ops + 1, sizeof(*live));
	allowed = calloc(nr_ops + 1, sizeof(*allowed));
	image_init(&below, crash->disk_bytes, NULL);
	image_init(&state, crash->disk_bytes, &below);
	if (one.point)
		n = 1;
	else
		states = find_states(&n, seed);

	nbd_start(&nbd, device, crash);
	errno = pthread_create(&thread, NULL, serve, NULL);
	must(-errno);
	for (unsigned int i = 0; i < n; i++) {
		struct state *s = &states[i];

		make_state(s);
		at += !i || s->point != states[i - 1].point;
		lossy += !!s->lost;
		torn += !!s->torn;
		if (one.point)
			show_state(s);
		if (judge(s->point))
			continue;
		failures++;
		printf("BAD -p %u -c %u (%u writes not durable, %u lost, %u torn): %s\n",
		       s->point, s->choice, s->loose, s->lost, s->torn, why);
		if (failures == 5)
			break;
	}
	pthread_mutex_lock(&lock);
	image_reset(&state);
	pthread_mutex_unlock(&lock);
	nbd_stop(&nbd);
	if (nr_of_clone)
		printf("as on stock, what was written to the clone is in %u pieces\n",
		       nr_of_clone);
	printf("%u states, %u lossy, %u torn, %u of %u points, %u writes, %u flushes, %u operations: %u bad\n",
	       n, lossy, torn, at, nr_points, nr_writes, nr_flushes, nr_ops,
	       failures);
	return !!failures;
}
