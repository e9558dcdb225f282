// SPDX-License-Identifier: GPL-2.0
/*
 * Buffered write-through.
 *
 * A write-through write is a buffered write that starts the writeback of exactly
 * the blocks it filled, folio by folio, before it unlocks each folio, and that is
 * over when this I/O is.  The copying is iomap_write_iter()'s, the I/O is made of
 * the ioends that writeback uses; here is what joins the two.
 *
 * Locks, outermost first: the inode lock of the filesystem (held by the caller
 * while it submits, not while it waits), mmap_lock (faults on the user's buffer),
 * the folio lock, the filesystem's own mapping locks.
 *
 * Who waits for whom: everybody who finds a folio under writeback waits for the
 * task that set the bit to submit it, and some of them hold mmap_lock or a folio
 * lock meanwhile.  So that task must not wait for any of these: between marking a
 * folio and submitting its bio it takes no mmap_lock, waits for no folio lock and
 * for no other writeback, is not throttled and enters no direct reclaim on behalf
 * of the page cache.  All hooks below try without sleeping while an ioend is
 * pending, and where that fails they submit first and then sleep.
 *
 *	writer			storer			third
 *	marks A, pending
 *	faults in its buffer	store to A, mkwrite
 *	   mmap_lock read ...	   holds mmap_lock read,
 *				   waits for A		wants mmap_lock write
 *	   ... queued behind third, which is queued behind storer: a circle,
 *	   unless A was submitted before the fault
 *
 * Writers wait for blocks: the blocks of a folio that are in flight are on record, and
 * a write to others joins the folio's writeback, whoever began it.  So stores into a
 * folio under writeback are only to blocks that this writer holds by the folio's lock
 * and has found not to be in flight.  Everybody else waits for the folio: stores by
 * mmap, plain buffered writes, truncation, fsync().  Those that hold its lock meanwhile
 * keep others from joining; for those that do not, joining is bounded.
 *
 * A write that must not wait (IOCB_NOWAIT) locks all folios before it looks for the
 * map: it only tries, so no order of folio locks is needed, and it faults in its
 * buffer before.
 *
 * Who completes a write: the submitter of a synchronous one waits for all of its
 * ioends, and in the meantime runs those completions that need process context.
 * An asynchronous one is completed by its last ioend where that ends, if nothing is
 * left to do that sleeps, and else by a work: the cleanup after an error and the log
 * on s_dio_done_wq, a flush of the device's cache by the one work of a filesystem
 * that does this for all writes that wait for it.  These do not run in the work that
 * ends the ioends: others wait for folios that are on its list, even fsync().
 *
 * Allocating a bio may sleep for the mempool, which is safe because this task
 * holds at most one bio that was not submitted.  Preparing an ioend may run a
 * transaction, and a map that became stale under a write is looked up again while
 * an ioend is pending, both as in writeback: nothing that holds the filesystem's
 * mapping locks waits for writeback.
 */
#include <linux/fs.h>
#include <linux/iomap.h>
#include <linux/pagemap.h>
#include <linux/uio.h>
#include <linux/writeback.h>
#include <linux/blkdev.h>
#include <linux/backing-dev.h>
#include <linux/task_io_accounting_ops.h>
#include <linux/sched/mm.h>
#include <linux/pagevec.h>
#include "trace.h"
#include "internal.h"

#include "../internal.h"

/*
 * What one write keeps under writeback at most, give or take one folio.  Enough to
 * keep a device busy, little enough not to pin the memory of a large write.
 */
#define IOMAP_WT_MAX_IN_FLIGHT	(8L << 20)

/*
 * What a write that must not wait locks at most: as many folios as a folio_batch
 * has, but no more than this, or its caller would wait for the copy.
 */
#define IOMAP_WT_MAX_NOWAIT	(1L << 20)

/*
 * As many writes join the writeback of a folio before it has to end once: so whoever
 * waits for that, waits for no more than this many I/Os, one after another, and those
 * that were in flight.
 */
#define IOMAP_WT_MAX_JOINS	64

static void iomap_wt_fail(struct iomap_writethrough *wt, loff_t pos, int error)
{
	unsigned long flags;

	spin_lock_irqsave(&wt->lock, flags);
	if (!wt->error) {
		wt->error = error;
		wt->error_pos = pos;
	} else if (pos < wt->error_pos) {
		wt->error_pos = pos;
	}
	spin_unlock_irqrestore(&wt->lock, flags);
}

/* Does it take more than the bios to make the write as durable as it has to be? */
static bool iomap_wt_must_sync(const struct iomap_writethrough *wt)
{
	return wt->dsync && (wt->need_sync || wt->need_flush);
}

/* Callers take other errors for advice to try in another way. */
static int iomap_wt_errno(int error)
{
	return !error || error == -ENOSPC || error == -EDQUOT ? error : -EIO;
}

/*
 * The data is on the device, and not in its way: whatever somebody has made dirty
 * since is not this write's.  So the range for fsync() is empty.
 */
static int iomap_wt_sync(struct iomap_writethrough *wt)
{
	struct kiocb *iocb = wt->iocb;

	wt->flushed = true;
	if (wt->need_sync)
		return iomap_wt_errno(vfs_fsync_range(iocb->ki_filp, 1, 0,
					!(iocb->ki_flags & IOCB_SYNC)));
	return iomap_wt_errno(blkdev_issue_flush(wt->wpc.iomap.bdev));
}

/*
 * The device refused data: do not go on serving it from the cache.  Folios that
 * are dirty hold data of others too and stay.
 */
