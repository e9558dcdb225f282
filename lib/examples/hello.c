// SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
#include <fcntl.h>
#include <stdio.h>
#include <writethrough.h>

int main(void)
{
	struct iovec iov = { .iov_base = "hello, disk\n", .iov_len = 12 };
	enum wt_path path;
	int fd = open("hello.txt", O_WRONLY | O_CREAT, 0644);
	ssize_t n = wt_pwritev(fd, &iov, 1, 0, WT_DSYNC, &path);
	printf("%zd bytes, path: %s\n", n, wt_path_name(path));
	return n != 12;
}
