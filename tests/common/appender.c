// SPDX-License-Identifier: GPL-2.0-only
/* Appends records of 100 bytes: appender FILE NUMBER RECORDS none|wt|wt,dsync */
#include "wttest.h"

int main(int argc, char **argv)
{
	int fd, flags, n;

	if (argc != 5)
		fail("usage: appender FILE NUMBER RECORDS FLAGS");
	fd = must(open(argv[1], O_WRONLY | O_APPEND));
	n = atoi(argv[3]);
	flags = strstr(argv[4], "wt") ? RWF_WRITETHROUGH : 0;
	flags |= strstr(argv[4], "dsync") ? RWF_DSYNC : 0;
	for (int i = 0; i < n; i++) {
		char record[101];
		int len = snprintf(record, sizeof(record),
				   "writer %s record %d", argv[2], i);

		memset(record + len, '.', 99 - len);
		record[99] = '\n';
		want(wt_raw_pwrite(fd, record, 100, -1, flags), 100);
	}
	return 0;
}