static void iomap_wt_drop_cache(struct iomap_writethrough *wt)
{
	loff_t start = round_down(wt->error_pos, i_blocksize(wt->inode));
	loff_t end = wt->pos + wt->copied;

	invalidate_inode_pages2_range(wt->inode->i_mapping,
			start >> PAGE_SHIFT, (end - 1) >> PAGE_SHIFT);
}

/* All I/O has ended: what the caller gets.  May sleep. */
static ssize_t iomap_wt_result(struct iomap_writethrough *wt)
{
	ssize_t ret = wt->copied;
	int error;

	might_sleep();

	if (unlikely(wt->error)) {
		wt->error = iomap_wt_errno(wt->error);
		iomap_wt_drop_cache(wt);
		ret = max_t(loff_t, wt->error_pos - wt->pos, 0);
		/* The submitter of an asynchronous write may look at it. */
		if (!wt->async)
			wt->iocb->ki_pos = wt->pos + ret;
		/*
		 * Who appends would put the rest behind what is lost, which is
		 * within the size already.
		 */
		if (!ret || (wt->iocb->ki_flags & IOCB_APPEND))
			return wt->error;
	}
	if (iomap_wt_must_sync(wt)) {
		error = iomap_wt_sync(wt);
		if (error)
			return error;
	}
	return ret;
}

/* The last use of an allocated @wt. */
static void iomap_wt_release(struct iomap_writethrough *wt, ssize_t ret)
{
	trace_iomap_writethrough_complete(wt->inode, wt->pos,
					  ret > 0 ? ret : 0);
	if (wt->ops->end_write)
		wt->ops->end_write(wt, ret);
	mapping_put_stable_writes(wt->inode->i_mapping);
	if (wt->async)
		kfree(wt);
}

/* Only the file that @iocb holds keeps the inode: nothing touches it later. */
static void iomap_wt_complete(struct iomap_writethrough *wt, ssize_t ret)
{
	struct kiocb *iocb = wt->iocb;

	iomap_wt_release(wt, ret);
	iocb->ki_complete(iocb, ret);
}

static void iomap_wt_complete_work(struct work_struct *work)
{
	struct iomap_writethrough *wt =
		container_of(work, struct iomap_writethrough, work);

	iomap_wt_complete(wt, iomap_wt_result(wt));
}

/*
 * One flush of a device makes durable what all writes have sent that were there
 * before it began.
 */
static void iomap_wt_flush_work(struct work_struct *work)
{
	struct iomap_writethrough_flusher *f =
		container_of(work, struct iomap_writethrough_flusher, work);
	struct llist_node *batch = llist_reverse_order(llist_del_all(&f->writes));

	while (batch) {
		struct iomap_writethrough *wt = llist_entry(batch,
				struct iomap_writethrough, flush_entry);
		struct block_device *bdev = wt->wpc.iomap.bdev;
		struct llist_node **link = &batch;
		int error = iomap_wt_sync(wt);

		while (*link) {
			wt = llist_entry(*link, struct iomap_writethrough,
					 flush_entry);
			if (wt->wpc.iomap.bdev == bdev) {
				*link = wt->flush_entry.next;
				iomap_wt_complete(wt, error ?: wt->copied);
			} else {
				link = &wt->flush_entry.next;
			}
		}
	}
}

void iomap_writethrough_flusher_init(struct iomap_writethrough_flusher *f)
{
	init_llist_head(&f->writes);
	INIT_WORK(&f->work, iomap_wt_flush_work);
}
EXPORT_SYMBOL_GPL(iomap_writethrough_flusher_init);

/*
 * The last reference of an asynchronous write is gone, in any context.  Complete
 * it here if that cannot sleep.
 */
static void iomap_wt_end_async(struct iomap_writethrough *wt)
{
	struct workqueue_struct *wq = wt->inode->i_sb->s_dio_done_wq;

	if (unlikely(wt->error) || (wt->dsync && wt->need_sync)) {
		INIT_WORK(&wt->work, iomap_wt_complete_work);
		queue_work(wq, &wt->work);
	} else if (wt->dsync && wt->need_flush) {
		struct iomap_writethrough_flusher *f = wt->flusher;

		/* If not the first on the list, @wt may be gone by now. */
		if (llist_add(&wt->flush_entry, &f->writes))
			queue_work(wq, &f->work);
	} else {
		iomap_wt_complete(wt, wt->copied);
	}
}

static void iomap_wt_put(struct iomap_writethrough *wt)
{
	unsigned long flags;

	if (wt->async) {
		if (atomic_dec_and_test(&wt->ref))
			iomap_wt_end_async(wt);
		return;
	}

	/*
	 * The submitter takes @lock once more when it sees @done, so it cannot go on
	 * until it has been woken.  A wake-up that came later would end another wait
	 * of this task, and not all look again at what they wait for:
	 * xlog_wait_on_iclog() would take the log for written.
	 */
	if (atomic_dec_and_lock_irqsave(&wt->ref, &wt->lock, flags)) {
		/* Pairs with the wait: @error is read after it. */
		smp_store_release(&wt->done, true);
		blk_wake_io_task(wt->task);
		spin_unlock_irqrestore(&wt->lock, flags);
	}
}

/*
 * Can bios alone make data durable?  Only where nothing but the data changes: no
 * conversion, no copy on write, no metadata (the size is some) that is needed to
 * find it and not on the device itself.
 */
static bool iomap_wt_pure_overwrite(const struct iomap *iomap)
{
	return iomap->type == IOMAP_MAPPED &&
		!(iomap->flags & (IOMAP_F_NEW | IOMAP_F_SHARED | IOMAP_F_DIRTY));
}

