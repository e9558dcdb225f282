// SPDX-License-Identifier: GPL-2.0
/*
 * Buffered write-through: the mode and counters of each filesystem, and the maps
 * of its writes.
 *
 * Lock order as for buffered writes: IOLOCK, i_iotype, folio locks, ILOCK.  The
 * IOLOCK is dropped before the I/O is waited for, i_iotype when that has ended.
 *
 * Writes with RWF_WRITETHROUGH that stay within EOF take the IOLOCK shared, as direct
 * I/O does, and with the same consequence: of overlapping writes each folio, but not
 * the whole range, is one writer's.  What they need of each other is done under the
 * folio lock (copying, zeroing, the mark of writeback) and the ILOCK (extents and
 * reservations); the size does not change meanwhile, because that takes the IOLOCK
 * exclusively, or direct I/O.
 */
#include "xfs.h"
#include "xfs_shared.h"
#include "xfs_format.h"
#include "xfs_log_format.h"
#include "xfs_trans_resv.h"
#include "xfs_mount.h"
#include "xfs_inode.h"
#include "xfs_bmap.h"
#include "xfs_bmap_util.h"
#include "xfs_iomap.h"
#include "xfs_aops.h"
#include "xfs_sysfs.h"
#include "xfs_writethrough.h"

#include <linux/iomap_writethrough.h>

static const char *const xfs_wt_modes[] = {
	[XFS_WT_OFF]	= "off",
	[XFS_WT_ON]	= "on",
	[XFS_WT_ALWAYS]	= "always",
};

/* The mode of filesystems mounted from now on. */
static unsigned int xfs_wt_default = XFS_WT_ON;

enum {
	XFS_WT_CALLS,
	XFS_WT_BYTES,
	XFS_WT_BIOS,
	XFS_WT_FUA,
	XFS_WT_FLUSHES,
	XFS_WT_FALLBACKS,
	XFS_WT_ERRORS,
	XFS_WT_NR_STATS,
};

struct xfs_wt_stats {
	u64			count[XFS_WT_NR_STATS];
};

struct xfs_writethrough {
	struct xfs_kobj		kobj;
	struct xfs_mount	*mp;
	struct mutex		mode_lock;	/* changes of the mode */
	struct xfs_wt_stats __percpu *stats;
	struct iomap_writethrough_flusher flusher;
};

#define xfs_wt_stat_add(mp, stat, n) \
	this_cpu_add((mp)->m_writethrough->stats->count[stat], (n))

static inline struct xfs_writethrough *
to_writethrough(
	struct kobject		*kobject)
{
	return container_of(to_kobj(kobject), struct xfs_writethrough, kobj);
}

static ssize_t
mode_show(
	struct kobject		*kobject,
	struct kobj_attribute	*attr,
	char			*buf)
{
	struct xfs_mount	*mp = to_writethrough(kobject)->mp;
	unsigned int		mode = READ_ONCE(mp->m_writethrough_mode);
	int			len = 0;
	int			i;

	for (i = 0; i < ARRAY_SIZE(xfs_wt_modes); i++)
		len += sysfs_emit_at(buf, len, i == mode ? "%s[%s]" : "%s%s",
				i ? " " : "", xfs_wt_modes[i]);
	return len + sysfs_emit_at(buf, len, "\n");
}

/* Others want to know whether durable writes go through. */
static void
xfs_wt_set_mode(
	struct xfs_writethrough	*wt,
	unsigned int		mode)
{
	mutex_lock(&wt->mode_lock);
	WRITE_ONCE(wt->mp->m_writethrough_mode, mode);
	if (mode == XFS_WT_OFF)
		wt->mp->m_super->s_iflags &= ~SB_I_WRITETHROUGH;
	else
		wt->mp->m_super->s_iflags |= SB_I_WRITETHROUGH;
	mutex_unlock(&wt->mode_lock);
}

