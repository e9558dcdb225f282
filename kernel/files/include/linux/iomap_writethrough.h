/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Buffered write-through: a write that runs the writeback of what it wrote.
 */
#ifndef LINUX_IOMAP_WRITETHROUGH_H
#define LINUX_IOMAP_WRITETHROUGH_H

#include <linux/iomap.h>
#include <linux/llist.h>
#include <linux/workqueue.h>

struct folio_batch;
struct iomap_writethrough;

/*
 * Completed writes whose data sits in a volatile write cache: they share a flush.
 * One for each filesystem.
 */
struct iomap_writethrough_flusher {
	struct llist_head		writes;
	struct work_struct		work;
};

/**
 * struct iomap_writethrough_ops - what a filesystem does for write-through
 * @iomap_ops: maps like those of a buffered write, but never delayed allocation.
 *	With IOMAP_NOWAIT, -EAGAIN for what needs more than to look up a map
 * @wb_ops: ->prepare_ioend as for writeback
 * @end_ioend: what the end_io that ->prepare_ioend has set does in process context
 * @end_write: the write is over, and this is what its caller gets.  Any context;
 *	may be NULL
 */
struct iomap_writethrough_ops {
	const struct iomap_ops		*iomap_ops;
	const struct iomap_writeback_ops *wb_ops;
	void (*end_ioend)(struct iomap_ioend *ioend);
	void (*end_write)(struct iomap_writethrough *wt, ssize_t ret);
};

/**
 * struct iomap_writethrough - one write-through write
 * @wpc: the writeback context; its ioend is what is not submitted yet
 * @iocb: the caller's I/O
 * @inode: the file written to
 * @ops: the filesystem
 * @flusher: where to wait for a flush of the device's cache
 * @pos: where the write starts in the file, in bytes
 * @len: bytes the caller asked to write
 * @copied: bytes copied and submitted
 * @ref: one for the submitter and one for each ioend submitted
 * @task: the submitter
 * @in_flight: bytes under writeback that were submitted
 * @nr_bios: bios submitted
 * @nr_durable: those of them that were durable by themselves when they ended
 * @async: nobody waits: the last ioend completes the write
 * @throttled: the submitter waits for @in_flight to fall
 * @dsync: has to be durable
 * @need_sync: to make the write durable takes the log
 * @need_flush: to make the write durable takes a flush of the device's cache
 * @flushed: this write has caused a flush or a sync
 * @was_dirty: the blocks to write to were dirty: they have data of others
 * @lets_clean: other blocks of the folio at @clean_pos are to be written back first
 * @folios: a write that must not wait has locked them all; while it submits
 * @next_folio: the first of them that was not written to
 * @copy_to: where the copy into the folio before it should have got to
 * @copied_to: where it has got to
 * @folio_ops: of the map, which is not checked while @folios are locked
 * @bio: allocated beforehand by a write that must not wait
 * @done: the last ioend has ended
 * @lock: protects the members below, up to @ended; the wake-ups of @task are under it
 * @error: the first error of an ioend
 * @error_pos: the lowest file position that an ioend failed at
 * @waiting: the submitter waits, and runs the completion of ioends
 * @ending: that is what it does now: it is not woken
 * @ended: ioends whose completion it has to run
 * @work: for what cannot be done where the last ioend ends
 * @flush_entry: in @flusher
 *
 * On the stack of the submitter for a synchronous write, allocated for others.
 */
struct iomap_writethrough {
	struct iomap_writepage_ctx	wpc;
	struct kiocb			*iocb;
	struct inode			*inode;
	const struct iomap_writethrough_ops *ops;
	struct iomap_writethrough_flusher *flusher;
	loff_t				pos;
	size_t				len;
	size_t				copied;
	atomic_t			ref;
	struct task_struct		*task;
	atomic_long_t			in_flight;
	unsigned int			nr_bios;
	unsigned int			nr_durable;
	bool				async;
	bool				throttled;
	bool				dsync;
	bool				need_sync;
	bool				need_flush;
	bool				flushed;
	bool				was_dirty;
	bool				lets_clean;
	struct folio_batch		*folios;
	unsigned int			next_folio;
	loff_t				copy_to;
	loff_t				copied_to;
	loff_t				clean_pos;
	const struct iomap_folio_ops	*folio_ops;
	struct bio			*bio;
	bool				done;
	/* taken in the completion of bios too, so with interrupts off */
	spinlock_t			lock;
	int				error;
	loff_t				error_pos;
	bool				waiting;
	bool				ending;
	struct list_head		ended;
	union {
		struct work_struct	work;
		struct llist_node	flush_entry;
	};
};

void iomap_writethrough_flusher_init(struct iomap_writethrough_flusher *f);

struct iomap_writethrough *iomap_writethrough_init(
		struct iomap_writethrough *on_stack, struct kiocb *iocb,
		const struct iomap_writethrough_ops *ops,
		struct iomap_writethrough_flusher *flusher);
ssize_t iomap_writethrough_write(struct iomap_writethrough *wt,
		struct iov_iter *from, void *private);
ssize_t iomap_writethrough_finish(struct iomap_writethrough *wt,
		struct iov_iter *from, ssize_t ret);
void __iomap_writethrough_submit(struct iomap_writethrough *wt);

/*
 * True while this write has marked folios as under writeback that no device has
 * been sent yet.  It must not sleep on anything then, see writethrough.c.
 */
static inline bool iomap_writethrough_pending(const struct iomap_writethrough *wt)
{
	return wt && wt->wpc.ioend;
}

/* Faults take mmap_lock, and lock folios: a write must not hold any then. */
static inline bool iomap_writethrough_may_fault(const struct iomap_writethrough *wt)
{
	return !wt || !(wt->wpc.ioend || wt->folios);
}

static inline void iomap_writethrough_submit(struct iomap_writethrough *wt)
{
	if (iomap_writethrough_pending(wt))
		__iomap_writethrough_submit(wt);
}

#endif /* LINUX_IOMAP_WRITETHROUGH_H */