/*
 * An ioend of a write-through write is about to be submitted.  It holds a
 * reference until iomap_writethrough_end_ioend().
 */
void iomap_writethrough_submit_ioend(struct iomap_ioend *ioend)
{
	struct iomap_writethrough *wt = ioend->io_wt;

	/* The bio's own count is used up by the time it completes. */
	ioend->io_wt_bytes = ioend->io_bio.bi_iter.bi_size;
	ioend->io_bio.bi_opf |= REQ_IDLE;
	/* Once a sync is needed, it covers this bio too. */
	if (wt->dsync && !wt->need_sync) {
		struct block_device *bdev = ioend->io_bio.bi_bdev;

		if (!bdev_write_cache(bdev)) {
			wt->nr_durable++;
		} else if (bdev_fua(bdev)) {
			ioend->io_bio.bi_opf |= REQ_FUA;
			wt->nr_durable++;
		} else {
			wt->need_flush = true;
		}
	}
	atomic_inc(&wt->ref);
	atomic_long_add(ioend->io_wt_bytes, &wt->in_flight);
	wt->nr_bios++;
	task_io_account_write(ioend->io_wt_bytes);
	trace_iomap_writethrough_submit(ioend->io_inode, ioend->io_offset,
					ioend->io_wt_bytes);
}

/*
 * The end_io of an ioend that the filesystem completes in process context.  While
 * the submitter waits, that is its own: no other task to switch to.  Not before, for
 * what it sleeps on meanwhile may wait for the folios of this ioend.
 */
static void iomap_wt_end_bio(struct bio *bio)
{
	struct iomap_ioend *ioend = iomap_ioend_from_bio(bio);
	struct iomap_writethrough *wt = ioend->io_wt;
	unsigned long flags;
	bool waiting;

	spin_lock_irqsave(&wt->lock, flags);
	waiting = wt->waiting;
	if (waiting) {
		list_add_tail(&ioend->io_list, &wt->ended);
		/*
		 * What it waits for in a completion is not this.  It looks again
		 * after that.  @wt stays until the lock is released.
		 */
		if (!wt->ending)
			wake_up_process(wt->task);
	}
	spin_unlock_irqrestore(&wt->lock, flags);

	if (!waiting)
		ioend->io_wt_end_io(bio);
}

/* The filesystem wants to complete the ioend in process context. */
void iomap_writethrough_defer_ioend(struct iomap_ioend *ioend)
{
	if (ioend->io_wt->async)
		return;
	ioend->io_wt_end_io = ioend->io_bio.bi_end_io;
	ioend->io_bio.bi_end_io = iomap_wt_end_bio;
}

/*
 * An ioend is done: its folios are no longer under writeback.  Any context for pure
 * data, process context for all else.  @wt may be gone on return.
 */
void iomap_writethrough_end_ioend(struct iomap_ioend *ioend, int error)
{
	struct iomap_writethrough *wt = ioend->io_wt;
	unsigned long flags;

	WARN_ON_ONCE(!error && !in_task() &&
		     (ioend->io_type != IOMAP_MAPPED ||
		      (ioend->io_flags & IOMAP_F_SHARED)));

	if (error)
		iomap_wt_fail(wt, ioend->io_offset, error);

	/* Orders against the submitter's sleep in iomap_wt_throttle(). */
	atomic_long_sub_return(ioend->io_wt_bytes, &wt->in_flight);
	if (READ_ONCE(wt->throttled)) {
		/* As in iomap_wt_put(): not once it waits for something else. */
		spin_lock_irqsave(&wt->lock, flags);
		if (READ_ONCE(wt->throttled))
			wake_up_process(wt->task);
		spin_unlock_irqrestore(&wt->lock, flags);
	}
	iomap_wt_put(wt);
}

/*
 * For iomap_writethrough_submit(): call that before anything that may wait for a
 * folio, ->iomap_begin() too.
 */
void __iomap_writethrough_submit(struct iomap_writethrough *wt)
{
	/* A failure reaches @wt through the completion of the ioend. */
	iomap_submit_ioend(&wt->wpc, 0);
}
EXPORT_SYMBOL_GPL(__iomap_writethrough_submit);

static void iomap_wt_throttle(struct iomap_writethrough *wt)
{
	WRITE_ONCE(wt->throttled, true);
	for (;;) {
		set_current_state(TASK_UNINTERRUPTIBLE);
		if (atomic_long_read(&wt->in_flight) <=
		    IOMAP_WT_MAX_IN_FLIGHT / 2)
			break;
		blk_io_schedule();
	}
	__set_current_state(TASK_RUNNING);

	spin_lock_irq(&wt->lock);
	WRITE_ONCE(wt->throttled, false);
	spin_unlock_irq(&wt->lock);
}

static void iomap_wt_unlock_folios(struct iomap_iter *iter,
		struct folio_batch *folios)
{
	struct iomap_writethrough *wt = iter->wt;
	unsigned int i;

	for (i = wt->next_folio; i < folio_batch_count(folios); i++) {
		folio_unlock(folios->folios[i]);
		folio_put(folios->folios[i]);
	}
	folio_batch_reinit(folios);
	wt->next_folio = 0;
	wt->folios = NULL;
	if (wt->bio) {
		bio_put(wt->bio);
		wt->bio = NULL;
	}
}

/*
 * Somebody has taken away the buffer that was faulted in before the folios were
 * locked.  Give up if that has no effect, and else go on folio by folio: the fault may
 * sleep, as the first one.  So may the rest of an asynchronous write: io_uring would
 * take -EAGAIN for the end of a short write.
 */