/* A write under way goes on as it began. */
static ssize_t
mode_store(
	struct kobject		*kobject,
	struct kobj_attribute	*attr,
	const char		*buf,
	size_t			count)
{
	int			mode;

	mode = sysfs_match_string(xfs_wt_modes, buf);
	if (mode < 0)
		return mode;
	xfs_wt_set_mode(to_writethrough(kobject), mode);
	return count;
}

static ssize_t
xfs_wt_stat_show(
	struct kobject		*kobject,
	struct kobj_attribute	*attr,
	char			*buf);

/* Counts that happen meanwhile may survive. */
static ssize_t
reset_stats_store(
	struct kobject		*kobject,
	struct kobj_attribute	*attr,
	const char		*buf,
	size_t			count)
{
	struct xfs_writethrough	*wt = to_writethrough(kobject);
	unsigned int		val;
	int			error;
	int			cpu;

	error = kstrtouint(buf, 0, &val);
	if (error)
		return error;
	if (val != 1)
		return -EINVAL;
	for_each_possible_cpu(cpu)
		memset(per_cpu_ptr(wt->stats, cpu), 0, sizeof(*wt->stats));
	return count;
}

static struct kobj_attribute xfs_wt_mode_attr = __ATTR_RW(mode);
static struct kobj_attribute xfs_wt_reset_stats_attr = __ATTR_WO(reset_stats);

#define XFS_WT_STAT_ATTR(name)	__ATTR(name, 0444, xfs_wt_stat_show, NULL)

static struct kobj_attribute xfs_wt_stat_attrs[] = {
	[XFS_WT_CALLS]		= XFS_WT_STAT_ATTR(calls),
	[XFS_WT_BYTES]		= XFS_WT_STAT_ATTR(bytes),
	[XFS_WT_BIOS]		= XFS_WT_STAT_ATTR(bios),
	[XFS_WT_FUA]		= XFS_WT_STAT_ATTR(fua),
	[XFS_WT_FLUSHES]	= XFS_WT_STAT_ATTR(flushes),
	[XFS_WT_FALLBACKS]	= XFS_WT_STAT_ATTR(fallbacks),
	[XFS_WT_ERRORS]		= XFS_WT_STAT_ATTR(errors),
};

static ssize_t
xfs_wt_stat_show(
	struct kobject		*kobject,
	struct kobj_attribute	*attr,
	char			*buf)
{
	struct xfs_writethrough	*wt = to_writethrough(kobject);
	u64			sum = 0;
	int			cpu;

	for_each_possible_cpu(cpu)
		sum += per_cpu_ptr(wt->stats, cpu)->
				count[attr - xfs_wt_stat_attrs];
	return sysfs_emit(buf, "%llu\n", sum);
}

static struct attribute *xfs_wt_attrs[] = {
	&xfs_wt_mode_attr.attr,
	&xfs_wt_reset_stats_attr.attr,
	&xfs_wt_stat_attrs[XFS_WT_CALLS].attr,
	&xfs_wt_stat_attrs[XFS_WT_BYTES].attr,
	&xfs_wt_stat_attrs[XFS_WT_BIOS].attr,
	&xfs_wt_stat_attrs[XFS_WT_FUA].attr,
	&xfs_wt_stat_attrs[XFS_WT_FLUSHES].attr,
	&xfs_wt_stat_attrs[XFS_WT_FALLBACKS].attr,
	&xfs_wt_stat_attrs[XFS_WT_ERRORS].attr,
	NULL,
};
ATTRIBUTE_GROUPS(xfs_wt);

static const struct kobj_type xfs_writethrough_ktype = {
	.release		= xfs_sysfs_release,
	.sysfs_ops		= &kobj_sysfs_ops,
	.default_groups		= xfs_wt_groups,
};

static int
xfs_wt_default_set(
	const char			*val,
	const struct kernel_param	*kp)
{
	int				mode;

	mode = sysfs_match_string(xfs_wt_modes, val);
	if (mode < 0)
		return mode;
	WRITE_ONCE(xfs_wt_default, mode);
	return 0;
}

