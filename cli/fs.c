// SPDX-License-Identifier: GPL-2.0-only
/* From a path to the kernel's write-through files of its filesystem. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "wt.h"

#define XFS_MAGIC 0x58465342

void wt_fs_find(struct wt_fs *fs, const char *path)
{
	char name[PATH_MAX], link[PATH_MAX];
	struct statfs sfs;
	struct stat st;
	const char *base;
	ssize_t len;

	memset(fs, 0, sizeof(*fs));
	fs->path = path;
	fs->dir = -1;
	if (statfs(path, &sfs) || stat(path, &st)) {
		fs->lacks = strerror(errno);
		return;
	}
	if (sfs.f_type != XFS_MAGIC) {
		fs->lacks = "not on an XFS filesystem";
		return;
	}
	/*
	 * XFS calls itself by the kernel's name of the device, dm-0 rather than
	 * the /dev/mapper/x that mountinfo has.  sysfs knows it by number.
	 */
	snprintf(name, sizeof(name), "/sys/dev/block/%u:%u", major(st.st_dev),
		 minor(st.st_dev));
	len = readlink(name, link, sizeof(link) - 1);
	if (len < 0) {
		fs->lacks = "its device is not in /sys/dev/block";
		return;
	}
	link[len] = '\0';
	base = strrchr(link, '/');
	snprintf(fs->device, sizeof(fs->device), "%.255s",
		 base ? base + 1 : link);
	snprintf(name, sizeof(name), "/sys/fs/xfs/%s/writethrough", fs->device);
	fs->dir = open(name, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fs->dir < 0)
		fs->lacks = errno == ENOENT ?
				    "this kernel has no write-through" :
				    strerror(errno);
}

int wt_fs_open(struct wt_fs *fs, const char *path)
{
	wt_fs_find(fs, path);
	return fs->dir < 0 ? wt_error(path, "find filesystem", fs->lacks) :
			     WT_OK;
}

int wt_fs_read(const struct wt_fs *fs, const char *name, char *text,
	       size_t size)
{
	int fd = openat(fs->dir, name, O_RDONLY | O_CLOEXEC);
	ssize_t len;

	if (fd < 0)
		return -errno;
	len = read(fd, text, size - 1);
	if (len < 0)
		len = -errno;
	close(fd);
	if (len < 0)
		return len;
	text[len] = '\0';
	text[strcspn(text, "\n")] = '\0';
	return 0;
}

int wt_fs_write(const struct wt_fs *fs, const char *name, const char *text)
{
	int fd = openat(fs->dir, name, O_WRONLY | O_CLOEXEC);
	int err = 0;

	if (fd < 0)
		return -errno;
	if (write(fd, text, strlen(text)) < 0)
		err = -errno;
	close(fd);
	return err;
}

int wt_fs_mode(const struct wt_fs *fs, char *mode, size_t size)
{
	char text[64], *p;
	int err = wt_fs_read(fs, "mode", text, sizeof(text));

	if (err)
		return err;
	p = strchr(text, '[');
	if (!p)
		return -EPROTO;
	snprintf(mode, size, "%.*s", (int)strcspn(p + 1, "]"), p + 1);
	return 0;
}