static int iomap_wt_short_copy(struct iomap_iter *iter)
{
	struct iomap_writethrough *wt = iter->wt;

	if (wt->copied_to == wt->pos)
		return -EAGAIN;

	iomap_writethrough_submit(iter->wt);
	iomap_wt_unlock_folios(iter, wt->folios);
	iter->iomap.folio_ops = wt->folio_ops;
	if (wt->async)
		iter->flags &= ~IOMAP_NOWAIT;
	return 0;
}

/*
 * Before the next folio: stop after an error, bound what is in flight, and pay
 * the toll of all writers of the page cache.  Called with no folio locked, save by
 * a write that must not wait and has locked all of its own.
 */
int iomap_writethrough_throttle(struct iomap_iter *iter)
{
	struct iomap_writethrough *wt = iter->wt;
	struct address_space *mapping = iter->inode->i_mapping;
	int status = READ_ONCE(wt->error);
	long bytes = atomic_long_read(&wt->in_flight);
	unsigned int bdp_flags;

	if (unlikely(status))
		return status;

	if (wt->folios) {
		/* The toll was paid before the folios were locked. */
		if (wt->copied_to == wt->copy_to)
			return 0;
		status = iomap_wt_short_copy(iter);
		if (status)
			return status;
	}

	if (wt->wpc.ioend)
		bytes += wt->wpc.ioend->io_bio.bi_iter.bi_size;
	if (bytes >= IOMAP_WT_MAX_IN_FLIGHT) {
		iomap_writethrough_submit(iter->wt);
		iomap_wt_throttle(wt);
	}

	bdp_flags = (iter->flags & IOMAP_NOWAIT) ? BDP_ASYNC : 0;
	if (iomap_writethrough_pending(iter->wt)) {
		status = balance_dirty_pages_ratelimited_flags(mapping,
						bdp_flags | BDP_ASYNC);
		if (status != -EAGAIN || (bdp_flags & BDP_ASYNC))
			return status;
		iomap_writethrough_submit(iter->wt);
	}
	return balance_dirty_pages_ratelimited_flags(mapping, bdp_flags);
}

static int iomap_wt_write_begin(struct iomap_iter *iter, loff_t pos, size_t len,
		struct folio **foliop)
{
	if (iomap_writethrough_pending(iter->wt) &&
	    !(iter->flags & IOMAP_NOWAIT)) {
		int status;

		iter->flags |= IOMAP_NOWAIT;
		status = iomap_write_begin(iter, pos, len, foliop);
		iter->flags &= ~IOMAP_NOWAIT;
		if (status != -EAGAIN)
			return status;
		iomap_writethrough_submit(iter->wt);
	}
	return iomap_write_begin(iter, pos, len, foliop);
}

/*
 * iomap_write_begin() without sleeping while an ioend is pending, and else with
 * nothing pending.
 */
int iomap_writethrough_write_begin(struct iomap_iter *iter, loff_t pos,
		size_t len, struct folio **foliop)
{
	unsigned int bs = i_blocksize(iter->inode);
	int status = iomap_wt_write_begin(iter, pos, len, foliop);

	/* There is no folio if the map has become stale. */
	if (!status && !(iter->iomap.flags & IOMAP_F_STALE)) {
		u64 start = round_down(pos, bs);
		u64 end = min_t(u64, round_up(pos + len, bs),
				folio_pos(*foliop) + folio_size(*foliop));

		iter->wt->was_dirty = folio_test_dirty(*foliop) &&
				iomap_find_dirty_range(*foliop, &start, end);
	}
	return status;
}

/*
 * Are any blocks of these bytes of @folio, which is locked, in flight?  If so, and
 * @wait, there will be a wake-up when some of the folio's have ended.
 */
static bool iomap_wt_in_flight(struct inode *inode, struct folio *folio,
		loff_t pos, size_t len, bool wait)
{
	struct iomap_folio_state *ifs = folio->private;
	unsigned int base = 2 * i_blocks_per_folio(inode, folio);
	size_t off = offset_in_folio(folio, pos);
	size_t last = min(off + len, folio_size(folio)) - 1;
	unsigned int end_blk = base + (last >> inode->i_blkbits) + 1;
	bool found;

	spin_lock_irq(&ifs->state_lock);
	found = find_next_bit(ifs->state, end_blk,
			      base + (off >> inode->i_blkbits)) < end_blk;
	if (found && wait)
		ifs->write_waited = true;
	spin_unlock_irq(&ifs->state_lock);
	return found;
}

/*
 * Wait until some of the folio's blocks have ended.  Not with its lock, which those
 * need who write to its other blocks; so the caller has to look again at everything.
 */
static void iomap_wt_wait_in_flight(struct inode *inode, struct folio *folio,
		loff_t pos, size_t len)
{
	struct wait_queue_head *wq = __var_waitqueue(folio);
	struct wait_bit_queue_entry wait;

	init_wait_var_entry(&wait, folio, 0);
	prepare_to_wait(wq, &wait.wq_entry, TASK_UNINTERRUPTIBLE);
	if (iomap_wt_in_flight(inode, folio, pos, len, true)) {
		folio_unlock(folio);
		io_schedule();
		finish_wait(wq, &wait.wq_entry);
		folio_lock(folio);
	} else {
		finish_wait(wq, &wait.wq_entry);
	}
}

/*
 * The folio was found and locked, by a write-through write, or by another that must
 * not wait: FGP_STABLE would.  What is in flight must not change, and a block is sent
 * by one I/O at a time.  That may be one of this very write, when a copy came out
 * short inside the block.
 *
 * With the map marked as stale, the folio was lost in the wait: look for it again.
 */