static int
xfs_wt_default_get(
	char				*buf,
	const struct kernel_param	*kp)
{
	return sysfs_emit(buf, "%s\n", xfs_wt_modes[READ_ONCE(xfs_wt_default)]);
}

static const struct kernel_param_ops xfs_wt_default_ops = {
	.set			= xfs_wt_default_set,
	.get			= xfs_wt_default_get,
};

module_param_cb(writethrough, &xfs_wt_default_ops, NULL, 0644);
MODULE_PARM_DESC(writethrough,
	"Buffered write-through of new mounts: off, on (default) or always");

int
xfs_writethrough_init(
	struct xfs_mount	*mp)
{
	struct xfs_writethrough	*wt;
	int			error;

	wt = kzalloc(sizeof(*wt), GFP_KERNEL);
	if (!wt)
		return -ENOMEM;
	wt->stats = alloc_percpu(struct xfs_wt_stats);
	if (!wt->stats) {
		error = -ENOMEM;
		goto out_free;
	}
	wt->mp = mp;
	mutex_init(&wt->mode_lock);
	iomap_writethrough_flusher_init(&wt->flusher);
	xfs_wt_set_mode(wt, READ_ONCE(xfs_wt_default));

	error = xfs_sysfs_init(&wt->kobj, &xfs_writethrough_ktype, &mp->m_kobj,
			"writethrough");
	if (error)
		goto out_free_stats;
	mp->m_writethrough = wt;
	return 0;

out_free_stats:
	free_percpu(wt->stats);
out_free:
	kfree(wt);
	return error;
}

void
xfs_writethrough_destroy(
	struct xfs_mount	*mp)
{
	struct xfs_writethrough	*wt = mp->m_writethrough;

	xfs_sysfs_del(&wt->kobj);
	free_percpu(wt->stats);
	kfree(wt);
	mp->m_writethrough = NULL;
}

/*
 * Allocate what a buffered write has left as delayed allocation.  All that the
 * last look has reserved for this write, even if free space is in fragments: a
 * reservation inside the file that the write does not get to would stay.
 */
static int
xfs_writethrough_convert(
	struct inode		*inode,
	loff_t			offset,
	loff_t			length,
	unsigned int		flags,
	struct iomap		*iomap)
{
	loff_t			end = min_t(loff_t, offset + length,
					iomap->offset + iomap->length);
	loff_t			pos = offset;
	struct iomap		real;
	int			whichfork;
	int			error;

	whichfork = (iomap->flags & IOMAP_F_SHARED) ?
			XFS_COW_FORK : XFS_DATA_FORK;
	do {
		error = xfs_bmapi_convert_delalloc(XFS_I(inode), whichfork, pos,
				&real, NULL);
		if (error)
			break;
		pos = real.offset + real.length;
	} while (pos < end && (iomap->flags & IOMAP_F_NEW));

	/*
	 * Background writeback has converted the extent, even from the COW to the
	 * data fork, or punched it out if that failed.
	 */
	if (!error || error == -EAGAIN)
		return 0;

	/*
	 * Give back what this call has reserved, which may be what another has
	 * found and is about to convert: it will look again.  That takes the
	 * invalidate_lock and locks folios, and a store in page_mkwrite holds
	 * both while it waits for folios that this write has marked.
	 */
	iomap_writethrough_submit(
			container_of(iomap, struct iomap_iter, iomap)->wt);
	xfs_buffered_write_iomap_end(inode, offset, end - offset, 0, flags,
			iomap);
	return error;
}

/*
 * Map blocks for a write-through write.  Delayed allocation is allocated at once,
 * because its blocks are written before the folios are unlocked; like writeback's,
 * such blocks are unwritten until the data is on the device.  The reservation of a
 * buffered write, with its speculative preallocation, is kept, so that a log that
 * grows by small writes stays in few extents.
 */
