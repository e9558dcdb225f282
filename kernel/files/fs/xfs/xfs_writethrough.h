/* SPDX-License-Identifier: GPL-2.0 */
#ifndef __XFS_WRITETHROUGH_H__
#define __XFS_WRITETHROUGH_H__

int	xfs_writethrough_init(struct xfs_mount *mp);
void	xfs_writethrough_destroy(struct xfs_mount *mp);

/* Modes of a filesystem */
enum {
	XFS_WT_OFF,
	XFS_WT_ON,
	XFS_WT_ALWAYS,
};

int	__xfs_writethrough_wanted(struct kiocb *iocb, struct iov_iter *from,
			unsigned int mode);
bool	xfs_writethrough_extends(struct kiocb *iocb, struct iov_iter *from);
ssize_t	xfs_writethrough_write(struct kiocb *iocb, struct iov_iter *from,
			unsigned int *iolock);

/*
 * Does this buffered write go through?  1 or 0, -EOPNOTSUPP if it should but
 * cannot, -EAGAIN if it would have to wait and must not.
 */
static inline int
xfs_writethrough_wanted(
	struct kiocb		*iocb,
	struct iov_iter		*from)
{
	struct xfs_inode	*ip = XFS_I(file_inode(iocb->ki_filp));
	unsigned int		mode = READ_ONCE(ip->i_mount->m_writethrough_mode);

	if (!(iocb->ki_flags & IOCB_WRITETHROUGH) && mode != XFS_WT_ALWAYS &&
	    (mode == XFS_WT_OFF || !iocb_is_dsync(iocb)))
		return 0;
	return __xfs_writethrough_wanted(iocb, from, mode);
}

#endif /* __XFS_WRITETHROUGH_H__ */