int iomap_writethrough_stabilize(struct iomap_iter *iter, struct folio *folio,
		loff_t pos, size_t len)
{
	struct inode *inode = iter->inode;

	while (folio_test_writeback(folio)) {
		struct iomap_folio_state *ifs = folio->private;
		bool join = iter->wt && ifs &&
			    ifs->write_joins < IOMAP_WT_MAX_JOINS;

		if (!iter->wt && !mapping_stable_writes(folio->mapping))
			return 0;
		if (join && !iomap_wt_in_flight(inode, folio, pos, len, false))
			return 0;
		if (iter->flags & IOMAP_NOWAIT)
			return -EAGAIN;
		if (WARN_ON_ONCE(iomap_writethrough_pending(iter->wt)))
			return -EIO;
		if (!join) {
			folio_wait_writeback(folio);
			if (iter->wt && folio_test_dirty(folio)) {
				/* Others had no chance to write it back: see iomap_wt_iter(). */
				iter->wt->lets_clean = true;
				iter->wt->clean_pos = pos;
				iter->iomap.flags |= IOMAP_F_STALE;
			}
			return 0;
		}
		iomap_wt_wait_in_flight(inode, folio, pos, len);
		if (folio->mapping != inode->i_mapping ||
		    !folio_contains(folio, pos >> PAGE_SHIFT)) {
			iter->iomap.flags |= IOMAP_F_STALE;
			return 0;
		}
	}
	return 0;
}

/* Clean now, but under writeback before: no folio_start_writeback() does this. */
static void iomap_wt_clear_dirty_tags(struct folio *folio)
{
	struct xarray *pages = &folio->mapping->i_pages;
	unsigned long flags;

	xa_lock_irqsave(pages, flags);
	if (!folio_test_dirty(folio)) {
		__xa_clear_mark(pages, folio->index, PAGECACHE_TAG_DIRTY);
		__xa_clear_mark(pages, folio->index, PAGECACHE_TAG_TOWRITE);
	}
	xa_unlock_irqrestore(pages, flags);
}

/*
 * The end of writeback counts the folio as written, and the rate at which others may
 * make folios dirty comes from both numbers.
 */
static void iomap_wt_account_dirtied(struct inode *inode, struct folio *folio)
{
	struct bdi_writeback *wb;
	struct wb_lock_cookie cookie = {};
	long nr = folio_nr_pages(folio);

	wb = unlocked_inode_to_wb_begin(inode, &cookie);
	mod_node_page_state(folio_pgdat(folio), NR_DIRTIED, nr);
	wb_stat_mod(wb, WB_DIRTIED, nr);
	unlocked_inode_to_wb_end(inode, &cookie);
}

/*
 * Bytes [@pos, @pos + @written) were copied into @folio, accepted, and are within
 * the in-core size.  Put their blocks under writeback and add them to the pending
 * ioend.  The folio is locked, none of these blocks is in flight, and it is as dirty
 * as it was before: what is sent at once need not be counted, tagged and listed as
 * dirty first.
 *
 * Errors are left in iter->wt: the bytes are in the page cache whatever happens.
 */
void iomap_writethrough_folio(struct iomap_iter *iter, struct folio *folio,
		loff_t pos, size_t written)
{
	struct iomap_writethrough *wt = iter->wt;
	struct inode *inode = iter->inode;
	unsigned int bs = i_blocksize(inode);
	loff_t start = round_down(pos, bs);
	loff_t end = round_up(pos + written, bs);
	loff_t isize = i_size_read(inode);
	size_t off = offset_in_folio(folio, start);
	size_t len = end - start;
	struct iomap_folio_state *ifs = NULL;
	struct writeback_control wbc = {
		.sync_mode	= WB_SYNC_ALL,
	};
	bool was_dirty, dirty = false, joined;
	int error;

	if (i_blocks_per_folio(inode, folio) > 1) {
		/*
		 * A folio filled in one go has no per-block state yet, but it is
		 * needed if not all of it is sent, and to count what is.
		 */
		ifs = ifs_alloc(inode, folio, iomap_writethrough_pending(iter->wt) ?
				IOMAP_NOWAIT : 0);
		if (!ifs) {
			iomap_writethrough_submit(iter->wt);
			ifs = ifs_alloc(inode, folio, 0);
		}
	}

	/*
	 * Join the writeback of other blocks, and keep it from ending meanwhile.  If
	 * nothing of it is left, what clears the bit needs nothing but a processor.
	 */
	joined = ifs && atomic_inc_not_zero(&ifs->write_bytes_pending);
	if (joined) {
		ifs->write_joins++;
	} else {
		folio_wait_writeback(folio);
		if (ifs) {
			atomic_inc(&ifs->write_bytes_pending);
			ifs->write_joins = 0;
		}
	}

	/*
	 * Write-protects the folio too, so that a store through mmap has to come
	 * by ->page_mkwrite, which waits for the folio lock and then, as the
	 * mapping is counted as stable, for the I/O.  If there was such a store
	 * already, all blocks are dirty now.
	 */
	was_dirty = folio_clear_dirty_for_io(folio);
	iomap_clear_range_dirty(folio, off, len);
	if (ifs) {
		u64 from = folio_pos(folio);
		u64 folio_end = from + folio_size(folio);
		u64 to = min_t(u64, folio_end, round_up(isize, bs));

		if (iomap_find_dirty_range(folio, &from, to)) {
			dirty = true;
			folio_redirty_for_writepage(&wbc, folio);
			/* Who made it dirty has been charged for it. */
			task_io_account_cancelled_write(folio_size(folio));
		} else {
			/*
			 * Blocks beyond EOF may be dirty by a store through mmap.
			 * Nobody writes them, and once the folio is clean nobody
			 * would zero them either.  None of them is in flight, for
			 * who moves EOF in front of them waits for the folio.
			 */
			from = to;
			if (iomap_find_dirty_range(folio, &from, folio_end))
				folio_zero_segment(folio, to - folio_pos(folio),
						   folio_size(folio));
			iomap_clear_range_dirty(folio, 0, folio_size(folio));
		}
	}

	/* A store through mmap may have left bytes beyond EOF. */
	if (end > isize)
		folio_zero_segment(folio, offset_in_folio(folio, isize),
				   off + len);

	/* Who makes folios dirty does this; a new file's may never have been. */
	inode_attach_wb_listed(inode, folio);
	if (!joined && (!was_dirty || dirty))
		iomap_wt_account_dirtied(inode, folio);
	if (joined) {
		if (was_dirty && !dirty)
			iomap_wt_clear_dirty_tags(folio);
	} else if (dirty) {
		folio_start_writeback_keepwrite(folio);
	} else {
		folio_start_writeback(folio);
	}

	/* Valid: iomap_write_begin() checked it under this folio's lock. */
	wt->wpc.iomap = iter->iomap;
	if (!iomap_wt_pure_overwrite(&iter->iomap))
		wt->need_sync = true;
	error = iomap_add_to_ioend(&wt->wpc, &wbc, folio, inode, start,
				   min(end, isize), len);
	if (unlikely(error)) {
		/* The ioend before could not be submitted: not sent. */
		iomap_wt_fail(wt, start, error);
		iomap_writethrough_set_dirty(folio, off, len);
		filemap_dirty_folio(inode->i_mapping, folio);
	} else {
		wt->wpc.nr_folios++;
		if (wt->was_dirty)
			wt->wpc.ioend->io_wt_mixed = true;
	}
	if (ifs ? atomic_dec_and_test(&ifs->write_bytes_pending) : error)
		folio_end_writeback(folio);
	wt->copied_to = pos + written;
	trace_iomap_writethrough_folio(inode, start, len);
}