static int
xfs_writethrough_iomap_begin(
	struct inode		*inode,
	loff_t			offset,
	loff_t			length,
	unsigned int		flags,
	struct iomap		*iomap,
	struct iomap		*srcmap)
{
	struct xfs_inode	*ip = XFS_I(inode);
	struct xfs_mount	*mp = ip->i_mount;
	struct xfs_bmbt_irec	cmap;
	struct xfs_iext_cursor	icur;
	xfs_fsize_t		disk_size;
	int			error;

	/* What must not wait must not reserve either: it would have to undo that. */
	if (flags & IOMAP_NOWAIT) {
		disk_size = READ_ONCE(ip->i_disk_size);
		error = xfs_direct_write_iomap_ops.iomap_begin(inode, offset,
				length, flags, iomap, srcmap);
		if (!error && offset + length > disk_size)
			iomap->flags |= IOMAP_F_DIRTY;
		return error;
	}

	/*
	 * Look again after a conversion: the map to write to, the map to read the
	 * rest of a block from, and the sequence numbers that tell whether they
	 * still hold must be of one moment.
	 */
	for (;;) {
		/*
		 * Before the look at the inode: whoever moves the size on disk
		 * does that under the ILOCK, which is taken next, and leaves the
		 * inode pinned, which is seen then.
		 */
		disk_size = READ_ONCE(ip->i_disk_size);

		srcmap->type = IOMAP_HOLE;
		srcmap->flags = 0;
		error = xfs_buffered_write_iomap_begin(inode, offset, length,
				flags, iomap, srcmap);
		if (error)
			return error;
		if (iomap->type != IOMAP_DELALLOC)
			break;
		error = xfs_writethrough_convert(inode, offset, length, flags,
				iomap);
		if (error)
			return error;
	}

	/*
	 * With an extent size hint there is no delayed allocation, and all that the
	 * look found to be a hole is called new.  It had dropped the ILOCK before it
	 * allocated, and another writer, as both hold the IOLOCK shared, may have
	 * written a part of the block meanwhile: what is mapped must be read, not
	 * zeroed.  What was allocated here is unwritten, and is zeroed for that.
	 */
	if (iomap->type == IOMAP_MAPPED)
		iomap->flags &= ~IOMAP_F_NEW;

	/* The data cannot be found after a crash without the new size. */
	if (offset + length > disk_size)
		iomap->flags |= IOMAP_F_DIRTY;

	/*
	 * Blocks that have an extent in the COW fork must go there even if they
	 * are not shared, so a map of the data fork ends where the next begins.
	 */
	if (!(iomap->flags & IOMAP_F_SHARED) && xfs_inode_has_cow_data(ip)) {
		loff_t		cow_pos;

		xfs_ilock(ip, XFS_ILOCK_SHARED);
		if (xfs_iext_lookup_extent(ip, ip->i_cowfp,
				XFS_B_TO_FSBT(mp, offset), &icur, &cmap)) {
			cow_pos = XFS_FSB_TO_B(mp, cmap.br_startoff);
			if (cow_pos > offset &&
			    cow_pos < iomap->offset + iomap->length)
				iomap->length = cow_pos - iomap->offset;
		}
		xfs_iunlock(ip, XFS_ILOCK_SHARED);
	}
	return 0;
}

static const struct iomap_ops xfs_writethrough_iomap_ops = {
	.iomap_begin		= xfs_writethrough_iomap_begin,
};

static const struct iomap_writeback_ops xfs_writethrough_wb_ops = {
	.prepare_ioend		= xfs_prepare_ioend,
};

static void
xfs_writethrough_end_write(
	struct iomap_writethrough *wt,
	ssize_t			ret)
{
	struct xfs_mount	*mp = XFS_I(wt->inode)->i_mount;

	if (wt->nr_bios) {
		xfs_wt_stat_add(mp, XFS_WT_CALLS, 1);
		xfs_wt_stat_add(mp, XFS_WT_BIOS, wt->nr_bios);
		xfs_wt_stat_add(mp, XFS_WT_FUA, wt->nr_durable);
	}
	if (ret > 0)
		xfs_wt_stat_add(mp, XFS_WT_BYTES, ret);
	if (wt->flushed)
		xfs_wt_stat_add(mp, XFS_WT_FLUSHES, 1);
	if (wt->error)
		xfs_wt_stat_add(mp, XFS_WT_ERRORS, 1);
	xfs_iotype_unlock(wt->iocb);
}

