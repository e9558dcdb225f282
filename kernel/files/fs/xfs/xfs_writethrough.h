/* SPDX-License-Identifier: GPL-2.0 */
#ifndef __XFS_WRITETHROUGH_H__
#define __XFS_WRITETHROUGH_H__

int	xfs_writethrough_init(struct xfs_mount *mp);
void	xfs_writethrough_destroy(struct xfs_mount *mp);

int	xfs_writethrough_wanted(struct kiocb *iocb, struct iov_iter *from);
bool	xfs_writethrough_extends(struct kiocb *iocb, struct iov_iter *from);
ssize_t	xfs_writethrough_write(struct kiocb *iocb, struct iov_iter *from,
			unsigned int *iolock);

#endif /* __XFS_WRITETHROUGH_H__ */