/*
 * An ioend is pending here only if the last map had become stale, most often
 * because an earlier part of this very write was converted meanwhile.  To submit
 * then would cut an extent into a bio for each such conversion.  The filesystem
 * finds blocks allocated where the stale map had them, so it takes no lock but
 * those of the map; what it allocates must not wait for our folios.
 */
static int iomap_wt_iter(struct iomap_iter *iter, const struct iomap_ops *ops)
{
	struct iomap_writethrough *wt = iter->wt;
	unsigned int nofs_flag;
	int ret;

	if (!iomap_writethrough_pending(iter->wt)) {
		/*
		 * Background writeback passes by a folio under writeback, so what
		 * is dirty in other blocks of it would stay dirty for as long as
		 * write-through writes follow each other.  Those who write it back
		 * to the end wait for the folio, locked.
		 */
		if (unlikely(wt->lets_clean)) {
			wt->lets_clean = false;
			filemap_fdatawrite_range(iter->inode->i_mapping,
					wt->clean_pos, wt->clean_pos);
		}
		return iomap_iter(iter, ops);
	}

	nofs_flag = memalloc_nofs_save();
	ret = iomap_iter(iter, ops);
	memalloc_nofs_restore(nofs_flag);
	return ret;
}

/*
 * For a write that must not wait, and that must have no effect if it would have to:
 * lock all folios first.  Nothing of them that it writes to is in flight, and none
 * needs to be read.
 */
static int iomap_wt_lock_folios(struct iomap_iter *iter, struct iov_iter *from,
		struct folio_batch *folios)
{
	struct inode *inode = iter->inode;
	unsigned int bs = i_blocksize(inode);
	loff_t end = iter->pos + iter->len;
	loff_t pos = iter->pos;
	size_t left;
	int error;

	/* The pages beyond EOF need zeroing, and the size an order. */
	if (end > i_size_read(inode) || iter->len > IOMAP_WT_MAX_NOWAIT)
		return -EAGAIN;

	error = balance_dirty_pages_ratelimited_flags(inode->i_mapping,
						      BDP_ASYNC);
	if (error)
		return error;

	/* A buffer with holes is for those who can do a part of the write. */
	left = fault_in_iov_iter_readable(from, iter->len);
	if (left)
		return left == iter->len ? -EFAULT : -EAGAIN;

	while (pos < end) {
		size_t offset, to;
		struct folio *folio;

		if (!folio_batch_space(folios))
			return -EAGAIN;
		folio = iomap_get_folio(iter, pos, end - pos);
		if (IS_ERR(folio))
			return PTR_ERR(folio);
		folio_batch_add(folios, folio);

		error = iomap_writethrough_stabilize(iter, folio, pos, end - pos);
		if (error)
			return error;
		if (i_blocks_per_folio(inode, folio) > 1 &&
		    !ifs_alloc(inode, folio, IOMAP_NOWAIT))
			return -EAGAIN;

		offset = offset_in_folio(folio, pos);
		to = min_t(u64, folio_size(folio), offset + (end - pos));
		pos += to - offset;
		if (folio_test_uptodate(folio))
			continue;
		/*
		 * Nothing to read; and nothing that others can read already: a
		 * copy that comes out short is rejected as a whole, and must
		 * not have changed that.
		 */
		if ((offset | to) & (bs - 1))
			return -EAGAIN;
		for (; offset < to; offset += bs)
			if (iomap_is_partially_uptodate(folio, offset, 1))
				return -EAGAIN;
	}
	return 0;
}