static const struct iomap_writethrough_ops xfs_writethrough_ops = {
	.iomap_ops		= &xfs_writethrough_iomap_ops,
	.wb_ops			= &xfs_writethrough_wb_ops,
	.end_ioend		= xfs_end_ioend,
	.end_write		= xfs_writethrough_end_write,
};

/* For a write with the flag, for a durable one, and in the mode `always` for any. */
int
__xfs_writethrough_wanted(
	struct kiocb		*iocb,
	struct iov_iter		*from,
	unsigned int		mode)
{
	struct inode		*inode = file_inode(iocb->ki_filp);
	struct xfs_mount	*mp = XFS_I(inode)->i_mount;

	/*
	 * What is left of a direct write is written back in any case, and then
	 * dropped from the cache, which writeback prepares.
	 */
	if (iocb->ki_flags & IOCB_DIRECT)
		return 0;

	if ((iocb->ki_flags & IOCB_WRITETHROUGH) &&
	    (mode == XFS_WT_OFF || IS_SWAPFILE(inode))) {
		/* io_uring comes back without IOCB_NOWAIT. */
		if (!(iocb->ki_flags & IOCB_NOWAIT))
			xfs_wt_stat_add(mp, XFS_WT_FALLBACKS, 1);
		return -EOPNOTSUPP;
	}

	/* Do not zero what lies between EOF and the write only to give up. */
	if ((iocb->ki_flags & IOCB_NOWAIT) &&
	    xfs_writethrough_extends(iocb, from))
		return -EAGAIN;
	return 1;
}

/* Does this write move EOF?  Of the moment, unless the IOLOCK is held. */
bool
xfs_writethrough_extends(
	struct kiocb		*iocb,
	struct iov_iter		*from)
{
	return (iocb->ki_flags & IOCB_APPEND) ||
		iocb->ki_pos + iov_iter_count(from) >
			i_size_read(file_inode(iocb->ki_filp));
}

/*
 * Write through.  Entered with the IOLOCK held as *@iolock.  Dropped, and *@iolock
 * cleared, before the I/O is waited for; still held on return if there was no
 * space for a single byte, for the caller to make some and try again.  i_iotype is
 * held on entry, and released in any case, by the end of the I/O if that comes later.
 * What is returned is durable if it has to be, or -EIOCBQUEUED.
 */
ssize_t
xfs_writethrough_write(
	struct kiocb		*iocb,
	struct iov_iter		*from,
	unsigned int		*iolock)
{
	struct xfs_inode	*ip = XFS_I(file_inode(iocb->ki_filp));
	struct xfs_mount	*mp = ip->i_mount;
	struct iomap_writethrough on_stack;
	struct iomap_writethrough *wt;
	ssize_t			ret;

	/* Two that move the end of the file at once could leave it too low. */
	ASSERT(*iolock == XFS_IOLOCK_EXCL ||
	       !xfs_writethrough_extends(iocb, from));

	wt = iomap_writethrough_init(&on_stack, iocb, &xfs_writethrough_ops,
			&mp->m_writethrough->flusher);
	if (IS_ERR(wt)) {
		xfs_iotype_unlock(iocb);
		return PTR_ERR(wt);
	}

	ret = iomap_writethrough_write(wt, from, NULL);
	if (ret == -ENOSPC || ret == -EDQUOT)
		return iomap_writethrough_finish(wt, from, ret);
	if (ret > 0)
		XFS_STATS_ADD(mp, xs_write_bytes, ret);

	xfs_iunlock(ip, *iolock);
	*iolock = 0;
	return iomap_writethrough_finish(wt, from, ret);
}