/* The folio of a write that has locked all of them. */
struct folio *iomap_writethrough_next_folio(struct iomap_iter *iter, loff_t pos)
{
	struct iomap_writethrough *wt = iter->wt;
	struct folio *folio;

	if (WARN_ON_ONCE(wt->next_folio == folio_batch_count(wt->folios)))
		return ERR_PTR(-EIO);
	folio = wt->folios->folios[wt->next_folio++];
	wt->copy_to = min_t(loff_t, folio_pos(folio) + folio_size(folio),
			    wt->pos + wt->len);
	return folio;
}

/*
 * One map must do for all of the write.  It was looked up with the folios locked,
 * and nothing allocates or frees blocks of folios that are locked, if they are not in
 * flight and as long as the inode lock is held too: it need not be checked again.
 * A direct write in flight may convert them to written, which changes nothing here.
 */
static int iomap_wt_check_map(struct iomap_iter *iter)
{
	struct iomap_writethrough *wt = iter->wt;
	struct iomap *iomap = &iter->iomap;

	if (iomap_length(iter) < iter->len ||
	    (iomap->type != IOMAP_MAPPED && iomap->type != IOMAP_UNWRITTEN) ||
	    (iomap->flags & IOMAP_F_SHARED) ||
	    (iomap->folio_ops && (iomap->folio_ops->get_folio ||
				  iomap->folio_ops->put_folio)))
		return -EAGAIN;
	wt->folio_ops = iomap->folio_ops;
	iomap->folio_ops = NULL;

	wt->wpc.iomap = *iomap;
	wt->bio = bio_alloc_bioset(iomap->bdev,
			iomap_ioend_nr_vecs(&wt->wpc, iter->pos),
			REQ_OP_WRITE | REQ_SYNC, GFP_NOWAIT | __GFP_NOWARN,
			&iomap_ioend_bioset);
	return wt->bio ? 0 : -EAGAIN;
}

/**
 * iomap_writethrough_init - begin a write-through write
 * @on_stack: for a synchronous one
 * @iocb: the I/O
 * @ops: the filesystem
 * @flusher: where writes that need a flush of the device's cache wait for it
 *
 * Context: may sleep, unless @iocb has IOCB_NOWAIT.
 * Return: the context, or an ERR_PTR: -ENOMEM, or -EAGAIN for IOCB_NOWAIT.
 * iomap_writethrough_write() and iomap_writethrough_finish() must follow.
 */
struct iomap_writethrough *iomap_writethrough_init(
		struct iomap_writethrough *on_stack, struct kiocb *iocb,
		const struct iomap_writethrough_ops *ops,
		struct iomap_writethrough_flusher *flusher)
{
	struct iomap_writethrough *wt = on_stack;
	struct inode *inode = iocb->ki_filp->f_mapping->host;
	bool nowait = iocb->ki_flags & IOCB_NOWAIT;

	/* Nobody moves the file's position for a queued direct write. */
	if (!is_sync_kiocb(iocb) && !(iocb->ki_flags & IOCB_DIRECT)) {
		/*
		 * Before anything is in flight: there is no way back then.  This
		 * sleeps once in the life of a filesystem, because somebody who
		 * must not wait may be all it has.
		 */
		if (!inode->i_sb->s_dio_done_wq) {
			int error = sb_init_dio_done_wq(inode->i_sb);

			if (error)
				return ERR_PTR(error);
		}
		wt = kmalloc(sizeof(*wt), nowait ? GFP_NOWAIT | __GFP_NOWARN :
						   GFP_KERNEL);
		if (!wt)
			return ERR_PTR(nowait ? -EAGAIN : -ENOMEM);
	}

	memset(wt, 0, sizeof(*wt));
	wt->wpc.ops = ops->wb_ops;
	wt->wpc.wt = wt;
	wt->iocb = iocb;
	wt->inode = inode;
	wt->ops = ops;
	wt->flusher = flusher;
	wt->task = current;
	wt->async = wt != on_stack;
	wt->dsync = iocb_is_dsync(iocb);
	/* O_SYNC makes the timestamps durable too. */
	wt->need_sync = iocb->ki_flags & IOCB_SYNC;
	atomic_set(&wt->ref, 1);
	spin_lock_init(&wt->lock);
	INIT_LIST_HEAD(&wt->ended);

	/* Before the first folio is marked, until the last is done. */
	mapping_get_stable_writes(inode->i_mapping);
	return wt;
}
EXPORT_SYMBOL_GPL(iomap_writethrough_init);

static ssize_t iomap_wt_copy(struct iomap_iter *iter, struct iov_iter *from)
{
	struct iomap_writethrough *wt = iter->wt;
	ssize_t ret;

	while ((ret = iomap_wt_iter(iter, wt->ops->iomap_ops)) > 0) {
		ret = wt->folios ? iomap_wt_check_map(iter) : 0;
		iter->processed = ret ?: iomap_writethrough_write_iter(iter, from);
	}
	iomap_writethrough_submit(iter->wt);
	return ret;
}

/* Apart, for the batch is large, and those who allocate blocks need the stack. */
static noinline_for_stack ssize_t iomap_wt_copy_nowait(struct iomap_iter *iter,
		struct iov_iter *from)
{
	struct iomap_writethrough *wt = iter->wt;
	struct folio_batch folios;
	ssize_t ret;

	iter->flags |= IOMAP_NOWAIT;
	folio_batch_init(&folios);
	wt->copy_to = iter->pos;
	wt->copied_to = iter->pos;
	ret = iomap_wt_lock_folios(iter, from, &folios);
	if (!ret) {
		wt->folios = &folios;
		ret = iomap_wt_copy(iter, from);
	}
	iomap_wt_unlock_folios(iter, &folios);
	return ret;
}

/**
 * iomap_writethrough_write - copy into the page cache and submit
 * @wt: from iomap_writethrough_init()
 * @from: the data
 * @private: for ->iomap_begin
 *
 * Context: as iomap_file_buffered_write(); may sleep.
 * Return: bytes copied and submitted, or a negative error if there are none.
 * ki_pos moves by what was copied.  With IOCB_NOWAIT, -EAGAIN where the write would
 * wait for a lock, memory, a read or other I/O than its own; nothing is copied
 * then.  In all cases iomap_writethrough_finish() must follow.  The caller drops
 * the inode lock in between.
 */
ssize_t iomap_writethrough_write(struct iomap_writethrough *wt,
		struct iov_iter *from, void *private)
{
	struct kiocb *iocb = wt->iocb;
	struct iomap_iter iter = {
		.inode		= wt->inode,
		.pos		= iocb->ki_pos,
		.len		= iov_iter_count(from),
		.flags		= IOMAP_WRITE | IOMAP_WRITETHROUGH,
		.private	= private,
		.wt		= wt,
	};
	ssize_t ret;

	wt->pos = iter.pos;
	wt->len = iter.len;
	trace_iomap_writethrough_begin(iter.inode, iter.pos, iter.len);

	if (iocb->ki_flags & IOCB_NOWAIT)
		ret = iomap_wt_copy_nowait(&iter, from);
	else
		ret = iomap_wt_copy(&iter, from);

	wt->copied = iter.pos - iocb->ki_pos;
	if (!wt->copied)
		return ret;
	iocb->ki_pos = iter.pos;
	return wt->copied;
}
EXPORT_SYMBOL_GPL(iomap_writethrough_write);

static void iomap_wt_end_ioends(struct iomap_writethrough *wt)
{
	struct iomap_ioend *ioend;
	LIST_HEAD(ended);

	spin_lock_irq(&wt->lock);
	list_splice_init(&wt->ended, &ended);
	wt->ending = true;
	spin_unlock_irq(&wt->lock);

	iomap_sort_ioends(&ended);
	while ((ioend = list_first_entry_or_null(&ended, struct iomap_ioend,
						 io_list))) {
		list_del_init(&ioend->io_list);
		iomap_ioend_try_merge(ioend, &ended);
		wt->ops->end_ioend(ioend);
		cond_resched();
	}

	spin_lock_irq(&wt->lock);
	wt->ending = false;
	spin_unlock_irq(&wt->lock);
}

static void iomap_wt_wait(struct iomap_writethrough *wt)
{
	spin_lock_irq(&wt->lock);
	wt->waiting = true;
	spin_unlock_irq(&wt->lock);

	if (atomic_dec_and_test(&wt->ref))
		return;
	for (;;) {
		set_current_state(TASK_UNINTERRUPTIBLE);
		if (!list_empty_careful(&wt->ended)) {
			__set_current_state(TASK_RUNNING);
			iomap_wt_end_ioends(wt);
			continue;
		}
		/* Pairs with iomap_wt_put(). */
		if (smp_load_acquire(&wt->done))
			break;
		blk_io_schedule();
	}
	__set_current_state(TASK_RUNNING);

	/* iomap_wt_put() may still be about to wake this task. */
	spin_lock_irq(&wt->lock);
	spin_unlock_irq(&wt->lock);
}

/**
 * iomap_writethrough_finish - the end of a write-through write, or of its submission
 * @wt: what iomap_writethrough_write() filled
 * @from: the data; moved back to what was not written
 * @ret: what it returned
 *
 * A synchronous write is waited for, and what it takes to make it durable is done.
 * An asynchronous one is left to its I/O.  @wt is no more on return.
 *
 * Context: may sleep for a synchronous write; the caller holds no inode or folio
 * lock unless @ret is negative, when nothing is in flight.  Not interruptible: @wt
 * is on the stack, and its folios on their way.
 * Return: bytes on the device, all of them in front of the first failure, or a
 * negative error if there are none.  -ENOSPC, -EDQUOT or -EIO after an I/O error,
 * like the errors of fsync(); in particular never -EAGAIN or -EOPNOTSUPP, which
 * tell a caller to try another way.  ki_pos is moved back to what is good.
 * -EIOCBQUEUED if ->ki_complete() of the iocb gets all that, perhaps already.
 */
ssize_t iomap_writethrough_finish(struct iomap_writethrough *wt,
		struct iov_iter *from, ssize_t ret)
{
	if (wt->async && ret <= 0) {
		WARN_ON_ONCE(atomic_read(&wt->ref) != 1);
	} else if (wt->async) {
		if (!atomic_dec_and_test(&wt->ref))
			return -EIOCBQUEUED;
		/* All has ended, but this is no place to sleep. */
		if (unlikely(wt->error) || iomap_wt_must_sync(wt)) {
			iomap_wt_end_async(wt);
			return -EIOCBQUEUED;
		}
	} else {
		iomap_wt_wait(wt);
		if (ret > 0) {
			ret = iomap_wt_result(wt);
			/* Who goes on after a short write goes on from here. */
			iov_iter_revert(from, wt->pos + wt->copied -
					      wt->iocb->ki_pos);
		}
	}
	iomap_wt_release(wt, ret);
	return ret;
}
EXPORT_SYMBOL_GPL(iomap_writethrough_finish);
